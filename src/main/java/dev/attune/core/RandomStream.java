package dev.attune.core;

/**
 * The random streams beside those of a model's ops, which count from 0 up: each has a number of its
 * own, so that no two of one seed are made of the same words.
 */
public enum RandomStream {
  /** The order of an epoch's examples. */
  ORDER(-1),
  /** What a split holds out. */
  SPLIT(-2),
  /** Which fold an example is in. */
  FOLDS(-3),
  /** Which tokens are masked where a model is measured. */
  EVALUATION_MASKS(-4),
  /** Which tokens are masked where it learns. */
  TRAINING_MASKS(-5),
  /** Which pairs of labelled rows are learned, and their order. */
  CONTRASTIVE_PAIRS(-6),
  /** Which source each row of interleaved data is of. */
  INTERLEAVING(-7),
  /** Which way an optimizer's moments are rounded. */
  MOMENTS(-8),
  /** Which rows an update of a serving model repeats, and the order of all that it shows. */
  REPLAY(-9),
  /** New weights. */
  WEIGHTS(-64),
  /** Texts of benchmarks. */
  BENCHMARK_TEXTS(-128);

  private final int op;

  RandomStream(int op) {
    this.op = op;
  }

  /** The number of this stream in {@link Philox}, of one step; each step has one of its own. */
  public long of(long step) {
    return Philox.stream(step, op);
  }
}
