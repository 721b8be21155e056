package dev.attune.text;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Locale;
import java.util.Properties;

/**
 * Loads the native library of the tokenizers JAR, once, without DJL's own loader (see the package
 * comment): no network, no CUDA probe, no output.
 */
final class NativeTokenizers {
  /** Explicit library file; when it is set it is the only try. */
  static final String LIBRARY_PROPERTY = "attune.tokenizers.library";

  static final String LIBRARY_VARIABLE = "ATTUNE_TOKENIZERS_LIBRARY";

  private static final String RESOURCES = "/native/lib/";
  private static long loadNanos = -1;

  private NativeTokenizers() {}

  /** Loads the library if this class loader has not done so yet. */
  static synchronized void load() {
    if (loadNanos >= 0) {
      return;
    }
    long begin = System.nanoTime();
    String explicit =
        System.getProperty(LIBRARY_PROPERTY, System.getenv().getOrDefault(LIBRARY_VARIABLE, ""));
    try {
      if (!explicit.isEmpty()) {
        System.load(Path.of(explicit).toAbsolutePath().toString());
      } else {
        String platform = platform();
        Path folder = extract(platform, fileNames(platform));
        for (String name : fileNames(platform)) {
          System.load(folder.resolve(name).toString());
        }
      }
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new IllegalStateException(
          "The tokenizer library does not load on "
              + platform()
              + (explicit.isEmpty() ? "" : " from " + explicit)
              + ": "
              + e.getMessage()
              + ". Set -D"
              + LIBRARY_PROPERTY
              + "=FILE to use a build of your own.",
          e);
    }
    loadNanos = System.nanoTime() - begin;
  }

  /** What the one load took; 0 before it. */
  static synchronized long loadMillis() {
    return Math.max(0, loadNanos) / 1_000_000;
  }

  private static String platform() {
    String os = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch").toLowerCase(Locale.ROOT);
    String system = os.startsWith("win") ? "win" : os.startsWith("mac") ? "osx" : "linux";
    return system + "-" + (arch.equals("amd64") ? "x86_64" : arch);
  }

  /** In load order: the Windows build needs its three runtime libraries first. */
  private static List<String> fileNames(String platform) {
    String library = System.mapLibraryName("tokenizers");
    return platform.startsWith("win")
        ? List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", library)
        : List.of(library);
  }

  private static Path extract(String platform, List<String> names) throws IOException {
    Path folder = cacheFolder(platform);
    for (String name : names) {
      String resource = RESOURCES + platform + "/cpu/" + name;
      URL url = NativeTokenizers.class.getResource(resource);
      if (url == null) {
        throw new IOException(
            "no "
                + resource
                + " on the class path (the tokenizers JAR has it for linux-x86_64, linux-aarch64,"
                + " osx-aarch64 and win-x86_64)");
      }
      Path target = folder.resolve(name);
      long sizeBytes = url.openConnection().getContentLengthLong();
      if (Files.exists(target) && (sizeBytes < 0 || Files.size(target) == sizeBytes)) {
        continue;
      }
      // Written aside and renamed, so that a second process never sees half a library.
      Path aside = Files.createTempFile(folder, name, ".tmp");
      try (InputStream in = url.openStream()) {
        Files.copy(in, aside, StandardCopyOption.REPLACE_EXISTING);
        Files.move(
            aside, target, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
      } catch (FileAlreadyExistsException e) {
        // Another process was first.
      } finally {
        Files.deleteIfExists(aside);
      }
    }
    return folder;
  }

  private static Path cacheFolder(String platform) throws IOException {
    Path base;
    String chosen = System.getProperty("attune.cache", System.getenv("ATTUNE_CACHE"));
    String xdg = System.getenv("XDG_CACHE_HOME");
    if (chosen != null && !chosen.isEmpty()) {
      base = Path.of(chosen);
    } else if (xdg != null && !xdg.isEmpty()) {
      base = Path.of(xdg, "attune");
    } else {
      base = Path.of(System.getProperty("user.home"), ".cache", "attune");
    }
    Path folder = base.resolve("tokenizers-" + version()).resolve(platform).toAbsolutePath();
    try {
      return Files.createDirectories(folder);
    } catch (IOException e) {
      // A read-only home: a private folder of this process. A fixed name in the shared temporary
      // folder could be planted by someone else.
      Path own = Files.createTempDirectory("attune-tokenizers");
      own.toFile().deleteOnExit();
      for (String name : fileNames(platform)) {
        own.resolve(name).toFile().deleteOnExit();
      }
      return own;
    }
  }

  private static String version() throws IOException {
    Properties properties = new Properties();
    try (InputStream in =
        NativeTokenizers.class.getResourceAsStream(RESOURCES + "tokenizers.properties")) {
      if (in != null) {
        properties.load(in);
      }
    }
    return properties.getProperty("version", "unknown");
  }
}
