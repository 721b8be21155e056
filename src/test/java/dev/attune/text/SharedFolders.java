package dev.attune.text;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;

/** The optional folders that tests read; a test that needs an absent one is reported as skipped. */
public final class SharedFolders {
  private SharedFolders() {}

  /** A path under the goldens folder. */
  public static Path golden(String path) {
    return existing("attune.goldens", path);
  }

  /** A path under the data folder. */
  public static Path data(String path) {
    return existing("attune.data", path);
  }

  /** The folder of a tokenizer named as in the goldens. */
  public static Path tokenizer(String name) {
    Path models = Path.of(System.getProperty("attune.data", "absent"), "models", name);
    return Files.isDirectory(models) ? models : data("tokenizers/" + name);
  }

  private static Path existing(String property, String path) {
    String root = System.getProperty(property);
    assumeTrue(root != null, "system property " + property + " is not set");
    Path found = Path.of(root, path);
    assumeTrue(Files.exists(found), found + " is absent (set -D" + property + "=DIR)");
    return found;
  }
}
