package dev.attune.core;

/**
 * Philox4x32-10, the counter-based generator of Salmon et al., "Parallel random numbers: as easy as
 * 1, 2, 3" (SC 2011). Every random number of a run is a pure function of (seed, stream, index), so
 * dropout masks are recomputed instead of stored and nothing depends on the number of threads.
 *
 * <p>The counter is (index low, index high, stream low, stream high); the key is the seed. The
 * native twin is {@code native/cpu/philox.h}.
 */
public final class Philox {
  private static final int M0 = 0xD2511F53;
  private static final int M1 = 0xCD9E8D57;
  private static final int W0 = 0x9E3779B9;
  private static final int W1 = 0xBB67AE85;

  private Philox() {}

  /** The stream number of one op of one step; both must fit 32 bits. */
  public static long stream(long step, int op) {
    return step << 32 | (op & 0xFFFFFFFFL);
  }

  /** Writes the block of four 32-bit words number {@code index} into {@code out[0..3]}. */
  public static void block(long seed, long stream, long index, int[] out) {
    int c0 = (int) index;
    int c1 = (int) (index >>> 32);
    int c2 = (int) stream;
    int c3 = (int) (stream >>> 32);
    int k0 = (int) seed;
    int k1 = (int) (seed >>> 32);
    for (int round = 0; round < 10; round++) {
      long p0 = (M0 & 0xFFFFFFFFL) * (c0 & 0xFFFFFFFFL);
      long p1 = (M1 & 0xFFFFFFFFL) * (c2 & 0xFFFFFFFFL);
      int n0 = (int) (p1 >>> 32) ^ c1 ^ k0;
      int n2 = (int) (p0 >>> 32) ^ c3 ^ k1;
      c0 = n0;
      c1 = (int) p1;
      c2 = n2;
      c3 = (int) p0;
      k0 += W0;
      k1 += W1;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
  }

  /** Number {@code index} of a stream as an unsigned 64-bit integer: words 0 and 1 of its block. */
  public static long bits64(long seed, long stream, long index) {
    int[] words = new int[4];
    block(seed, stream, index, words);
    return (words[1] & 0xFFFFFFFFL) << 32 | (words[0] & 0xFFFFFFFFL);
  }

  /**
   * The 16-bit threshold of a dropout probability: an element is dropped when its 16 random bits
   * are below it. Sixteen bits per element let one block serve eight elements.
   */
  public static int dropoutThreshold(float probability) {
    return Math.round(probability * 65536f);
  }

  /** Whether element {@code index} of a dropout mask is kept. */
  public static boolean keeps(long seed, long stream, long index, int threshold) {
    int[] words = new int[4];
    block(seed, stream, index >>> 3, words);
    int lane = (int) (index & 7);
    int bits = words[lane >>> 1] >>> ((lane & 1) * 16) & 0xFFFF;
    return bits >= threshold;
  }
}
