package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.RowRange;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.ops.LowRank.Saved;
import dev.attune.store.AdaptedWeight;
import dev.attune.tape.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * The product of a frozen weight in a pass that several jobs share: one product of the rows of all,
 * then the low-rank products of each job's adapters on its own rows.
 *
 * <p>Every job gets the bits that it would get alone. So rows go together as far as the kernel's
 * sums do not depend on their number ({@link dev.attune.kernels.Backend#fewRows}), and those of
 * jobs with adapters here apart from those without, whose activation the product computes itself.
 */
final class SharedProduct {
  private final Tape tape;
  private final AdaptedWeight base;
  private final DType dtype;
  private final List<RowRange> ranges;
  private final List<Lora> own = new ArrayList<>(); // of each range; null: no adapters here

  SharedProduct(Tape tape, AdaptedWeight base, DType dtype) {
    this.tape = tape;
    this.base = base;
    this.dtype = dtype;
    this.ranges = tape.ranges();
    for (AdaptedWeight theirs : base.ofGuests()) {
      own.add(theirs.adapters().isEmpty() ? null : new Lora(theirs));
    }
    Check.state(own.size() == ranges.size(), "%d jobs on %d ranges", own.size(), ranges.size());
  }

  boolean hasAdapters() {
    return own.stream().anyMatch(lora -> lora != null);
  }

  /**
   * Ranges that go together.
   *
   * @param begin number of the first
   * @param end behind the last
   */
  private record Stretch(int begin, int end, long firstRow, long rows) {}

  private List<Stretch> stretches() {
    List<Stretch> all = new ArrayList<>();
    int begin = 0;
    for (int i = 1; i <= ranges.size(); i++) {
      if (i == ranges.size() || !goTogether(i - 1, i)) {
        RowRange last = ranges.get(i - 1);
        long first = ranges.get(begin).first();
        all.add(new Stretch(begin, i, first, last.first() + last.rows() - first));
        begin = i;
      }
    }
    return all;
  }

  private boolean goTogether(int a, int b) {
    return (own.get(a) == null) == (own.get(b) == null) && hasMany(a) && hasMany(b);
  }

  private boolean hasMany(int range) {
    return ranges.get(range).rows() > tape.backend().fewRows();
  }

  private long outBytes() {
    return base.rows() * dtype.sizeBytes();
  }

  private long inpBytes() {
    return base.cols() * dtype.sizeBytes();
  }

  private static long at(long address, Stretch rows, long rowBytes) {
    return address == 0 ? 0 : address + rows.firstRow * rowBytes;
  }

  /** See {@link Projection#forward}. */
  Saved forward(long out, long pre, long inp, Activation activation) {
    List<Saved> saved = new ArrayList<>();
    for (Stretch rows : stretches()) {
      boolean isAdapted = own.get(rows.begin) != null;
      long sum = isAdapted && pre != 0 ? pre : out;
      tape.whole(
          () ->
              Product.forward(
                  tape,
                  at(sum, rows, outBytes()),
                  isAdapted ? 0 : at(pre, rows, outBytes()),
                  at(inp, rows, inpBytes()),
                  base.weight(),
                  base.biasAddress(),
                  rows.rows,
                  isAdapted ? Activation.NONE : activation,
                  dtype));
      for (int i = rows.begin; i < rows.end; i++) {
        saved.add(isAdapted ? adapt(i, out, sum, inp, activation) : Saved.NOTHING);
      }
    }
    return new Saved(saved);
  }

  private Saved adapt(int job, long out, long sum, long inp, Activation activation) {
    RowRange range = ranges.get(job);
    long rowSum = range.at(sum, outBytes());
    long rowInp = range.at(inp, inpBytes());
    Saved saved =
        tape.within(range, () -> own.get(job).adapt(tape, rowSum, rowInp, range.rows(), dtype));
    if (activation != Activation.NONE) {
      long count = range.rows() * base.rows();
      tape.whole(
          () ->
              tape.run(
                  new ActivationCall.Forward(
                      range.at(out, outBytes()), rowSum, count, activation, dtype)));
    }
    return saved;
  }

  /** See {@link Projection#backwardWeight}. */
  void backwardWeight(Saved saved, long dout, long inp) {
    for (int i = 0; i < ranges.size(); i++) {
      Lora lora = own.get(i);
      if (lora != null) {
        RowRange range = ranges.get(i);
        Saved job = saved.jobs().get(i);
        tape.within(
            range,
            () -> {
              lora.backwardWeight(
                  tape,
                  job,
                  range.at(dout, outBytes()),
                  range.at(inp, inpBytes()),
                  range.rows(),
                  dtype);
              return job;
            });
      }
    }
  }

  /** See {@link Projection#backwardInput}. */
  void backwardInput(
      Saved saved,
      long dinp,
      long actOut,
      long dout,
      long pre,
      Activation activation,
      boolean accumulate) {
    for (Stretch rows : stretches()) {
      boolean isAdapted = own.get(rows.begin) != null;
      Check.state(
          !isAdapted || actOut == 0 && (activation == Activation.NONE || !accumulate),
          "an adapter below an activation");
      tape.whole(
          () ->
              Product.backwardInput(
                  tape,
                  at(dinp, rows, inpBytes()),
                  at(actOut, rows, inpBytes()),
                  at(dout, rows, outBytes()),
                  base.weight(),
                  isAdapted ? 0 : at(pre, rows, inpBytes()),
                  rows.rows,
                  isAdapted ? Activation.NONE : activation,
                  accumulate,
                  dtype));
      for (int i = rows.begin; isAdapted && i < rows.end; i++) {
        adaptInput(i, saved.jobs().get(i), dinp, pre, activation);
      }
    }
  }

  private void adaptInput(int job, Saved saved, long dinp, long pre, Activation activation) {
    RowRange range = ranges.get(job);
    long target = range.at(dinp, inpBytes());
    tape.within(
        range,
        () -> {
          own.get(job).adaptInput(tape, saved, target, range.rows(), dtype);
          return saved;
        });
    if (activation != Activation.NONE) {
      long count = range.rows() * base.cols();
      long rowPre = range.at(pre, inpBytes());
      tape.whole(
          () ->
              tape.run(
                  new ActivationCall.Backward(
                      target, target, rowPre, count, activation, false, dtype)));
    }
  }
}
