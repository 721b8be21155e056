package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.core.Term;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * Pairs of labelled rows as SetFit samples them (Tunstall et al. 2022): those of one label are to
 * be alike, others not. A row with itself is a pair of one label too, as there.
 *
 * @param strategy how many pairs of each kind there are
 * @param iterations where above 0, as many pairs of each kind for each row, in place of that
 */
record ContrastivePairs(Strategy strategy, int iterations) {
  /** As in SetFit, which pairs are drawn does not depend on the run; their order does. */
  private static final long SEED = 42;

  /** Number of the Philox stream that shuffles pairs. */
  private static final int STREAM_OP = -2;

  private static final int MOST = 2_000_000;

  /** How many pairs there are. */
  enum Strategy {
    /** None are listed: a batch is of single rows, of which all pairs count. */
    BATCH,

    /** Each pair once, and those of the rarer kind again until there are as many. */
    OVERSAMPLING,

    /** As many of each kind as there are of the rarer one. */
    UNDERSAMPLING,

    /** Each pair once. */
    UNIQUE;

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
    if (iterations > 0 && strategy == Strategy.BATCH) {
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

  /** Whether pairs are listed, and a batch is of pairs. */
  boolean areListed() {
    return strategy != Strategy.BATCH;
  }

  /**
   * The pairs of rows with these labels, those that are alike and those that are not in turn.
   *
   * @throws InputException if there are more than a dataset holds
   */
  List<Pair> list(int[] labels) {
    List<Pair> alike = new ArrayList<>();
    List<Pair> others = new ArrayList<>();
    long all = (long) labels.length * (labels.length + 1) / 2;
    if (all > MOST) {
      throw tooMany(all);
    }
    for (int i = 0; i < labels.length; i++) {
      for (int j = i; j < labels.length; j++) {
        (labels[i] == labels[j] ? alike : others).add(new Pair(i, j, labels[i] == labels[j]));
      }
    }
    shuffle(alike, 0);
    shuffle(others, 1);
    int more = Math.max(alike.size(), others.size());
    int fewer = Math.min(alike.size(), others.size());
    List<Pair> pairs = new ArrayList<>();
    long each = (long) iterations * labels.length;
    if (each > MOST) {
      throw tooMany(2 * each);
    }
    for (int i = 0; iterations > 0 ? i < each : i < more; i++) {
      add(pairs, alike, i, fewer);
      add(pairs, others, i, fewer);
    }
    return pairs;
  }

  private static InputException tooMany(long pairs) {
    return new InputException(
        String.format(
            "the training rows make %,d pairs, more than %,d; give %s, fewer rows, or a smaller %s",
            pairs, MOST, Term.SAMPLING_STRATEGY.of(Strategy.BATCH.option()), Term.NUM_ITERATIONS));
  }

  /** Pair number {@code i} of a kind, where there is to be one. */
  private void add(List<Pair> pairs, List<Pair> kind, int i, int fewer) {
    boolean wanted =
        iterations > 0
            || strategy == Strategy.OVERSAMPLING
            || i < (strategy == Strategy.UNDERSAMPLING ? fewer : kind.size());
    if (wanted && !kind.isEmpty()) {
      pairs.add(kind.get(i % kind.size()));
    }
  }

  private static void shuffle(List<Pair> pairs, int kind) {
    long stream = Philox.stream(kind, STREAM_OP);
    for (int i = pairs.size() - 1; i > 0; i--) {
      int j = (int) Long.remainderUnsigned(Philox.bits64(SEED, stream, i), i + 1L);
      Pair kept = pairs.get(i);
      pairs.set(i, pairs.get(j));
      pairs.set(j, kept);
    }
  }

  @Override
  public String toString() {
    return !areListed()
        ? "all pairs of each batch"
        : iterations > 0
            ? iterations + " pairs of each kind a row"
            : "pairs by " + strategy.option();
  }
}
