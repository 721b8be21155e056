package dev.attune.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import dev.attune.core.NativeLoader;
import dev.attune.core.Platform;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Path;
import java.util.List;

/**
 * Loads the native library of the tokenizers JAR, once, without DJL's own loader (see the package
 * comment): no network, no CUDA probe, no output.
 */
final class NativeTokenizers {
  /** Explicit library file; when it is set it is the only try. */
  static final String LIBRARY_PROPERTY = "attune.tokenizers.library";

  static final String LIBRARY_VARIABLE = "ATTUNE_TOKENIZERS_LIBRARY";

  private static final String RESOURCES = "/native/lib/";
  private static boolean loaded;

  private NativeTokenizers() {}

  /** Loads the library if this class loader has not done so yet. */
  static synchronized void load() {
    if (loaded) {
      return;
    }
    String explicit =
        System.getProperty(LIBRARY_PROPERTY, System.getenv().getOrDefault(LIBRARY_VARIABLE, ""));
    try {
      if (!explicit.isEmpty()) {
        NativeLoader.load(Path.of(explicit).toAbsolutePath(), NativeLoader.Around.NOTHING);
      } else {
        String platform = platform(Platform.name());
        for (String name : fileNames(platform)) {
          NativeLoader.load(resource(platform, name), NativeLoader.Around.NOTHING);
        }
      }
    } catch (IOException | UnsatisfiedLinkError e) {
      throw new IllegalStateException(
          "The tokenizer library does not load: "
              + e.getMessage()
              + ". Set -D"
              + LIBRARY_PROPERTY
              + "=FILE to use a build of your own.",
          e);
    }
    loaded = true;
  }

  /** The JAR's own names of systems and processors. */
  static String platform(String name) {
    return name.replace("macosx-", "osx-").replace("windows-", "win-").replace("arm64", "aarch64");
  }

  /** In load order: the Windows build needs its three runtime libraries first. */
  private static List<String> fileNames(String platform) {
    String library = System.mapLibraryName("tokenizers");
    return platform.startsWith("win")
        ? List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll", library)
        : List.of(library);
  }

  private static URL resource(String platform, String name) throws IOException {
    String resource = RESOURCES + platform + "/cpu/" + name;
    // Asked of a class of theirs: as modules, their JAR opens its resources and ours sees none of
    // them.
    URL url = TokenizersLibrary.class.getResource(resource);
    if (url == null) {
      throw new IOException(
          "no "
              + resource
              + " on the class path (ai.djl.huggingface:tokenizers has it for linux-x86_64,"
              + " linux-aarch64, osx-aarch64 and win-x86_64)");
    }
    return url;
  }
}
