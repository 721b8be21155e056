package dev.attune.kernels.cpu;

import dev.attune.kernels.NativeLibrary;
import java.nio.file.Path;

/** Loads {@code libattune_cpu} once. */
final class CpuLibrary {
  private static Path loaded;

  private CpuLibrary() {}

  /** Loads the library if it is not loaded; returns the file it came from. */
  static synchronized Path load() {
    if (loaded == null) {
      loaded = NativeLibrary.load("attune_cpu", CpuNative::abiVersion);
    }
    return loaded;
  }

  static String lastError() {
    return CpuNative.lastError().getString();
  }
}
