package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * Softmax cross-entropy: {@code losses (N)} f32 and {@code dlogits (N,K) = (softmax - target) *
 * scale} in one pass.
 *
 * @param dlogits may be logits itself; 0: not wanted
 * @param labels (N) i32
 * @param classWeight (K) f32, what each class counts: PyTorch's {@code weight}; 0: all 1
 * @param ignore the label of rows that are not supervised
 */
public record CrossEntropyCall(
    long losses,
    long dlogits,
    long logits,
    long labels,
    long classWeight,
    long N,
    long K,
    int ignore,
    float labelSmoothing,
    float scale,
    DType dtype)
    implements Call {
  /** Of classes that all count alike. */
  public CrossEntropyCall(
      long losses,
      long dlogits,
      long logits,
      long labels,
      long N,
      long K,
      int ignore,
      float labelSmoothing,
      float scale,
      DType dtype) {
    this(losses, dlogits, logits, labels, 0, N, K, ignore, labelSmoothing, scale, dtype);
  }

  @Override
  public void fill(Frame frame) {
    frame.writes(losses).mayWrite(dlogits).reads(logits).reads(labels).mayRead(classWeight);
    frame.count(N).columns(K, N).any(ignore);
    frame.portion(labelSmoothing).finite(scale).dtype(dtype);
  }
}
