package dev.attune.ops;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/**
 * Rows by distance, beside {@code make_log_bucket_position} of Transformers written out in double.
 */
class DisentangledPlacesTest {
  private static double bucket(int distance, int middle, int maxDistance) {
    double share =
        Math.log((double) distance / middle) / Math.log((maxDistance - 1) / (double) middle);
    // The last of a bucket is a whole number but for rounding.
    return distance <= middle ? distance : Math.ceil(share * (middle - 1) - 1e-5) + middle;
  }

  private static boolean leavesOut(int buckets, int maxDistance) {
    int middle = buckets / 2;
    boolean leaves = false;
    for (int d = 1; d < maxDistance; d++) {
      leaves |= bucket(d, middle, maxDistance) > bucket(d - 1, middle, maxDistance) + 1;
    }
    return leaves;
  }

  @Test
  void neighboursHaveTheSameRowOrNeighbouringOnesFromTheLeastDistanceOn() {
    for (int buckets = 2; buckets <= 80; buckets++) {
      int least = DisentangledAttention.leastMaxDistance(buckets);
      for (int max = buckets / 2 + 2; max <= least + 40; max++) {
        String what = buckets + " buckets of offsets up to " + max;
        assertEquals(max < least, leavesOut(buckets, max), what);
        if (max < least) {
          int few = buckets;
          int far = max;
          IllegalArgumentException e =
              assertThrows(
                  IllegalArgumentException.class, () -> DisentangledAttention.places(few, far));
          assertTrue(e.getMessage().contains("must reach to " + least), e.getMessage());
          continue;
        }
        int[] places = DisentangledAttention.places(buckets, max);
        int reach = places.length / 2;
        for (int i = 1; i < places.length; i++) {
          int step = places[i] - places[i - 1];
          assertTrue(step == 0 || step == 1, what + ": a step of " + step + " at " + (i - reach));
        }
        for (int d = 0; d <= reach; d++) {
          double row = Math.min(2 * buckets - 1, buckets + bucket(d, buckets / 2, max));
          assertEquals(row, places[reach + d], what + " at " + d);
        }
      }
    }
  }

  @Test
  void withoutBucketsEveryDistanceHasItsRow() {
    assertEquals(1, DisentangledAttention.leastMaxDistance(0));
    int[] places = DisentangledAttention.places(0, 5);
    for (int offset = -5; offset <= 5; offset++) {
      assertEquals(Math.min(9, 5 + offset), places[5 + offset], "offset " + offset);
    }
  }
}
