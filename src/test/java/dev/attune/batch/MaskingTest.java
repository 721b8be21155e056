package dev.attune.batch;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.BitSet;
import org.junit.jupiter.api.Test;

/** Which tokens are masked, and what becomes of them. */
class MaskingTest {
  private static final int MASK = 3;
  private static final int VOCABULARY = 50;
  private static final int FIRST = 2; // of the tokens that may be masked
  private static final int SEQUENCES = 200;
  private static final int LENGTH = 52; // two special tokens around fifty
  private static final Masking.Shares BERT = new Masking.Shares(0.15, 0.8, 0.1);

  private static EncodedDataset data(Masking masking) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    for (int s = 0; s < SEQUENCES; s++) {
      int[] ids = new int[LENGTH];
      Arrays.setAll(ids, t -> 10 + t % 30);
      ids[0] = 0;
      ids[LENGTH - 1] = 1;
      int[] labels = ids.clone();
      labels[0] = EncodedDataset.IGNORED;
      labels[LENGTH - 1] = EncodedDataset.IGNORED;
      builder.add(ids, null, labels);
    }
    return builder.masking(masking).build();
  }

  private static Batch packed(EncodedDataset data, int[] order, int epoch) {
    Batch batch = new Batch();
    batch.pack(data, order, 0, order == null ? SEQUENCES : order.length, 0, epoch, Cursor.START);
    return batch;
  }

  @Test
  void sharesAreThoseAskedFor() {
    Batch batch = packed(data(Masking.training(BERT, MASK, VOCABULARY, 7, null)), null, 0);
    int chosen = 0;
    int masked = 0;
    int same = 0;
    for (int row = 0; row < batch.rows(); row++) {
      int was = batch.labels()[row];
      int place = row % LENGTH;
      if (place == 0 || place == LENGTH - 1) {
        assertEquals(EncodedDataset.IGNORED, was, "a special token was chosen");
        assertEquals(place == 0 ? 0 : 1, batch.inputIds()[row]);
        continue;
      }
      if (was == EncodedDataset.IGNORED) {
        assertEquals(10 + place % 30, batch.inputIds()[row], "an unchosen token changed");
        continue;
      }
      assertEquals(10 + place % 30, was);
      chosen++;
      masked += batch.inputIds()[row] == MASK ? 1 : 0;
      same += batch.inputIds()[row] == was ? 1 : 0;
    }
    assertEquals(chosen, batch.supervisedTargets());
    double tokens = SEQUENCES * (LENGTH - 2.0);
    assertEquals(0.15, chosen / tokens, 0.011); // three standard deviations
    assertEquals(0.8 + 0.1 / VOCABULARY, (double) masked / chosen, 0.031);
    assertEquals(0.1 + 0.1 / VOCABULARY, (double) same / chosen, 0.024);
  }

  @Test
  void neitherOrderNorBatchChangesTheMasksOfASequence() {
    EncodedDataset data = data(Masking.training(BERT, MASK, VOCABULARY, 7, null));
    Batch all = packed(data, null, 3);
    Batch some = packed(data, new int[] {150, 4}, 3);
    assertArrayEquals(rows(all.inputIds(), 150), rows(some.inputIds(), 0));
    assertArrayEquals(rows(all.labels(), 4), rows(some.labels(), 1));
  }

  @Test
  void everyEpochAndSeedHasItsOwnMasksAndEvaluationsHaveOne() {
    EncodedDataset data = data(Masking.training(BERT, MASK, VOCABULARY, 7, null));
    int[] first = packed(data, null, 0).labels().clone();
    assertFalse(Arrays.equals(first, packed(data, null, 1).labels()));
    EncodedDataset other = data(Masking.training(BERT, MASK, VOCABULARY, 8, null));
    assertFalse(Arrays.equals(first, packed(other, null, 0).labels()));
    EncodedDataset fixed = data(Masking.evaluation(BERT, MASK, VOCABULARY, null));
    int[] evaluated = packed(fixed, null, 0).labels().clone();
    assertFalse(Arrays.equals(first, evaluated), "evaluation masks what training masks");
    assertArrayEquals(evaluated, packed(fixed, null, 0).labels());
    assertEquals(10, fixed.ids().get(30), "the dataset itself is masked");
  }

  @Test
  void wordsAreMaskedWholeOrNotAtAll() {
    BitSet inner = new BitSet();
    for (int s = 0; s < SEQUENCES; s++) {
      for (int t = 2; t < LENGTH - 1; t++) {
        inner.set(s * LENGTH + t, t % 3 != 1); // words of three tokens from the first on
      }
    }
    Masking.Shares all = new Masking.Shares(0.15, 1, 0);
    Batch batch = packed(data(Masking.training(all, MASK, VOCABULARY, 7, inner)), null, 0);
    int words = 0;
    for (int row = 0; row < batch.rows(); row++) {
      int place = row % LENGTH;
      boolean isMasked = batch.labels()[row] != EncodedDataset.IGNORED;
      assertEquals(isMasked, batch.inputIds()[row] == MASK);
      if (place > 1 && place < LENGTH - 1 && place % 3 != 1) {
        assertEquals(batch.labels()[row - 1] != EncodedDataset.IGNORED, isMasked, "at " + place);
      }
      words += isMasked && place % 3 == 1 ? 1 : 0;
    }
    assertEquals(0.15, words / (SEQUENCES * 17.0), 0.019);
  }

  @Test
  void randomTokensAreAnyOfTheVocabulary() {
    Masking.Shares any = new Masking.Shares(1, 0, 1);
    EncodedDataset data = data(Masking.training(any, MASK, VOCABULARY, 7, null));
    assertEquals(VOCABULARY - 1, data.maxId());
    Batch batch = packed(data, null, 0);
    boolean[] seen = new boolean[VOCABULARY];
    for (int row = 0; row < batch.rows(); row++) {
      seen[batch.inputIds()[row]] = true;
    }
    for (int id = FIRST; id < VOCABULARY; id++) {
      assertTrue(seen[id], "token " + id + " never comes");
    }
    assertEquals(VOCABULARY, batch.uniqueCount());
  }

  private static int[] rows(int[] values, int sequence) {
    return Arrays.copyOfRange(values, sequence * LENGTH, (sequence + 1) * LENGTH);
  }

  /** So that a short text is learned from, and a file of one can be measured. */
  @Test
  void everySequenceHasOneThatIsChosen() {
    Masking.Shares rare = new Masking.Shares(1e-6, 1, 0);
    for (BitSet inner : new BitSet[] {null, pairs()}) {
      Batch batch = packed(data(Masking.evaluation(rare, MASK, VOCABULARY, inner)), null, 0);
      Batch alone =
          packed(data(Masking.evaluation(rare, MASK, VOCABULARY, inner)), new int[] {5}, 0);
      assertArrayEquals(rows(batch.labels(), 5), rows(alone.labels(), 0));
      boolean[] places = new boolean[LENGTH];
      for (int s = 0; s < SEQUENCES; s++) {
        int chosen = 0;
        for (int t = 0; t < LENGTH; t++) {
          if (batch.labels()[s * LENGTH + t] != EncodedDataset.IGNORED) {
            assertEquals(10 + t % 30, batch.labels()[s * LENGTH + t]);
            assertEquals(MASK, batch.inputIds()[s * LENGTH + t]);
            places[t] = true;
            chosen++;
          }
        }
        assertEquals(inner == null ? 1 : 2, chosen, "in sequence " + s);
      }
      assertTrue(places[1] && places[LENGTH - 2], "the ends are never chosen");
    }
  }

  /** Words of two tokens. */
  private static BitSet pairs() {
    BitSet inner = new BitSet();
    for (int s = 0; s < SEQUENCES; s++) {
      for (int t = 2; t < LENGTH - 1; t += 2) {
        inner.set(s * LENGTH + t);
      }
    }
    return inner;
  }
}
