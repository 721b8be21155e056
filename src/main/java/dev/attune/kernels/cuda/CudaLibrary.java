package dev.attune.kernels.cuda;

import dev.attune.kernels.BackendException;
import dev.attune.kernels.NativeLibrary;
import java.nio.file.Path;

/**
 * Loads our CUDA kernels once: {@code libattune_cuda}, or the same kernels on an emulated device. A
 * process has one of the two, because both define the natives of {@link CudaNative}.
 */
final class CudaLibrary {
  /** The kernels for a real device. */
  static final String DEVICE = "libattune_cuda.so";

  /** The same kernels for the host, slow: for tests. */
  static final String EMULATED = "libattune_cuda_emulated.so";

  private static String loadedName;
  private static Path loaded;

  private CudaLibrary() {}

  /** Loads a library, {@link #DEVICE} or {@link #EMULATED}; returns the file it came from. */
  static synchronized Path load(String fileName) {
    if (loaded == null) {
      loaded = NativeLibrary.load(fileName, CudaNative::abiVersion);
      loadedName = fileName;
    } else if (!loadedName.equals(fileName)) {
      throw new BackendException(
          fileName + " cannot be loaded: this process has already loaded " + loadedName);
    }
    return loaded;
  }

  static String lastError() {
    return CudaNative.lastError().getString();
  }
}
