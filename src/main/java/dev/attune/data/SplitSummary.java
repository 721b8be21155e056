package dev.attune.data;

import dev.attune.data.mapped.Ints;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.TreeMap;

/**
 * One split in numbers. Token numbers are 0, and quantiles null, where lengths were not given.
 *
 * @param lengths tokens of each sequence
 * @param classCounts examples (or words, where words have classes) a class, by name
 * @param supervised targets of all rows
 * @param worst rows that lose most to truncation: row and lost tokens
 */
public record SplitSummary(
    String name,
    Dataset dataset,
    long tokens,
    Quantiles quantiles,
    long supervised,
    int truncatedRows,
    long droppedTokens,
    List<Map.Entry<Integer, Integer>> worst,
    Map<String, Integer> classCounts,
    Ints lengths) {
  /** Token lengths of a split by nearest rank. */
  public record Quantiles(int p50, int p90, int p99, int max) {}

  /** Counts; {@code tokens} may be null before the data is encoded. */
  static SplitSummary of(
      String name, Dataset dataset, TokenLengths tokens, Map<String, Integer> counts) {
    if (tokens == null || dataset.size() == 0) {
      return new SplitSummary(name, dataset, 0, null, 0, 0, 0, List.of(), counts, null);
    }
    TreeMap<Integer, Integer> byLength = byLength(tokens.sequences());
    Ints dropped = tokens.dropped();
    return new SplitSummary(
        name,
        dataset,
        tokens.sequences().sum(),
        new Quantiles(
            quantile(byLength, tokens.sequences().size(), 50),
            quantile(byLength, tokens.sequences().size(), 90),
            quantile(byLength, tokens.sequences().size(), 99),
            quantile(byLength, tokens.sequences().size(), 100)),
        tokens.supervised().sum(),
        (int) dropped.stream().filter(d -> d > 0).count(),
        dropped.sum(),
        worst(dataset, dropped),
        counts,
        tokens.sequences());
  }

  /** Sequences of each length; there are few lengths. */
  private static TreeMap<Integer, Integer> byLength(Ints lengths) {
    int[] counts = new int[lengths.stream().max().orElse(0) + 1];
    lengths.stream().forEach(length -> counts[length]++);
    TreeMap<Integer, Integer> byLength = new TreeMap<>();
    for (int length = 0; length < counts.length; length++) {
      if (counts[length] > 0) {
        byLength.put(length, counts[length]);
      }
    }
    return byLength;
  }

  /** The rows that lost most, of those that lost as much the first ones. */
  private static List<Map.Entry<Integer, Integer>> worst(Dataset dataset, Ints dropped) {
    PriorityQueue<Integer> kept = // the least of them first
        new PriorityQueue<>(
            Comparator.<Integer>comparingInt(dropped::get)
                .thenComparing(Comparator.reverseOrder()));
    int[] piece = new int[Ints.PIECE];
    for (int from = 0; from < dropped.size(); from += Ints.PIECE) {
      int count = Math.min(Ints.PIECE, dropped.size() - from);
      dropped.copy(from, piece, 0, count);
      for (int i = 0; i < count; i++) {
        if (piece[i] > 0) {
          kept.add(from + i);
          if (kept.size() > Finding.ROWS_SHOWN) {
            kept.remove();
          }
        }
      }
    }
    return kept.stream()
        .sorted(kept.comparator().reversed())
        .map(i -> Map.entry(dataset.get(i).row(), dropped.get(i)))
        .toList();
  }

  /** Nearest rank: the smallest value that at least so many percent do not exceed. */
  private static int quantile(TreeMap<Integer, Integer> byLength, int count, int percent) {
    long rank = Math.max(1, ((long) percent * count + 99) / 100);
    for (Map.Entry<Integer, Integer> length : byLength.entrySet()) {
      rank -= length.getValue();
      if (rank <= 0) {
        return length.getKey();
      }
    }
    return 0;
  }
}
