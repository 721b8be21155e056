package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Pairs of labelled rows as SetFit samples them (Tunstall et al. 2022): those that share a label
 * are to be alike, others not. A row with itself is a pair of one label too, as there.
 *
 * @param strategy how many pairs of each kind there are
 * @param iterations where above 0, as many pairs of each kind for each row, in place of that
 */
record ContrastivePairs(Strategy strategy, int iterations) {
  /** As in SetFit, which pairs are drawn does not depend on the run; their order does. */
  private static final long SEED = 42;

  /** Pairs of a kind. */
  private static final int MOST = 2_000_000;

  /** How many pairs there are. */
  enum Strategy {
    /** None are listed: a batch is of single rows, of which all pairs count. */
    BATCH,

    /** The same, of texts and their halves. */
    HALVES,

    /** Each pair once, and those of the rarer kind again until there are as many. */
    OVERSAMPLING,

    /** As many of each kind as there are of the rarer one. */
    UNDERSAMPLING,

    /** Each pair once. */
    UNIQUE;

    /** Whether pairs are listed. */
    boolean lists() {
      return this != BATCH && this != HALVES;
    }

    String option() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /**
   * A pair.
   *
   * @param first number of a row, from 0
   * @param second likewise
   */
  record Pair(int first, int second, boolean alike) {}

  static ContrastivePairs of(TaskOptions options) {
    String named = options.get(Term.SAMPLING_STRATEGY);
    Strategy strategy =
        named == null
            ? Strategy.BATCH
            : Arrays.stream(Strategy.values())
                .filter(each -> each.option().equals(named))
                .findFirst()
                .orElseThrow(
                    () ->
                        new InputException(
                            Term.SAMPLING_STRATEGY
                                + " is '"
                                + named
                                + "'; allowed are "
                                + Arrays.stream(Strategy.values())
                                    .map(Strategy::option)
                                    .collect(Collectors.joining(", "))));
    int iterations = options.integer(Term.NUM_ITERATIONS, 1, 0);
    if (iterations > 0 && !strategy.lists()) {
      throw new InputException(
          Term.NUM_ITERATIONS
              + " is how many pairs are listed for each row, and "
              + Term.SAMPLING_STRATEGY.of(strategy.option())
              + (named == null ? ", the default," : "")
              + " lists none; give "
              + Term.SAMPLING_STRATEGY.of(Strategy.OVERSAMPLING.option())
              + " too");
    }
    return new ContrastivePairs(strategy, iterations);
  }

  /** Whether the halves of a text are rows too. */
  boolean areHalved() {
    return strategy == Strategy.HALVES;
  }

  /** Whether pairs are listed, and a batch is of pairs. */
  boolean areListed() {
    return strategy.lists();
  }

  /**
   * The pairs of rows, those that are alike and those that are not in turn.
   *
   * @param count rows
   * @throws InputException if there are more than can be listed
   */
  List<Pair> list(RowPairs rows, int count) {
    long alike = rows.alike();
    long others = rows.others();
    Iterator<Pair> alikeOnes = drawn(rows, true, wanted(alike, others, count));
    Iterator<Pair> otherOnes = drawn(rows, false, wanted(others, alike, count));
    List<Pair> pairs = new ArrayList<>();
    while (alikeOnes.hasNext() || otherOnes.hasNext()) {
      if (alikeOnes.hasNext()) {
        pairs.add(alikeOnes.next());
      }
      if (otherOnes.hasNext()) {
        pairs.add(otherOnes.next());
      }
    }
    return pairs;
  }

  /** How many pairs are listed of a kind of which there are {@code size}. */
  private int wanted(long size, long ofOther, int rows) {
    long wanted = (long) iterations * rows;
    if (iterations == 0) {
      wanted =
          switch (strategy) {
            case OVERSAMPLING -> Math.max(size, ofOther);
            case UNDERSAMPLING -> Math.min(size, ofOther);
            case UNIQUE, BATCH, HALVES -> size;
          };
    }
    if (size > 0 && wanted > MOST) {
      throw new InputException(
          String.format(
              "the training rows make %,d pairs of a kind, more than %,d; give %s, fewer rows%s",
              wanted,
              MOST,
              Term.SAMPLING_STRATEGY.of(Strategy.BATCH.option()),
              iterations > 0 ? ", or a smaller " + Term.NUM_ITERATIONS : ""));
    }
    return size == 0 ? 0 : (int) wanted;
  }

  /** So many pairs of a kind in random order: each once, then the same again. */
  private static Iterator<Pair> drawn(RowPairs rows, boolean alike, int count) {
    long size = alike ? rows.alike() : rows.others();
    long[] numbers = new long[(int) Math.min(count, size)];
    long stream = RandomStream.CONTRASTIVE_PAIRS.of(alike ? 0 : 1);
    // Fisher-Yates from the front, of which only places that were swapped are held.
    Map<Long, Long> swapped = new HashMap<>();
    for (int i = 0; i < numbers.length; i++) {
      long j = i + Long.remainderUnsigned(Philox.bits64(SEED, stream, i), size - i);
      Long here = swapped.remove((long) i);
      long first = here == null ? i : here;
      if (j == i) {
        numbers[i] = first;
      } else {
        Long there = swapped.put(j, first);
        numbers[i] = there == null ? j : there;
      }
    }
    return IntStream.range(0, count)
        .mapToObj(i -> rows.pair(alike, numbers[i % numbers.length]))
        .map(pair -> new Pair(pair[0], pair[1], alike))
        .iterator();
  }

  @Override
  public String toString() {
    return !areListed()
        ? "all pairs of each batch" + (areHalved() ? " of texts and their halves" : "")
        : iterations > 0
            ? iterations + " pairs of each kind a row"
            : "pairs by " + strategy.option();
  }
}
