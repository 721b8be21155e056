package dev.attune.batch;

import dev.attune.core.Check;
import java.util.ArrayList;
import java.util.List;

/**
 * Divides examples into passes in which each gets, to the last bit, what it gets whatever else is
 * there.
 *
 * <p>Products of few rows and of many add up in different orders. So a pass has many rows, of which
 * an example that is too short brings copies along, and few sequences, since heads multiply a row
 * of each.
 */
public final class EvenPasses {
  /** Products of up to so many rows are those of few. */
  private static final int FEW = 16;

  private EvenPasses() {}

  /**
   * The passes, in the order of the examples.
   *
   * @param maxTokens of a pass of several examples
   * @return indices of examples; one that fills a pass up with copies of itself comes several times
   */
  public static List<int[]> of(EncodedDataset data, int maxTokens) {
    Check.argument(data.columns() == 1, "examples of %d sequences", data.columns());
    List<int[]> passes = new ArrayList<>();
    int first = 0;
    while (first < data.examples()) {
      int count = 1;
      int tokens = data.length(first);
      // A single token cannot fill a pass up: it is always alone, and so always among few.
      while (first + count < data.examples()
          && count < FEW
          && Math.min(data.length(first), data.length(first + count)) > 1
          && tokens + data.length(first + count) <= maxTokens) {
        tokens += data.length(first + count++);
      }
      int copies = 0;
      while (tokens <= FEW && count + copies < FEW) {
        tokens += data.length(first);
        copies++;
      }
      int[] pass = new int[count + copies];
      for (int i = 0; i < pass.length; i++) {
        pass[i] = first + (i < count ? i : 0);
      }
      passes.add(pass);
      first += count;
    }
    return passes;
  }
}
