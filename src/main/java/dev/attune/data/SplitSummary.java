package dev.attune.data;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

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
    int[] lengths) {
  /** Token lengths of a split by nearest rank. */
  public record Quantiles(int p50, int p90, int p99, int max) {}

  /** Counts; {@code tokens} may be null before the data is encoded. */
  static SplitSummary of(
      String name, Dataset dataset, TokenLengths tokens, Map<String, Integer> counts) {
    if (tokens == null || dataset.size() == 0) {
      return new SplitSummary(name, dataset, 0, null, 0, 0, 0, List.of(), counts, null);
    }
    int[] sorted = tokens.sequences().clone();
    Arrays.sort(sorted);
    int[] dropped = tokens.dropped();
    List<Map.Entry<Integer, Integer>> worst =
        IntStream.range(0, dropped.length)
            .filter(i -> dropped[i] > 0)
            .boxed()
            .sorted((a, b) -> dropped[b] - dropped[a])
            .limit(Finding.ROWS_SHOWN)
            .map(i -> Map.entry(dataset.get(i).row(), dropped[i]))
            .toList();
    return new SplitSummary(
        name,
        dataset,
        Arrays.stream(sorted).asLongStream().sum(),
        new Quantiles(
            quantile(sorted, 50),
            quantile(sorted, 90),
            quantile(sorted, 99),
            quantile(sorted, 100)),
        Arrays.stream(tokens.supervised()).asLongStream().sum(),
        (int) Arrays.stream(dropped).filter(d -> d > 0).count(),
        Arrays.stream(dropped).asLongStream().sum(),
        worst,
        counts,
        tokens.sequences());
  }

  /** Nearest rank: the smallest value that at least so many percent do not exceed. */
  private static int quantile(int[] sorted, int percent) {
    long rank = ((long) percent * sorted.length + 99) / 100;
    return sorted.length == 0 ? 0 : sorted[(int) Math.max(1, rank) - 1];
  }
}
