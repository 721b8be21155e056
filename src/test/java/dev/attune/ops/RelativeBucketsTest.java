package dev.attune.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/**
 * Buckets of offsets as Transformers' {@code relative_position_bucket} (T5, MPNet) gives them: the
 * distances at which a new bucket begins were taken from it.
 */
class RelativeBucketsTest {
  private static final int[] T5_ENCODER = {0, 1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 23, 32, 46, 64, 91};
  private static final int[] T5_DECODER = {
    0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 19, 21, 24, 27, 31, 35, 40, 46, 52,
    59, 67, 77, 87, 99, 113
  };
  private static final int[] OTHER = {0, 1, 2, 3, 4, 5, 11, 22, 46, 96};

  /** The bucket of a distance, given where buckets begin. */
  private static int bucket(int[] begins, int distance) {
    int bucket = 0;
    while (bucket + 1 < begins.length && begins[bucket + 1] <= distance) {
      bucket++;
    }
    return bucket;
  }

  private static void assertBuckets(
      int[] begins, int numBuckets, int maxDistance, boolean bidirectional) {
    int reach = maxDistance + 50;
    int[] expected = new int[2 * reach + 1];
    for (int offset = -reach; offset <= reach; offset++) {
      int ahead = bidirectional ? begins.length + bucket(begins, offset) : 0;
      expected[reach + offset] = offset > 0 ? ahead : bucket(begins, -offset);
    }
    assertArrayEquals(
        expected, RelativeBias.buckets(reach, numBuckets, maxDistance, bidirectional));
  }

  @Test
  void areThoseOfTransformers() {
    assertBuckets(T5_ENCODER, 32, 128, true);
    assertBuckets(T5_DECODER, 32, 128, false);
    assertBuckets(OTHER, 20, 200, true);
  }

  /** Beyond the largest distance nothing changes: a reach that long serves any sequence. */
  @Test
  void areConstantBeyondTheLargestDistance() {
    int[] buckets = RelativeBias.buckets(300, 32, 128, true);
    for (int offset = 128; offset <= 300; offset++) {
      assertEquals(buckets[300 + 128], buckets[300 + offset]);
      assertEquals(buckets[300 - 128], buckets[300 - offset]);
    }
  }

  @Test
  void tooFewBucketsAreRefused() {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> RelativeBias.buckets(5, 2, 128, true));
    assertTrue(e.getMessage().contains("2 buckets"), e.getMessage());
    assertThrows(IllegalArgumentException.class, () -> RelativeBias.buckets(5, 32, 8, true));
  }
}
