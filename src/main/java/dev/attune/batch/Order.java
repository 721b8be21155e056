package dev.attune.batch;

import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import java.util.stream.IntStream;

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
  /** Draws that are made before they are used: of ten million rows an epoch's take a second. */
  private static final int DRAWN = 1 << 20;

  private static final int PIECE = 1 << 14;

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
      int[] draws = new int[Math.min(size, DRAWN)];
      for (int end = size; end > 0; end -= draws.length) {
        int first = Math.max(0, end - draws.length);
        drawAll(epoch, first, end - first, draws);
        for (int i = end - 1; i >= first; i--) {
          int j = draws[i - first];
          int kept = out[i];
          out[i] = out[j];
          out[j] = kept;
        }
      }
    }
    return out;
  }

  /** The draws of positions, each by itself: those of many are made by several threads. */
  private void drawAll(int epoch, int first, int count, int[] draws) {
    IntStream pieces = IntStream.range(0, (count + PIECE - 1) / PIECE);
    (count < DRAWN ? pieces : pieces.parallel())
        .forEach(
            piece -> {
              int[] words = new int[4];
              int end = Math.min(count, (piece + 1) * PIECE);
              for (int k = piece * PIECE; k < end; k++) {
                draws[k] = draw(epoch, first + k, first + k + 1, words);
              }
            });
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
