package dev.attune.memory;

import dev.attune.core.Cache;
import dev.attune.core.NativeLoader;
import java.io.IOException;
import java.net.URL;
import java.nio.file.Path;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;

/**
 * Brings JavaCPP up under our rules. What it does when its {@link Pointer} is first used is fixed
 * for its class loader: the memory limits, and the folder that it unpacks its native library to.
 */
public final class JavaCpp {
  private static final String[] LIMITS = {
    "org.bytedeco.javacpp.maxBytes", "org.bytedeco.javacpp.maxPhysicalBytes"
  };
  private static final String[] CACHES = {
    "org.bytedeco.javacpp.cachedir", "org.bytedeco.javacpp.cacheDir"
  };

  private JavaCpp() {}

  /**
   * Turns its memory limits off, unless the application has set them: they are multiples of Java's
   * heap, counted over the whole process, and would decide when training stops.
   */
  public static void disableLimits() {
    for (String property : LIMITS) {
      if (System.getProperty(property) == null) {
        System.setProperty(property, "0");
      }
    }
  }

  /**
   * Loads something that makes JavaCPP load its own library: from our cache, and while no other
   * process does the same, because JavaCPP trusts a file of the right size and date. The property
   * that names its folder is there only meanwhile: other class loaders in this process have their
   * own JavaCPP, which is not ours to move.
   *
   * @param natives the folder for native libraries
   */
  public static void within(Path natives, Runnable load) throws IOException {
    disableLimits();
    for (String property : CACHES) {
      if (System.getProperty(property) != null) { // the application's choice
        load.run();
        return;
      }
    }
    Path folder = Cache.makeFolder(natives.resolve("javacpp"));
    Cache.locked(
        natives.resolve("javacpp.lock"),
        () -> {},
        () -> {
          URL library =
              Loader.class.getResource(
                  Loader.Detector.getPlatform() + "/" + System.mapLibraryName("jnijavacpp"));
          if (library != null) {
            NativeLoader.deleteUnlike(folder, library);
          }
          System.setProperty(CACHES[0], folder.toString());
          try {
            load.run();
          } finally {
            System.clearProperty(CACHES[0]);
          }
          return null;
        });
  }
}
