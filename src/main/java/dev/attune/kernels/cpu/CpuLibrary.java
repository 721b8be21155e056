package dev.attune.kernels.cpu;

import dev.attune.kernels.BackendException;
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
import org.bytedeco.javacpp.BytePointer;

/**
 * Finds and loads {@code libattune_cpu} once. An explicit path (system property or environment:
 * {@code attune.library.path}, ATTUNE_LIBRARY_PATH) is the only try where given; else the library
 * beside the classes; else the one inside the JAR, extracted once to a cache folder named after its
 * content.
 */
final class CpuLibrary {
  /** Must equal ATTUNE_ABI_VERSION in attune_ops.h. */
  private static final int ABI_VERSION = 1;

  private static final String FILE = "libattune_cpu.so";
  private static Path loaded;

  private CpuLibrary() {}

  /** Loads the library if it is not loaded; returns the file it came from. */
  static synchronized Path load() {
    if (loaded != null) {
      return loaded;
    }
    Path file = locate();
    try {
      System.load(file.toString());
    } catch (UnsatisfiedLinkError e) {
      throw new BackendException(
          "cannot load the native kernels from " + file + ": " + e.getMessage(), e);
    }
    int abi = CpuNative.abiVersion();
    if (abi != ABI_VERSION) {
      throw new BackendException(
          "the native kernels in "
              + file
              + " have ABI "
              + abi
              + ", these classes need "
              + ABI_VERSION
              + "; build both from one checkout");
    }
    loaded = file;
    return file;
  }

  static String lastError() {
    BytePointer message = CpuNative.lastError();
    return message.getString();
  }

  private static Path locate() {
    String explicit = System.getProperty("attune.library.path");
    if (explicit == null || explicit.isEmpty()) {
      explicit = System.getenv("ATTUNE_LIBRARY_PATH");
    }
    if (explicit != null && !explicit.isEmpty()) {
      Path path = Path.of(explicit).toAbsolutePath();
      Path file = Files.isDirectory(path) ? path.resolve(FILE) : path;
      if (!Files.isRegularFile(file)) {
        throw new BackendException("no native kernels at " + file + ", the path given explicitly");
      }
      return file;
    }
    String resource = "/dev/attune/native/" + platform() + "/" + FILE;
    URL url = CpuLibrary.class.getResource(resource);
    if (url == null) {
      throw new BackendException(
          "there are no native kernels for "
              + platform()
              + " in this build (looked for "
              + resource
              + " on the class path); build them with: mvn package");
    }
    if (url.getProtocol().equals("file")) {
      return Path.of(java.net.URI.create(url.toString()));
    }
    try (InputStream in = url.openStream()) {
      return extract(in.readAllBytes());
    } catch (IOException e) {
      throw new BackendException("cannot extract the native kernels: " + e.getMessage(), e);
    }
  }

  private static Path extract(byte[] library) throws IOException {
    Path folder = cacheFolder().resolve("native").resolve(digest(library));
    Path file = folder.resolve(FILE);
    if (Files.isRegularFile(file) && Files.size(file) == library.length) {
      return file;
    }
    Files.createDirectories(folder);
    Path temporary = Files.createTempFile(folder, FILE, ".tmp");
    try {
      Files.write(temporary, library);
      Files.move(
          temporary, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } finally {
      Files.deleteIfExists(temporary);
    }
    return file;
  }

  private static Path cacheFolder() {
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
