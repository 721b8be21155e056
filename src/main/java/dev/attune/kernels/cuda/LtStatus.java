package dev.attune.kernels.cuda;

import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import org.bytedeco.cuda.global.cublas;

/** What cuBLASLt's calls return. */
final class LtStatus {
  private LtStatus() {}

  /** A call that is refused leaves the device as it was; any other failure loses it. */
  static void check(String call, int status) {
    String message = "status " + status + " (" + meaning(status) + ")";
    switch (status) {
      case cublas.CUBLAS_STATUS_SUCCESS -> {}
      case cublas.CUBLAS_STATUS_INVALID_VALUE,
          cublas.CUBLAS_STATUS_NOT_SUPPORTED,
          cublas.CUBLAS_STATUS_ARCH_MISMATCH ->
          throw new BackendException(call + ": " + message);
      case cublas.CUBLAS_STATUS_ALLOC_FAILED ->
          throw new DeviceMemoryException(call + ": " + message);
      default -> throw new CudaFailure(call, message);
    }
  }

  private static String meaning(int status) {
    return switch (status) {
      case cublas.CUBLAS_STATUS_NOT_INITIALIZED -> "not initialized";
      case cublas.CUBLAS_STATUS_ALLOC_FAILED -> "allocation failed";
      case cublas.CUBLAS_STATUS_INVALID_VALUE -> "invalid value";
      case cublas.CUBLAS_STATUS_ARCH_MISMATCH -> "not for this device";
      case cublas.CUBLAS_STATUS_EXECUTION_FAILED -> "execution failed";
      case cublas.CUBLAS_STATUS_INTERNAL_ERROR -> "internal error";
      case cublas.CUBLAS_STATUS_NOT_SUPPORTED -> "not supported";
      default -> "unknown";
    };
  }
}
