package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Masking;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.function.IntFunction;
import org.junit.jupiter.api.Test;

/** Which tokens a generator writes, by its logits. */
class TokenGeneratorTest {
  private static final int MASK = 4;
  private static final int VOCABULARY = 5;

  /** A text of tokens 1, all of which are masked. */
  private static Batch masked(int tokens, long seed) {
    int[] ids = new int[tokens];
    Arrays.fill(ids, 1);
    EncodedDataset data =
        EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false)
            .add(ids, null, ids)
            .masking(Masking.training(new Masking.Shares(1, 1, 0), MASK, VOCABULARY, seed, null))
            .build();
    return new Packer(data, 0).pack(new int[] {0}, new Batch());
  }

  /** The same for every row. */
  private static IntFunction<FloatBuffer> logits(double... probabilities) {
    FloatBuffer logits = FloatBuffer.allocate(VOCABULARY);
    for (double p : probabilities) {
      logits.put((float) Math.log(p));
    }
    logits.flip();
    return row -> logits;
  }

  @Test
  void tokensAreWrittenAsOftenAsTheyAreProbable() {
    double[] probabilities = {0.5, 0.3, 0.15, 0.05, 1e-30};
    int rows = 40_000;
    int[] counts = new int[VOCABULARY];
    int[] tokens = TokenGenerator.sampled(logits(probabilities), VOCABULARY, masked(rows, 7));
    for (int token : tokens) {
      counts[token]++;
    }
    for (int k = 0; k < VOCABULARY; k++) {
      double deviation = Math.sqrt(probabilities[k] * (1 - probabilities[k]) * rows);
      assertEquals(probabilities[k] * rows, counts[k], 4 * deviation + 1e-9, "token " + k);
    }
  }

  @Test
  void whatIsCertainIsWrittenAndWhatIsImpossibleNever() {
    int[] tokens =
        TokenGenerator.sampled(logits(1e-38, 1e-38, 1, 1e-38, 1e-38), VOCABULARY, masked(1000, 3));
    assertTrue(Arrays.stream(tokens).allMatch(token -> token == 2));
  }

  /** What the generator has found again is a token of the text, and no other. */
  @Test
  void aTokenThatIsFoundAgainIsNoneThatWasReplaced() {
    Batch batch = masked(3, 1);
    batch.replaceLearned(new int[] {1, 3, 1});
    assertEquals(TargetLayout.NUMBERS_OF_ROWS, batch.layout());
    assertEquals(3, batch.supervisedTargets());
    assertTrue(Arrays.equals(new float[] {0, 1, 0}, Arrays.copyOf(batch.targets(), 3)));
    assertTrue(Arrays.equals(new int[] {1, 3, 1}, Arrays.copyOf(batch.inputIds(), 3)));
    assertEquals(2, batch.uniqueCount());
  }
}
