package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/**
 * Cross-entropy of the first and the last row of a span over the rows of its sequence (extractive
 * question answering: Devlin et al., BERT, 2019). Like {@link CrossEntropy} the end of the tape,
 * and of the sum: divided by the positions of a step that are not ignored, starts and ends
 * together, it is Transformers' loss, half the sum of two means, where as many starts as ends are
 * ignored.
 *
 * <p>Computed on the host: two numbers a row are few.
 */
public final class SpanCrossEntropy {
  private SpanCrossEntropy() {}

  /**
   * @param logits (N,2) f32: each row's score as a start and as an end
   * @param cuSeqlens (B+1) i32 on the device
   * @param starts (B) i32 on the device: rows of their sequences, counted from its first; others
   *     are not supervised
   * @param ends (B) i32 on the device, likewise
   * @param losses (B,2) f32 on the device, overwritten: of the start and of the end
   */
  public static void apply(
      Tape tape, Tensor logits, long cuSeqlens, long B, long starts, long ends, long losses) {
    Check.argument(
        logits.cols() == 2 && logits.dtype() == DType.F32,
        "spans have two scores f32 a row, not %d %s",
        logits.cols(),
        logits.dtype());
    int sequences = (int) B;
    HostArrays host = new HostArrays(tape.backend());
    FloatBuffer x = host.floats(logits.address(), 2 * (int) logits.rows());
    IntBuffer bounds = host.ints(cuSeqlens, sequences + 1);
    IntBuffer[] positions = {host.ints(starts, sequences), host.ints(ends, sequences)};
    float[] loss = new float[2 * sequences];
    float[] gradient = new float[2 * (int) logits.rows()];
    for (int b = 0; b < sequences; b++) {
      int first = bounds.get(b);
      int length = bounds.get(b + 1) - first;
      for (int column = 0; column < 2; column++) {
        int position = positions[column].get(b);
        if (position >= 0 && position < length) {
          int at = 2 * first + column;
          double largest = Double.NEGATIVE_INFINITY;
          for (int t = 0; t < length; t++) {
            largest = Math.max(largest, x.get(at + 2 * t));
          }
          double sum = 0;
          for (int t = 0; t < length; t++) {
            sum += Math.exp(x.get(at + 2 * t) - largest);
          }
          loss[2 * b + column] = (float) (Math.log(sum) + largest - x.get(at + 2 * position));
          for (int t = 0; t < length; t++) {
            gradient[at + 2 * t] = (float) (Math.exp(x.get(at + 2 * t) - largest) / sum);
          }
          gradient[at + 2 * position] -= 1;
        }
      }
    }
    host.write(losses, loss);
    if (tape.training()) {
      host.write(tape.gradientOf(logits), gradient);
    }
  }
}
