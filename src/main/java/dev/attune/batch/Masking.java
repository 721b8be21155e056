package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import java.util.BitSet;

/**
 * Which tokens of a batch are to be found again, and what stands in their place: the masking of
 * BERT (Devlin et al., 2018) as Transformers' DataCollatorForLanguageModeling does it, other tokens
 * in every epoch.
 *
 * <p>All of it is a pure function of (seed, epoch, token): block {@code i} of the Philox stream of
 * an epoch belongs to token {@code i} of the dataset. Its first word says whether the token, or the
 * word that it begins, is chosen, the second what becomes of it, the third which other token it
 * becomes, and the fourth which one another model writes there ({@link Batch#draws}). So neither
 * threads nor the order of an epoch nor a resume change it.
 *
 * <p>Of a sequence of which chance chooses none, the token or word with the smallest first word is
 * chosen: every sequence is learned from, and measured, whatever its length.
 */
public final class Masking {
  private static final double WORDS = 4294967296.0; // values of a word of a block

  /**
   * How many tokens are chosen, and what becomes of those.
   *
   * @param probability of a token, or of a word, to be chosen, 0..1
   * @param maskShare of the chosen ones that become the mask token, 0..1
   * @param randomShare of them that become any token; the rest stays as it is
   */
  public record Shares(double probability, double maskShare, double randomShare) {}

  private final Shares shares;
  private final int maskId;
  private final int vocabulary;
  private final long seed;
  private final RandomStream random;
  private final BitSet inner; // null: tokens are chosen one by one

  private Masking(
      Shares shares, int maskId, int vocabulary, long seed, RandomStream random, BitSet inner) {
    Check.argument(vocabulary > 0, "a vocabulary of %d", vocabulary);
    this.shares = shares;
    this.maskId = maskId;
    this.vocabulary = vocabulary;
    this.seed = seed;
    this.random = random;
    this.inner = inner;
  }

  /**
   * Masking for training, new in every epoch.
   *
   * @param vocabulary ids below it may take a token's place
   * @param inner tokens of the dataset that go with the one before them, which belongs to the same
   *     word; null: tokens are chosen one by one
   */
  public static Masking training(
      Shares shares, int maskId, int vocabulary, long seed, BitSet inner) {
    return new Masking(shares, maskId, vocabulary, seed, RandomStream.TRAINING_MASKS, inner);
  }

  /** Masking for evaluation: the same tokens each time, whatever a run's seed. */
  public static Masking evaluation(Shares shares, int maskId, int vocabulary, BitSet inner) {
    return new Masking(shares, maskId, vocabulary, 0, RandomStream.EVALUATION_MASKS, inner);
  }

  /** The highest id that can take a token's place. */
  int maxId() {
    return shares.randomShare() > 0 ? Math.max(maskId, vocabulary - 1) : maskId;
  }

  /**
   * Masks one sequence.
   *
   * @param first its first token in the dataset
   * @param key number of that token among all that are masked in an epoch
   * @param ids of a batch, where the sequence lies from {@code row} on (row + count)
   * @param labels likewise the tokens that may be chosen, or {@link EncodedDataset#IGNORED}, which
   *     those become that are not
   * @param draws likewise what becomes the fourth word of each token that is chosen
   * @param block room for four words
   */
  void apply(
      int epoch,
      int first,
      long key,
      int count,
      int[] ids,
      int[] labels,
      int[] draws,
      int row,
      int[] block) {
    long stream = random.of(epoch);
    boolean chosen = false;
    int least = -1; // of the tokens that begin a word, the one with the smallest draw
    double smallest = Double.POSITIVE_INFINITY;
    for (int t = 0; t < count; t++) {
      int at = row + t;
      if (labels[at] == EncodedDataset.IGNORED) {
        continue;
      }
      Philox.block(seed, stream, key + t, block);
      if (inner == null || !inner.get(first + t)) {
        double u = uniform(block[0]);
        chosen = u < shares.probability();
        if (u < smallest) {
          smallest = u;
          least = t;
        }
      }
      if (chosen) {
        ids[at] = replaced(ids[at], block);
        draws[at] = block[3];
      } else {
        labels[at] = EncodedDataset.IGNORED;
      }
    }
    if (least < 0 || smallest < shares.probability()) {
      return;
    }
    int t = least;
    do {
      Philox.block(seed, stream, key + t, block);
      labels[row + t] = ids[row + t]; // as they were: a token is its own label
      ids[row + t] = replaced(ids[row + t], block);
      draws[row + t] = block[3];
      t++;
    } while (inner != null && t < count && inner.get(first + t));
  }

  private int replaced(int id, int[] block) {
    double u = uniform(block[1]);
    if (u < shares.maskShare()) {
      return maskId;
    }
    return u < shares.maskShare() + shares.randomShare()
        ? (int) ((block[2] & 0xFFFFFFFFL) * vocabulary >>> 32)
        : id;
  }

  private static double uniform(int word) {
    return (word & 0xFFFFFFFFL) / WORDS;
  }
}
