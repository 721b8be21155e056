package dev.attune.task;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.Activation;
import dev.attune.kernels.PairLossKind;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ops.L2Normalize;
import dev.attune.ops.PairLoss;
import dev.attune.ops.RepeatRows;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.Arrays;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A loss on the cosines of pairs of texts, which are to be 1 where labels are the same and 0 where
 * not, or in that order at least.
 */
final class LabelLoss {
  /**
   * Of a batch whose pairs all count: these, (B(B-1),C) f32, lie in memory with their gradients.
   */
  static final int MOST_TEXTS = 512;

  private static final float SCALE = 20;

  private final EmbeddingLoss.Kind kind;
  private final float scale;
  private final Map<Integer, Places> places = new ConcurrentHashMap<>(); // by examples of a batch

  private LabelLoss(EmbeddingLoss.Kind kind, float scale) {
    this.kind = kind;
    this.scale = scale;
  }

  /**
   * Where the pairs of a batch stand: the same arrays each time.
   *
   * @param vectors rows of the first ones, then of the second ones (2P)
   * @param targets their entries of a matrix (B,B) (P)
   * @param ones (P) of 1
   */
  private record Places(int[] vectors, int[] targets, float[] ones) {
    static Places of(int B) {
      int P = pairs(B);
      int[] vectors = new int[2 * P];
      int[] targets = new int[P];
      float[] ones = new float[P];
      Arrays.fill(ones, 1);
      int at = 0;
      for (int i = 0; i < B; i++) {
        for (int j = i + 1; j < B; j++) {
          vectors[at] = i;
          vectors[P + at] = j;
          targets[at++] = i * B + j;
        }
      }
      return new Places(vectors, targets, ones); // a text alone is paired with itself: all zeros
    }
  }

  static LabelLoss of(TaskOptions options) {
    String named = options.get(Term.LOSS);
    EmbeddingLoss.Kind kind =
        named != null ? EmbeddingLoss.named(named) : EmbeddingLoss.Kind.COSINE_SIMILARITY;
    boolean isRanking = kind == EmbeddingLoss.Kind.COSENT;
    if (!isRanking && kind != EmbeddingLoss.Kind.COSINE_SIMILARITY) {
      throw new InputException(
          Term.LOSS.of(named)
              + " is not one of rows with labels; allowed are "
              + EmbeddingLoss.Kind.COSENT.option()
              + " and "
              + EmbeddingLoss.Kind.COSINE_SIMILARITY.option());
    }
    if (!isRanking && options.get(Term.LOSS_SCALE) != null) {
      throw new InputException(
          Term.LOSS_SCALE + " has no meaning for " + Term.LOSS.of(kind.option()));
    }
    float scale = options.single(Term.LOSS_SCALE, SCALE);
    if (!(scale > 0)) {
      throw new InputException(Term.LOSS_SCALE + " is " + scale + "; it must be above 0");
    }
    return new LabelLoss(kind, scale);
  }

  /** Its name: {@code cosent}. */
  String option() {
    return kind.option();
  }

  /** States itself in attune.json. */
  void describe(ObjectNode settings) {
    ObjectNode json = settings.putObject("loss").put("name", option());
    if (isRanking()) {
      json.put("scale", scale);
    }
  }

  /** Whether only the order of how alike pairs are to be counts. */
  boolean isRanking() {
    return kind == EmbeddingLoss.Kind.COSENT;
  }

  private PairLossKind compared() {
    return isRanking() ? PairLossKind.RANKING : PairLossKind.SQUARED_ERROR;
  }

  /**
   * P: pairs of a batch of B texts, at most {@link #MOST_TEXTS}; 1 of one text, which has no loss.
   */
  static int pairs(int B) {
    return Math.max(1, B * (B - 1) / 2);
  }

  /**
   * The losses of pairs that lie in the batch as such, one each.
   *
   * @param vectors (2B,C): first texts, then second ones
   */
  int ofPairs(Tape tape, Tensor vectors, Staging staging) {
    Tensor unit = L2Normalize.apply(tape, vectors, vectors.cols(), 1f);
    PairLoss.apply(
        tape, unit, staging.numbers(), staging.losses(), compared(), isRanking() ? scale : 0, 1f);
    return staging.examples();
  }

  /**
   * The summed loss of all pairs of a batch.
   *
   * @param vectors (B,C), of texts whose labels are staged as numbers (B,K), 1 and 0
   */
  int ofBatch(Tape tape, Tensor vectors, Staging staging) {
    int B = staging.examples();
    long K = staging.layout().width();
    Places at = places.computeIfAbsent(B, Places::of);
    int P = pairs(B);
    Tensor unit = L2Normalize.apply(tape, vectors, vectors.cols(), 1f);
    Tensor paired = RepeatRows.apply(tape, unit, staging.constants(at.vectors()), 2L * P);
    // Which labels are the same: the product of the labels with themselves.
    long same = tape.allocate((long) B * B * Float.BYTES);
    long targets = tape.allocate((long) P * Float.BYTES);
    long losses = tape.allocate((long) P * Float.BYTES);
    long labels = staging.numbers();
    tape.run(
        new LinearCall.Forward(
            same, 0, labels, labels, 0, B, K, B, Activation.NONE, DType.F32, DType.F32));
    tape.run(
        new GatherRowsCall.Forward(
            targets, same, staging.constants(at.targets()), P, 1, DType.F32));
    PairLoss.apply(tape, paired, targets, losses, compared(), isRanking() ? scale : 0, 1f);
    tape.run(
        new LinearCall.BackwardWeight(
            staging.losses(), 0, staging.constants(at.ones()), losses, P, 1, 1, false, DType.F32));
    tape.free(losses);
    tape.free(targets);
    tape.free(same);
    return 1;
  }
}
