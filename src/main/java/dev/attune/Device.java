package dev.attune;

/** Where a model runs. */
public enum Device {
  /** What runs everywhere: the CPU. */
  AUTO,
  /** Our kernels for the CPU. */
  CPU,
  /** An NVIDIA GPU. */
  CUDA,
  /** libtorch on the CPU, where its artifact is on the class path. */
  LIBTORCH
}
