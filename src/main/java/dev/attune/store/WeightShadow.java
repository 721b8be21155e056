package dev.attune.store;

import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CastCall;
import dev.attune.memory.Buffer;

/**
 * The bf16 copy of the master weights that products of bf16 activations read, on backends that want
 * one; made when it is first asked for. The rows of a row-sparse table are not copied, nor is what
 * does not decay: no product reads those.
 */
final class WeightShadow implements AutoCloseable {
  private final Backend backend;
  private final Buffer weights;
  private final long begin;
  private final long end;
  private Buffer shadow; // null until made

  /**
   * @param weights f32
   * @param begin first element that is copied
   * @param end behind the last
   */
  WeightShadow(Backend backend, Buffer weights, long begin, long end) {
    this.backend = backend;
    this.weights = weights;
    this.begin = begin;
    this.end = end;
  }

  /** Address of the copy from element {@code first} on; 0 where there is none. */
  long address(long first) {
    return shadow == null || !covers(first)
        ? 0
        : shadow.address() + (first - begin) * DType.BF16.sizeBytes();
  }

  private boolean covers(long first) {
    return first >= begin && first < end;
  }

  /** Whether products of such activations read this element from the copy. */
  boolean serves(long first, DType activations) {
    return wanted(activations) && covers(first);
  }

  private boolean wanted(DType activations) {
    return activations == DType.BF16 && backend.wantsBf16Weights();
  }

  /** Makes the copy now if products of such activations will ask for it. */
  void prepare(DType activations) {
    if (wanted(activations) && begin < end) {
      make();
    }
  }

  /** Makes the copy unless it is there. */
  void make() {
    if (shadow == null) {
      shadow =
          Buffer.allocate(
              backend,
              (end - begin) * DType.BF16.sizeBytes(),
              true,
              "the bf16 copy of the weights",
              Term.LORA_R + ", which holds the weights in bf16 alone,");
      fill();
    }
  }

  /** Brings the copy, if there is one, up to date with the weights. */
  void refresh() {
    if (shadow != null) {
      fill();
    }
  }

  private void fill() {
    backend.run(
        new CastCall(
            shadow.address(),
            weights.address() + begin * Float.BYTES,
            end - begin,
            false,
            DType.BF16,
            DType.F32));
  }

  @Override
  public void close() {
    if (shadow != null) {
      shadow.close();
    }
  }
}
