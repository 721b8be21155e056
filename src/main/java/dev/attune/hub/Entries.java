package dev.attune.hub;

import java.io.IOException;
import java.io.InputStream;

/** Where the entries of a JAR are read: the JAR itself, or a class path that has it. */
@FunctionalInterface
interface Entries {
  /** A stream to be closed, or null if there is no such entry. */
  InputStream open(String name) throws IOException;
}
