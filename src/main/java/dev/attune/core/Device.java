package dev.attune.core;

/** Where a backend computes. */
public enum Device {
  CPU,
  CUDA
}
