package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.ops.LowRank.Saved;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.store.Decomposition;
import dev.attune.store.Parameter;
import dev.attune.store.Part;
import dev.attune.tape.Tape;
import java.util.List;

/**
 * The products of a weight whose adapters are weight-decomposed (Liu et al., DoRA, 2024), as PEFT
 * computes them. With {@code V = W + scale B A}, {@code gain = magnitude / |V|} for each row, whose
 * norm counts as a constant in backward (section 4.3):
 *
 * <p>{@code out = gain .* (x V^T) + bias}; with dropout on the adapter's input, {@code d =
 * dropout(x)}: {@code out = x W^T + bias + (gain - 1) .* (d W^T) + gain .* (scale d A^T B^T)}.
 * There the weight is multiplied twice; modules of one product then share one mask, so that it is
 * not more often.
 */
final class Dora extends LowRank {
  private final List<Part> parts;
  private final Parameter weight;
  private final List<Adapter> adapters;
  private final Decomposition factors;

  Dora(AdaptedWeight adapted) {
    super(adapted);
    this.parts = adapted.parts();
    this.weight = adapted.weight();
    this.adapters = adapted.adapters();
    this.factors = adapted.decomposition();
  }

  private long at(long array, long row) {
    return array + (adapted.firstRow() + row) * Float.BYTES;
  }

  @Override
  Saved forward(Tape tape, long out, long inp, long N, DType dtype) {
    float p = dropout(tape);
    long stream = tape.takeStreams(1);
    Saved saved =
        new Saved(
            new long[adapters.size()],
            tape.training() ? tape.allocate(N * rows() * dtype.sizeBytes()) : 0,
            stream);
    // Nothing is kept for a backward that does not come: the product is scaled where it lies.
    long product = saved.product() == 0 ? out : saved.product();
    factors.refresh();
    if (p == 0) {
      Product.forward(tape, product, inp, weight, 0, N, dtype);
      addAdapters(tape, saved, inp, N, dtype, product);
      tape.run(
          new DoraCall.Forward(
              out, product, at(factors.gain(), 0), adapted.biasAddress(), N, rows(), false, dtype));
      return saved;
    }
    // out + (gain - 1) .* (product + low) + low, where low is what adapters add to both.
    long dropped = dropped(tape, inp, N, p, saved.stream(), dtype);
    Product.forward(tape, out, inp, weight, adapted.biasAddress(), N, dtype);
    Product.forward(tape, product, dropped, weight, 0, N, dtype);
    addAdapters(tape, saved, dropped, N, dtype, product, out);
    tape.free(dropped);
    tape.run(
        new DoraCall.Forward(out, product, at(factors.excess(), 0), 0, N, rows(), true, dtype));
    return saved;
  }

  private void addAdapters(Tape tape, Saved saved, long inp, long N, DType dtype, long... targets) {
    for (int i = 0; i < adapters.size(); i++) {
      Adapter adapter = adapters.get(i);
      saved.lows()[i] = low(tape, adapter, inp, N, dtype);
      for (long target : targets) {
        add(tape, adapter, target, saved.lows()[i], N, dtype);
      }
    }
  }

  @Override
  int products(Tape tape) {
    return dropout(tape) == 0 ? 1 : 2;
  }

  /**
   * Gradients of magnitudes and adapters. The saved product becomes its own gradient, or with
   * dropout that of the weight's product with the dropped input.
   */
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    Check.state(!weight.trainable(), "%s is decomposed: it must be frozen", weight.name());
    scaleGradient(tape, saved, factors.gain(), true, dout, N, dtype);
    float p = dropout(tape);
    long seen = p == 0 ? inp : dropped(tape, inp, N, p, saved.stream(), dtype);
    for (int i = 0; i < adapters.size(); i++) {
      saved.lows()[i] =
          backward(tape, adapters.get(i), saved.product(), saved.lows()[i], seen, N, dtype);
    }
    if (p != 0) {
      tape.free(seen);
      scaleGradient(tape, saved, factors.excess(), false, dout, N, dtype);
    }
  }

  /** {@code product = factor .* dout}, module by module. */
  private void scaleGradient(
      Tape tape, Saved saved, long factor, boolean wantsMagnitude, long dout, long N, DType dtype) {
    long column = 0;
    for (int part = 0; part < parts.size(); part++) {
      long offset = column * dtype.sizeBytes();
      Parameter magnitude = wantsMagnitude ? magnitude(part) : null;
      tape.run(
          new DoraCall.Backward(
              saved.product() + offset,
              magnitude == null ? 0 : magnitude.gradient(),
              dout + offset,
              saved.product() + offset,
              at(factor, column),
              at(factors.norm(), column),
              N,
              parts.get(part).rows(),
              rows(),
              magnitude != null && magnitude.accumulate(),
              dtype));
      column += parts.get(part).rows();
    }
  }

  /** Null for a module without an adapter. */
  private Parameter magnitude(int part) {
    return adapters.stream()
        .filter(adapter -> adapter.part() == part)
        .map(Adapter::magnitude)
        .findFirst()
        .orElse(null);
  }

  @Override
  void backwardInput(
      Tape tape, Saved saved, long dinp, long dout, long N, boolean accumulate, DType dtype) {
    float p = dropout(tape);
    if (p == 0) {
      Product.backwardInput(tape, dinp, saved.product(), weight, N, accumulate, dtype);
      addAdapterGradients(tape, saved, dinp, N, dtype);
      return;
    }
    Product.backwardInput(tape, dinp, dout, weight, N, accumulate, dtype);
    long count = N * weight.cols();
    long ddropped = tape.allocate(count * dtype.sizeBytes());
    Product.backwardInput(tape, ddropped, saved.product(), weight, N, false, dtype);
    addAdapterGradients(tape, saved, ddropped, N, dtype);
    tape.run(new DropoutCall(ddropped, ddropped, count, p, tape.seed(), saved.stream(), dtype));
    tape.run(new CastCall(dinp, ddropped, count, true, dtype, dtype));
    tape.free(ddropped);
  }

  private void addAdapterGradients(Tape tape, Saved saved, long dinp, long N, DType dtype) {
    for (int i = 0; i < adapters.size(); i++) {
      Product.backwardInput(tape, dinp, saved.lows()[i], adapters.get(i).down(), N, true, dtype);
    }
  }
}
