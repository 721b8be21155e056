package dev.attune.data;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * A dataset cut in two, each part in file order.
 *
 * <p>The cut is a pure function of (examples, fraction, seed). It is stratified: every class gives
 * its share, rounded so that the total is right, and keeps at least one example in training. Equal
 * texts, and the pairs of one row, always land on the same side, so a split never leaks.
 *
 * @param train the larger part
 * @param validation the held-out part
 */
public record Split(Dataset train, Dataset validation) {
  /**
   * Splits by strata, such as classes.
   *
   * @param fraction share of validation, above 0 and below 1
   * @param stratum of an example; null counts as one of its own
   */
  public static Split stratified(
      Dataset dataset, double fraction, long seed, Function<Example, String> stratum) {
    Check.input(
        fraction > 0 && fraction < 1,
        "a share of %s: it must lie between 0 and 1, for example 0.1",
        fraction);
    Check.input(
        dataset.size() >= 2,
        "%s has %s: too few to hold some out for validation",
        dataset.source(),
        Count.many(dataset.size(), "example"));
    Check.input(
        !dataset.reading().isRunning(),
        "%s is one running text, of which no share can be held out; give a file of its own",
        dataset.source());
    boolean[] held = new boolean[dataset.size()];
    List<List<List<Integer>>> strata = strata(dataset, stratum);
    int[] quotas = quotas(strata, fraction);
    for (int s = 0; s < quotas.length; s++) {
      hold(strata.get(s), quotas[s], seed, s, held);
    }
    int[] train = IntStream.range(0, held.length).filter(i -> !held[i]).toArray();
    int[] validation = IntStream.range(0, held.length).filter(i -> held[i]).toArray();
    Check.input(
        validation.length > 0,
        "a share of %s holds out no example of the %d in %s (each class keeps one, and equal texts"
            + " stay together); give a larger share, or a file",
        fraction,
        dataset.size(),
        dataset.source());
    return new Split(dataset.chosen(train), dataset.chosen(validation));
  }

  /** Strata in their order; in each, groups of examples that stay together, in file order. */
  private static List<List<List<Integer>>> strata(
      Dataset dataset, Function<Example, String> stratum) {
    TreeMap<String, List<List<Integer>>> classes = new TreeMap<>();
    for (List<Integer> group : TextGroups.of(dataset)) {
      String label = stratum.apply(dataset.get(group.get(0)));
      classes.computeIfAbsent(label == null ? "" : label, k -> new ArrayList<>()).add(group);
    }
    return List.copyOf(classes.values());
  }

  /** Largest remainders: the quotas add up to the rounded total. */
  private static int[] quotas(List<List<List<Integer>>> strata, double fraction) {
    int[] quotas = new int[strata.size()];
    int[] rooms = new int[strata.size()];
    double[] remainders = new double[strata.size()];
    int total = 0;
    int given = 0;
    for (int s = 0; s < quotas.length; s++) {
      int size = strata.get(s).stream().mapToInt(List::size).sum();
      total += size;
      rooms[s] = size - 1;
      quotas[s] = Math.min(rooms[s], (int) Math.floor(fraction * size));
      remainders[s] = fraction * size - quotas[s];
      given += quotas[s];
    }
    int wanted = Math.max(1, (int) Math.round(fraction * total));
    Integer[] byRemainder = new Integer[quotas.length];
    Arrays.setAll(byRemainder, i -> i);
    Arrays.sort(byRemainder, (a, b) -> Double.compare(remainders[b], remainders[a]));
    for (int i = 0; i < byRemainder.length && given < wanted; i++) {
      int s = byRemainder[i];
      if (quotas[s] < rooms[s]) {
        quotas[s]++;
        given++;
      }
    }
    return quotas;
  }

  private static void hold(
      List<List<Integer>> groups, int quota, long seed, int stratum, boolean[] held) {
    List<List<Integer>> shuffled = new ArrayList<>(groups);
    long stream = RandomStream.SPLIT.of(stratum);
    for (int i = shuffled.size() - 1; i > 0; i--) {
      long u = Philox.bits64(seed, stream, i);
      int j = (int) (Math.multiplyHigh(u, i + 1L) + (u < 0 ? i + 1L : 0));
      List<Integer> kept = shuffled.get(i);
      shuffled.set(i, shuffled.get(j));
      shuffled.set(j, kept);
    }
    int given = 0;
    for (List<Integer> group : shuffled) {
      if (given + group.size() <= quota) {
        group.forEach(i -> held[i] = true);
        given += group.size();
      }
    }
  }
}
