package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Cross-entropy of each anchor's positive among all candidates of a batch, by dot products: two
 * products with a softmax between them, whose scores (B,M) are never kept. Like {@link
 * CrossEntropy} it leaves the gradient of the sum.
 */
public final class InBatchNegatives {
  private static final DType F32 = DType.F32;

  private InBatchNegatives() {}

  /**
   * @param vectors (B+M,D) f32: B anchors, then M candidates, of which the first B are the
   *     positives in the anchors' order
   * @param positions 0, 1, … B-1 as i32 on the device
   * @param losses (B) f32 on the device, overwritten; where {@code symmetric}, (2,B): then those of
   *     each positive's anchor among all anchors
   * @param weight of each loss beside others: scales the gradient alone
   */
  public static void apply(
      Tape tape,
      Tensor vectors,
      long B,
      long positions,
      long losses,
      boolean symmetric,
      float weight) {
    Check.argument(
        vectors.dtype() == F32 && vectors.rows() >= 2 * B,
        "%d anchors among %d vectors of %s",
        B,
        vectors.rows(),
        vectors.dtype());
    long M = vectors.rows() - B;
    long D = vectors.cols();
    Part anchors = new Part(vectors, 0, B);
    Part candidates = new Part(vectors, B, M);
    long gradients = tape.training() ? tape.gradientOf(vectors) : 0;
    rank(tape, anchors, candidates, positions, losses, gradients, false, weight);
    if (symmetric) {
      Part positives = new Part(vectors, B, B);
      long second = losses + B * Float.BYTES;
      rank(tape, positives, anchors, positions, second, gradients, true, weight);
    }
    tape.countFlops((symmetric ? M + B : M) * 2 * B * D, (symmetric ? M + B : M) * 4 * B * D);
  }

  /** Some rows of the vectors. */
  private record Part(Tensor vectors, long first, long rows) {
    long address() {
      return in(vectors.address());
    }

    long in(long block) {
      return block + first * vectors.cols() * Float.BYTES;
    }
  }

  /** Each of {@code from} is to find the one in its place among {@code among}. */
  private static void rank(
      Tape tape,
      Part from,
      Part among,
      long positions,
      long losses,
      long gradients,
      boolean accumulate,
      float weight) {
    long N = from.rows();
    long D = from.vectors().cols();
    long K = among.rows();
    long scores = tape.allocate(N * K * Float.BYTES);
    Activation none = Activation.NONE;
    tape.run(
        new LinearCall.Forward(
            scores, 0, from.address(), among.address(), 0, N, D, K, none, F32, F32));
    long dscores = gradients == 0 ? 0 : scores;
    tape.run(
        new CrossEntropyCall(
            losses, dscores, scores, positions, N, K, CrossEntropy.IGNORE, 0f, weight, F32));
    if (gradients != 0) {
      tape.run(
          new LinearCall.BackwardInput(
              from.in(gradients),
              0,
              scores,
              among.address(),
              0,
              N,
              D,
              K,
              none,
              accumulate,
              F32,
              F32));
      tape.run(
          new LinearCall.BackwardWeight(
              among.in(gradients), 0, scores, from.address(), N, D, K, accumulate, F32));
    }
    tape.free(scores);
  }
}
