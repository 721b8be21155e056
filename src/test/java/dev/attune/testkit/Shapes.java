package dev.attune.testkit;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.TreeSet;

/**
 * Sizes at which kernels break: around the lanes of each instruction-set level and around the tiles
 * of the products, primes, one, and none.
 */
public final class Shapes {
  /** Lanes of f32 of each level; bf16 loads twice as many. */
  private static final int[] LANES = {4, 8, 16, 32};

  /** Rows of the largest register tile. */
  private static final int TILE = 48;

  private Shapes() {}

  /** Widths: W - 1, W, W + 1, 3 W + 2 for each lane width, the tile's edges, primes. */
  public static List<Integer> widths() {
    TreeSet<Integer> sizes = new TreeSet<>(List.of(1, TILE - 1, TILE, TILE + 1, 61, 97));
    for (int lanes : LANES) {
      sizes.addAll(List.of(lanes - 1, lanes, lanes + 1, 3 * lanes + 2));
    }
    return List.copyOf(sizes);
  }

  /** Row counts, none among them. */
  public static List<Integer> rows() {
    return List.of(0, 1, 2, 3, 5, 6, 7, 8, 9, 13, 16, 17, TILE - 1, TILE, TILE + 1, 67, 131);
  }

  /** {@code count} tuples of sizes drawn from the seed; entry i lies in 1..limits[i]. */
  public static List<int[]> random(String name, int count, int... limits) {
    SplittableRandom random = Seeds.random(name);
    List<int[]> shapes = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      int[] shape = new int[limits.length];
      for (int d = 0; d < limits.length; d++) {
        shape[d] = 1 + random.nextInt(limits[d]);
      }
      shapes.add(shape);
    }
    return shapes;
  }

  /** Offsets (B+1) of sequences of these lengths. */
  public static int[] offsets(int... lengths) {
    int[] offsets = new int[lengths.length + 1];
    for (int b = 0; b < lengths.length; b++) {
      offsets[b + 1] = offsets[b] + lengths[b];
    }
    return offsets;
  }
}
