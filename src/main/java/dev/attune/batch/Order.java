package dev.attune.batch;

import dev.attune.core.Philox;
import dev.attune.core.RandomStream;

/**
 * The order in which an epoch visits the examples: a pure function of (seed, epoch, size), so that
 * a resumed run needs no generator state.
 *
 * <p>Shuffling is Fisher-Yates from the last position down: position {@code i} swaps with {@code
 * floor(u * (i + 1) / 2^64)}, where {@code u} is number {@code i} of the Philox stream (seed,
 * {@link RandomStream#ORDER} of step {@code epoch}). The bias of that rounding is below size /
 * 2^64.
 *
 * @param seed the run's seed
 * @param shuffle false visits the examples in file order
 */
public record Order(long seed, boolean shuffle) {
  /** A new random order every epoch. */
  public static Order shuffled(long seed) {
    return new Order(seed, true);
  }

  /** The order of the file, every epoch. */
  public static Order file() {
    return new Order(0, false);
  }

  /** The permutation of an epoch, written into {@code reuse} where that has the right length. */
  int[] permutation(int epoch, int size, int[] reuse) {
    int[] out = reuse != null && reuse.length == size ? reuse : new int[size];
    for (int i = 0; i < size; i++) {
      out[i] = i;
    }
    if (shuffle) {
      int[] words = new int[4];
      for (int i = size - 1; i > 0; i--) {
        int j = draw(epoch, i, i + 1, words);
        int kept = out[i];
        out[i] = out[j];
        out[j] = kept;
      }
    }
    return out;
  }

  /**
   * Draw number {@code i} of an epoch: one of {@code 0 .. bound-1}.
   *
   * @param words room for four
   */
  int draw(int epoch, long i, int bound, int[] words) {
    Philox.block(seed, RandomStream.ORDER.of(epoch), i, words);
    long u = (words[1] & 0xFFFFFFFFL) << 32 | (words[0] & 0xFFFFFFFFL);
    return (int) (Math.multiplyHigh(u, bound) + (u < 0 ? bound : 0));
  }
}
