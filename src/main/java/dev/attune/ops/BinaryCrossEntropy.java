package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;

/**
 * Binary cross-entropy of independent labels, for rows that may have several or none: the loss of a
 * row is the mean over its labels. Like {@link CrossEntropy} the end of the tape, and of the sum
 * over rows: divided by the rows of a step it is the mean over all labels of all rows, which is
 * Transformers' {@code BCEWithLogitsLoss}.
 *
 * <p>Computed on the host: N K numbers of a head are few.
 */
public final class BinaryCrossEntropy {
  private BinaryCrossEntropy() {}

  /**
   * @param logits (N,K) f32
   * @param targets (N,K) f32 on the device, 0..1
   * @param posWeight (K) f32 on the device: what a positive counts beside a negative; 0: as much
   * @param losses (N) f32 on the device, overwritten
   */
  public static void apply(Tape tape, Tensor logits, long targets, long posWeight, long losses) {
    Check.argument(logits.dtype() == DType.F32, "logits of %s", logits.dtype());
    int N = (int) logits.rows();
    int K = (int) logits.cols();
    HostArrays host = new HostArrays(tape.backend());
    FloatBuffer x = host.floats(logits.address(), N * K);
    FloatBuffer y = host.floats(targets, N * K);
    FloatBuffer w = posWeight == 0 ? null : host.floats(posWeight, K);
    float[] loss = new float[N];
    float[] gradient = new float[N * K];
    for (int n = 0; n < N; n++) {
      double sum = 0;
      for (int k = 0; k < K; k++) {
        int at = n * K + k;
        double score = x.get(at);
        double target = y.get(at);
        double weight = w == null ? 1 : w.get(k);
        // log(1 + exp(-x)) without overflow; the other side is x more.
        double positive = Math.max(-score, 0) + Math.log1p(Math.exp(-Math.abs(score)));
        double probability = 1 / (1 + Math.exp(-score));
        sum += weight * target * positive + (1 - target) * (score + positive);
        gradient[at] =
            (float) (((1 - target) * probability - weight * target * (1 - probability)) / K);
      }
      loss[n] = (float) (sum / K);
    }
    host.write(losses, loss);
    if (tape.training()) {
      host.write(tape.gradientOf(logits), gradient);
    }
  }
}
