package dev.attune.hub;

import java.io.IOException;
import java.io.InputStream;
import java.util.Optional;

/** Where the entries of a JAR are read: the JAR itself, or a class path that has it. */
@FunctionalInterface
interface Entries {
  /** A stream to be closed, or null if there is no such entry. */
  InputStream open(String name) throws IOException;

  /**
   * The resources of the class path, where one has that name: the application has the artifact as a
   * dependency. Also inside a JAR of JARs, and merged into another.
   */
  static Optional<Entries> onClassPath(String name) {
    for (ClassLoader loader :
        new ClassLoader[] {
          Thread.currentThread().getContextClassLoader(), Entries.class.getClassLoader()
        }) {
      if (loader != null && loader.getResource(name) != null) {
        return Optional.of(loader::getResourceAsStream);
      }
    }
    return Optional.empty();
  }
}
