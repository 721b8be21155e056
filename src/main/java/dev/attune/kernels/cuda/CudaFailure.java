package dev.attune.kernels.cuda;

/** A call of a CUDA library that failed. */
final class CudaFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /**
   * @param call as CUDA names it
   * @param reason CUDA's name of the error, and what it means
   */
  CudaFailure(String call, String reason) {
    super(call + ": " + reason);
  }
}
