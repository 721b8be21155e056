package dev.attune.kernels;

import dev.attune.core.NativeLoader;
import dev.attune.core.Platform;
import dev.attune.memory.JavaCpp;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;

/**
 * Finds and loads our native libraries. An explicit path (system property or environment: {@code
 * attune.library.path}, ATTUNE_LIBRARY_PATH; a folder or the CPU library in it) is the only try
 * where given; else the one beside the classes, in a folder or in the JAR (see {@link
 * NativeLoader}).
 */
public final class NativeLibrary {
  /** Platforms that a build can be for: what a JAR holds is found by asking for each. */
  private static final List<String> PLATFORMS =
      List.of("linux-x86_64", "linux-arm64", "macosx-arm64", "macosx-x86_64", "windows-x86_64");

  /** Platforms that Bytedeco's PyTorch preset is published for. */
  private static final List<String> TORCH_PLATFORMS =
      List.of("linux-x86_64", "macosx-arm64", "windows-x86_64");

  private NativeLibrary() {}

  /**
   * Loads a library.
   *
   * @param name such as {@code attune_cpu}
   * @return the file it came from
   * @throws BackendException if there is none or it cannot be loaded
   */
  public static Path load(String name) {
    Optional<Path> explicit = explicit(name);
    if (explicit.isPresent()) {
      load(explicit.get());
      return explicit.get();
    }
    URL library = bundled(name);
    try {
      return NativeLoader.load(library, JavaCpp::within);
    } catch (IOException e) {
      throw new BackendException("cannot unpack the native kernels " + library + ": " + e, e);
    } catch (UnsatisfiedLinkError e) {
      throw new BackendException("cannot load the native kernels: " + e.getMessage(), e);
    }
  }

  private static void load(Path file) {
    try {
      NativeLoader.load(file, JavaCpp::within);
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new BackendException("cannot load the native kernels: " + e.getMessage(), e);
    }
  }

  /**
   * Where a library lies, for people.
   *
   * @throws BackendException if there is none
   */
  public static String locate(String name) {
    return explicit(name).map(Path::toString).orElseGet(() -> bundled(name).toString());
  }

  private static Optional<Path> explicit(String name) {
    String explicit = System.getProperty("attune.library.path");
    if (explicit == null || explicit.isEmpty()) {
      explicit = System.getenv("ATTUNE_LIBRARY_PATH");
    }
    if (explicit == null || explicit.isEmpty()) {
      return Optional.empty();
    }
    String fileName = System.mapLibraryName(name);
    Path path = Path.of(explicit).toAbsolutePath();
    Path file = Files.isDirectory(path) ? path.resolve(fileName) : beside(path, fileName);
    if (!Files.isRegularFile(file)) {
      throw new BackendException("no native kernels at " + file + ", the path given explicitly");
    }
    return Optional.of(file);
  }

  /** An explicit path may name one library; the others lie beside it. */
  private static Path beside(Path library, String fileName) {
    return library.getFileName().toString().startsWith("libattune_")
        ? library.resolveSibling(fileName)
        : library;
  }

  private static URL bundled(String name) {
    String platform = Platform.name();
    URL url = NativeLibrary.class.getResource(resource(platform, System.mapLibraryName(name)));
    if (url == null) {
      throw new BackendException(missing(name, platform));
    }
    return url;
  }

  private static String resource(String platform, String fileName) {
    return "/dev/attune/native/" + platform + "/" + fileName;
  }

  /** For someone who has the JAR only: what was looked for, what there is, what can be done. */
  static String missing(String name, String platform) {
    List<String> present =
        PLATFORMS.stream()
            .filter(p -> NativeLibrary.class.getResource(resource(p, fileName(name, p))) != null)
            .toList();
    StringBuilder out = new StringBuilder();
    out.append("there is no library ").append(name).append(" for ").append(platform);
    out.append(" here: ").append(resource(platform, fileName(name, platform)));
    out.append(" is not on the class path");
    if (!present.isEmpty()) {
      out.append(", which has it for ").append(String.join(", ", present));
    }
    if (!name.equals("attune_cpu")) {
      return out.toString();
    }
    if (TORCH_PLATFORMS.contains(platform)) {
      out.append(". The torch backend runs here, slower: ask for it (backend torch) and add");
      out.append(" org.bytedeco:pytorch and org.bytedeco:openblas, each also with the classifier ");
      out.append(platform).append(", in the versions that Attune's pom names");
    }
    return out.append(". Attune can be built from source on such a machine, with a C++17 compiler")
        .append(" and CMake: mvn package")
        .toString();
  }

  private static String fileName(String name, String platform) {
    return platform.startsWith("windows")
        ? name + ".dll"
        : "lib" + name + (platform.startsWith("macosx") ? ".dylib" : ".so");
  }
}
