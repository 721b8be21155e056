package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.ops.Projection.Adapter;
import dev.attune.ops.Projection.Saved;
import dev.attune.store.Decomposition;
import dev.attune.store.LoraConfig;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder.Part;
import dev.attune.tape.Tape;
import java.util.List;

/**
 * The products of a {@link Projection} whose adapters are weight-decomposed (Liu et al., DoRA,
 * 2024), as PEFT computes them. With {@code V = W + scale B A}, {@code gain = magnitude / |V|} for
 * each row, whose norm counts as a constant in backward (section 4.3):
 *
 * <p>{@code out = gain .* (x V^T) + bias}; with dropout on the adapter's input, {@code d =
 * dropout(x)}: {@code out = x W^T + bias + (gain - 1) .* (d W^T) + gain .* (scale d A^T B^T)}.
 * There the weight is multiplied twice; modules of one product then share one mask, so that it is
 * not more often.
 */
final class Dora {
  private final List<Part> parts;
  private final Parameter weight;
  private final Parameter bias;
  private final List<Adapter> adapters;
  private final LoraConfig lora;
  private final Decomposition factors;
  private final long firstRow;

  /**
   * @param parts the modules, with adapter or without
   * @param bias may be null
   * @param firstRow of the parts in what {@code factors} are of
   */
  Dora(
      List<Part> parts,
      Parameter weight,
      Parameter bias,
      List<Adapter> adapters,
      LoraConfig lora,
      Decomposition factors,
      long firstRow) {
    this.parts = parts;
    this.weight = weight;
    this.bias = bias;
    this.adapters = adapters;
    this.lora = lora;
    this.factors = factors;
    this.firstRow = firstRow;
  }

  /** Of some of the rows, from row {@code first} of these on. */
  Dora rows(
      List<Part> parts, Parameter weight, Parameter bias, List<Adapter> adapters, long first) {
    return new Dora(parts, weight, bias, adapters, lora, factors, firstRow + first);
  }

  private long rows() {
    return weight.rows();
  }

  private long at(long array, long row) {
    return array + (firstRow + row) * Float.BYTES;
  }

  /** {@code out (N,F)}, without activation. */
  Saved forward(Tape tape, long out, long inp, long N, DType dtype) {
    float p = tape.dropout(lora.dropout());
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
      Projection.product(tape, product, inp, weight, 0, N, dtype);
      addAdapters(tape, saved, inp, N, dtype, product);
      tape.backend()
          .run(
              new DoraCall.Forward(
                  out,
                  product,
                  at(factors.gain(), 0),
                  bias == null ? 0 : bias.address(),
                  N,
                  rows(),
                  false,
                  dtype));
      return saved;
    }
    // out + (gain - 1) .* (product + low) + low, where low is what adapters add to both.
    long dropped = drop(tape, saved, inp, N, p, dtype);
    Projection.product(tape, out, inp, weight, bias == null ? 0 : bias.address(), N, dtype);
    Projection.product(tape, product, dropped, weight, 0, N, dtype);
    addAdapters(tape, saved, dropped, N, dtype, product, out);
    tape.free(dropped);
    tape.backend()
        .run(
            new DoraCall.Forward(out, product, at(factors.excess(), 0), 0, N, rows(), true, dtype));
    return saved;
  }

  private void addAdapters(Tape tape, Saved saved, long inp, long N, DType dtype, long... targets) {
    for (int i = 0; i < adapters.size(); i++) {
      Adapter adapter = adapters.get(i);
      saved.lows()[i] = tape.allocate(N * adapter.rank() * dtype.sizeBytes());
      Projection.product(tape, saved.lows()[i], inp, adapter.down(), 0, N, dtype);
      for (long target : targets) {
        adapter.addTo(tape, target, saved.lows()[i], N, rows(), lora.scale(), dtype);
      }
    }
  }

  private long drop(Tape tape, Saved saved, long inp, long N, float p, DType dtype) {
    long count = N * weight.cols();
    long dropped = tape.allocate(count * dtype.sizeBytes());
    tape.backend().run(new DropoutCall(dropped, inp, count, p, tape.seed(), saved.stream(), dtype));
    return dropped;
  }

  /** How often the weight is multiplied in a forward. */
  int products(Tape tape) {
    return tape.dropout(lora.dropout()) == 0 ? 1 : 2;
  }

  /**
   * Gradients of magnitudes and adapters. The saved product becomes its own gradient, or with
   * dropout that of the weight's product with the dropped input.
   */
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    Check.state(!weight.trainable(), "%s is decomposed: it must be frozen", weight.name());
    scaleGradient(tape, saved, factors.gain(), true, dout, N, dtype);
    float p = tape.dropout(lora.dropout());
    long seen = p == 0 ? inp : drop(tape, saved, inp, N, p, dtype);
    for (int i = 0; i < adapters.size(); i++) {
      saved.lows()[i] =
          adapters
              .get(i)
              .backward(
                  tape, saved.product(), saved.lows()[i], seen, N, rows(), lora.scale(), dtype);
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
      tape.backend()
          .run(
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

  /** {@code dinp (N,C) (+)=} the gradient of the input; follows {@link #backwardWeight}. */
  void backwardInput(
      Tape tape, Saved saved, long dinp, long dout, long N, boolean accumulate, DType dtype) {
    float p = tape.dropout(lora.dropout());
    if (p == 0) {
      Projection.productBackward(tape, dinp, saved.product(), weight, N, accumulate, dtype);
      addAdapterGradients(tape, saved, dinp, N, dtype);
      return;
    }
    Projection.productBackward(tape, dinp, dout, weight, N, accumulate, dtype);
    long count = N * weight.cols();
    long ddropped = tape.allocate(count * dtype.sizeBytes());
    Projection.productBackward(tape, ddropped, saved.product(), weight, N, false, dtype);
    addAdapterGradients(tape, saved, ddropped, N, dtype);
    tape.backend()
        .run(new DropoutCall(ddropped, ddropped, count, p, tape.seed(), saved.stream(), dtype));
    tape.backend().run(new CastCall(dinp, ddropped, count, true, dtype, dtype));
    tape.free(ddropped);
  }

  private void addAdapterGradients(Tape tape, Saved saved, long dinp, long N, DType dtype) {
    for (int i = 0; i < adapters.size(); i++) {
      Projection.productBackward(
          tape, dinp, saved.lows()[i], adapters.get(i).down(), N, true, dtype);
    }
  }
}
