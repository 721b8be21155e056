package dev.attune.core;

import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.CodeSource;
import java.util.List;
import java.util.stream.Stream;

/**
 * Which build of Attune this is, so that what one build has computed and kept is not taken for what
 * another would compute.
 */
public final class CodeIdentity {
  private static final String TEXT = read();

  private CodeIdentity() {}

  /** A text that differs between builds. */
  public static String text() {
    return TEXT;
  }

  private static String read() {
    try {
      CodeSource source = CodeIdentity.class.getProtectionDomain().getCodeSource();
      return source == null ? "" : of(Path.of(source.getLocation().toURI()));
    } catch (IOException | URISyntaxException e) {
      return ""; // a class path that is no file: formats have numbers too
    }
  }

  /** Of a JAR its size and time; of a folder of classes how many there are, and the newest time. */
  static String of(Path code) throws IOException {
    if (Files.isRegularFile(code)) {
      return Files.size(code) + " " + Files.getLastModifiedTime(code).toMillis();
    }
    try (Stream<Path> tree = Files.walk(code)) {
      List<Path> classes = tree.filter(path -> path.toString().endsWith(".class")).toList();
      long newest = 0;
      for (Path file : classes) {
        newest = Math.max(newest, Files.getLastModifiedTime(file).toMillis());
      }
      return classes.size() + " " + newest;
    }
  }
}
