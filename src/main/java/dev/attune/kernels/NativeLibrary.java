package dev.attune.kernels;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.Locale;

/**
 * Finds and loads our native libraries. An explicit path (system property or environment: {@code
 * attune.library.path}, ATTUNE_LIBRARY_PATH; a folder or the CPU library in it) is the only try
 * where given; else the library beside the classes; else the one inside the JAR, extracted once to
 * a cache folder named after its content.
 */
public final class NativeLibrary {
  private NativeLibrary() {}

  /**
   * Loads a library.
   *
   * @throws BackendException if it cannot be loaded
   */
  static void load(Path file) {
    try {
      System.load(file.toString());
    } catch (UnsatisfiedLinkError e) {
      throw new BackendException(
          "cannot load the native kernels from " + file + ": " + e.getMessage(), e);
    }
  }

  /** An explicit path may name one library; the others lie beside it. */
  private static Path beside(Path library, String fileName) {
    return library.getFileName().toString().startsWith("libattune_")
        ? library.resolveSibling(fileName)
        : library;
  }

  /**
   * Finds a library; one inside the JAR is extracted.
   *
   * @throws BackendException if there is none
   */
  public static Path locate(String fileName) {
    String explicit = System.getProperty("attune.library.path");
    if (explicit == null || explicit.isEmpty()) {
      explicit = System.getenv("ATTUNE_LIBRARY_PATH");
    }
    if (explicit != null && !explicit.isEmpty()) {
      Path path = Path.of(explicit).toAbsolutePath();
      Path file = Files.isDirectory(path) ? path.resolve(fileName) : beside(path, fileName);
      if (!Files.isRegularFile(file)) {
        throw new BackendException("no native kernels at " + file + ", the path given explicitly");
      }
      return file;
    }
    String resource = "/dev/attune/native/" + platform() + "/" + fileName;
    URL url = NativeLibrary.class.getResource(resource);
    if (url == null) {
      throw new BackendException(
          "there is no "
              + fileName
              + " for "
              + platform()
              + " in this build (looked for "
              + resource
              + " on the class path); build them with: mvn package");
    }
    if (url.getProtocol().equals("file")) {
      return Path.of(java.net.URI.create(url.toString()));
    }
    try (InputStream in = url.openStream()) {
      return extract(in.readAllBytes(), fileName);
    } catch (IOException e) {
      throw new BackendException("cannot extract the native kernels: " + e.getMessage(), e);
    }
  }

  private static Path extract(byte[] library, String fileName) throws IOException {
    Path folder = cacheFolder().resolve("native").resolve(digest(library));
    Path file = folder.resolve(fileName);
    if (Files.isRegularFile(file) && Files.size(file) == library.length) {
      return file;
    }
    Files.createDirectories(folder);
    Path temporary = Files.createTempFile(folder, fileName, ".tmp");
    try {
      Files.write(temporary, library);
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
    return file;
  }

  /**
   * Where files that can be made again are kept: ATTUNE_HOME, else the cache folder of the user.
   */
  public static Path cacheFolder() {
    String home = System.getenv("ATTUNE_HOME");
    if (home != null && !home.isEmpty()) {
      return Path.of(home);
    }
    String xdg = System.getenv("XDG_CACHE_HOME");
    Path cache =
        xdg != null && !xdg.isEmpty()
            ? Path.of(xdg)
            : Path.of(System.getProperty("user.home"), ".cache");
    return cache.resolve("attune");
  }

  private static String digest(byte[] content) {
    try {
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(content);
      return HexFormat.of().formatHex(hash, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String system = os.startsWith("linux") ? "linux" : os.startsWith("mac") ? "macosx" : "windows";
    String machine =
        switch (arch) {
          case "amd64", "x86_64" -> "x86_64";
          case "aarch64", "arm64" -> "arm64";
          default -> arch;
        };
    return system + "-" + machine;
  }
}
