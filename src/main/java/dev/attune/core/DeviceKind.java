package dev.attune.core;

/** Where a backend computes. */
public enum DeviceKind {
  CPU,
  CUDA
}
