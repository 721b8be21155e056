package dev.attune.kernels.cuda;

import dev.attune.kernels.BackendException;
import dev.attune.kernels.NativeLibrary;
import java.nio.file.Path;

/**
 * Loads our CUDA kernels once: {@code libattune_cuda}, or, in tests, the same kernels on an
 * emulated device. A process has one of the two, because both define the natives of {@link
 * CudaNative}.
 */
final class CudaLibrary {
  private static Path loaded;

  private CudaLibrary() {}

  /** Loads the kernels for a real device; returns the file they came from. */
  static synchronized Path load() {
    if (loaded == null) {
      loaded = NativeLibrary.load("attune_cuda", CudaNative::abiVersion);
    }
    return loaded;
  }

  /** Loads a file, which has to be that of every other call. */
  static synchronized Path load(Path file) {
    if (loaded == null) {
      NativeLibrary.load(file, CudaNative::abiVersion);
      loaded = file;
    } else if (!loaded.equals(file)) {
      throw new BackendException(
          file + " cannot be loaded: this process has loaded " + loaded + " already");
    }
    return loaded;
  }

  static String lastError() {
    return CudaNative.lastError().getString();
  }
}
