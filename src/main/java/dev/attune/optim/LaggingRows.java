package dev.attune.optim;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;

/**
 * The word embedding under {@link AdamW} where updates of rows without a gradient are made later.
 * Most rows of a vocabulary are in no batch for many steps, and each step would pass over all of
 * them, though a few numbers say what it does to them. Those are noted instead, and a row takes all
 * that it has missed in one pass, with the same arithmetic in the same order: when it is read, and
 * at the latest after as many steps as are noted, a slice of the table each step.
 *
 * <p>Moments lie in the order in which rows first had a gradient, so that those of the few words of
 * a run fill whole huge pages and the others take no memory. Where those of a row are is noted too,
 * and belongs to the state.
 */
final class LaggingRows implements RowSparse.Updates, AutoCloseable {
  /** What the optimizer is set to. */
  record Rule(float beta1, float beta2, float eps, float weightDecay, long seed) {}

  private final Parameters parameters;
  private final RowSparse sparse;
  private final Buffer m;
  private final Buffer v;
  private final DType moments;
  private final Buffer lag;

  LaggingRows(Parameters parameters, Buffer m, Buffer v, DType moments) {
    this.parameters = parameters;
    this.sparse = parameters.rowSparse();
    this.m = m;
    this.v = v;
    this.moments = moments;
    this.lag =
        Buffer.allocate(parameters.backend(), AdamWCall.lagBytes(sparse.table().rows()), false);
  }

  /** Whether updates of the store's word embedding can be made later. */
  static boolean serve(Parameters parameters) {
    return parameters.rowSparse() != null && parameters.backend().updatesRowsLater();
  }

  /** Updates the rows that have a gradient, and notes what happens to the others. */
  void step(Rule rule, float factor, long stream) {
    sparse.lag(this);
    parameters
        .backend()
        .run(
            new AdamWCall.LazyRows(
                parameters.updatedAddress(0),
                m.address(),
                v.address(),
                parameters.gradients().address(),
                sparse.stateAddress(),
                sparse.rowsAddress(),
                lag.address(),
                sparse.rowCount(),
                sparse.table().rows(),
                sparse.table().cols(),
                rule.beta1(),
                rule.beta2(),
                rule.eps(),
                rule.weightDecay(),
                factor,
                rule.seed(),
                stream,
                moments));
  }

  @Override
  public void settle(long rows, int count) {
    run(rows, count);
  }

  @Override
  public void settleAll() {
    run(0, 0);
  }

  private void run(long rows, int count) {
    parameters
        .backend()
        .run(
            new AdamWCall.SettleRows(
                parameters.updatedAddress(0),
                m.address(),
                v.address(),
                lag.address(),
                sparse.stateAddress(),
                rows,
                count,
                sparse.table().rows(),
                sparse.table().cols(),
                moments));
  }

  /** What is noted: part of the state, as the moments are. */
  Buffer notes() {
    return lag;
  }

  /** Nothing lags any more. */
  @Override
  public void close() {
    sparse.settle();
    lag.close();
  }
}
