package dev.attune.tape;

import dev.attune.core.DType;

/**
 * A dense matrix {@code (rows, cols)} of activations in the arena, and its gradient once one has
 * reached it. Lives from its op's forward to its op's backward.
 */
public final class Tensor {
  private final DType dtype;
  private final long rows;
  private final long cols;
  private final boolean requiresGrad;
  private long address;
  private long gradient;
  private boolean borrowed;

  Tensor(long address, DType dtype, long rows, long cols, boolean requiresGrad) {
    this.address = address;
    this.dtype = dtype;
    this.rows = rows;
    this.cols = cols;
    this.requiresGrad = requiresGrad;
  }

  public long address() {
    return address;
  }

  public DType dtype() {
    return dtype;
  }

  public long rows() {
    return rows;
  }

  public long cols() {
    return cols;
  }

  public long sizeBytes() {
    return rows * cols * dtype.sizeBytes();
  }

  /** Whether backward has to compute a gradient for this tensor. */
  public boolean requiresGrad() {
    return requiresGrad;
  }

  /** The gradient's address, 0 while none has reached this tensor. */
  public long gradient() {
    return gradient;
  }

  void setAddress(long address) {
    this.address = address;
  }

  void setGradient(long gradient) {
    this.gradient = gradient;
    this.borrowed = false;
  }

  void borrowGradient(long address) {
    this.gradient = address;
    this.borrowed = true;
  }

  boolean gradientIsBorrowed() {
    return borrowed;
  }
}
