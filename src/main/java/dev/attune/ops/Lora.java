package dev.attune.ops;

import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LoraCall;
import dev.attune.ops.LowRank.Saved;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.store.Parameter;
import dev.attune.tape.Tape;
import java.util.List;

/**
 * The products of a weight with plain low-rank adapters (Hu et al., LoRA, 2021): {@code out = inp
 * W^T + bias + sum over adapters of scale (dropout(inp) A^T) B^T}, the sum added to the columns of
 * the adapter's module. Each adapter has a dropout mask of its own.
 */
final class Lora extends LowRank {
  private final List<Adapter> adapters;

  Lora(AdaptedWeight adapted) {
    super(adapted);
    this.adapters = adapted.adapters();
  }

  @Override
  int products(Tape tape) {
    return 1;
  }

  @Override
  Saved forward(Tape tape, long out, long inp, long N, DType dtype) {
    long bias = biases(tape);
    Product.forward(tape, out, inp, adapted.weight(), bias, N, dtype);
    if (bias != adapted.biasAddress()) {
      tape.free(bias);
    }
    return adapt(tape, out, inp, N, dtype);
  }

  /** Adds what the adapters add to the product of the weight, {@code out (N,F)}. */
  Saved adapt(Tape tape, long out, long inp, long N, DType dtype) {
    Saved saved = new Saved(new long[adapters.size()], 0, tape.takeStreams(adapters.size()));
    for (int i = 0; i < adapters.size(); i++) {
      long seen = seen(tape, saved, i, inp, N, dtype);
      saved.lows()[i] = low(tape, adapters.get(i), seen, N, dtype);
      forget(tape, seen, inp);
      add(tape, adapters.get(i), out, saved.lows()[i], N, dtype);
    }
    return saved;
  }

  /** The bias of the weight, with those of B: a new block where there are any. */
  private long biases(Tape tape) {
    long own = adapted.biasAddress();
    if (adapters.stream().allMatch(adapter -> adapter.upBias() == null)) {
      return own;
    }
    long bytes = rows() * Float.BYTES;
    long sum = tape.allocate(bytes);
    tape.run(own == 0 ? new FillZeroCall(sum, bytes) : new CopyCall(sum, own, bytes));
    for (Adapter adapter : adapters) {
      Parameter bias = adapter.upBias();
      addScaled(
          tape,
          sum + adapter.firstColumn() * Float.BYTES,
          bias.address(),
          adapter.up().rows(),
          adapter);
    }
    return sum;
  }

  /** {@code sum (F) += scale vector (F)}: the product of an adapter of rank 1 with a row of one. */
  private static void addScaled(Tape tape, long sum, long vector, long F, Adapter adapter) {
    tape.run(
        new LoraCall.Forward(sum, tape.one(), vector, 1, F, 1, F, 1, adapter.scale(), DType.F32));
  }

  private void backwardBiases(Tape tape, long dout, long N, DType dtype) {
    if (adapters.stream().allMatch(adapter -> adapter.upBias() == null)) {
      return;
    }
    long sums = tape.allocate(rows() * Float.BYTES);
    Product.sumColumns(tape, sums, dout, N, rows(), false, dtype);
    for (Adapter adapter : adapters) {
      Parameter bias = adapter.upBias();
      if (!bias.accumulate()) {
        tape.run(new FillZeroCall(bias.gradient(), adapter.up().rows() * Float.BYTES));
      }
      long own = sums + adapter.firstColumn() * Float.BYTES;
      addScaled(tape, bias.gradient(), own, adapter.up().rows(), adapter);
    }
    tape.free(sums);
  }

  /** What an adapter multiplies: the input, or a new block where dropout makes it another. */
  private long seen(Tape tape, Saved saved, int adapter, long inp, long N, DType dtype) {
    float p = dropout(tape);
    return p == 0 ? inp : dropped(tape, inp, N, p, saved.stream() + adapter, dtype);
  }

  private static void forget(Tape tape, long seen, long inp) {
    if (seen != inp) {
      tape.free(seen);
    }
  }

  @Override
  void backwardWeight(Tape tape, Saved saved, long dout, long inp, long N, DType dtype) {
    if (adapted.weight().trainable()) {
      Product.backwardWeight(tape, adapted.weight(), adapted.bias(), dout, inp, N, dtype);
    }
    backwardBiases(tape, dout, N, dtype);
    for (int i = 0; i < adapters.size(); i++) {
      long seen = seen(tape, saved, i, inp, N, dtype);
      saved.lows()[i] = backward(tape, adapters.get(i), dout, saved.lows()[i], seen, N, dtype);
      forget(tape, seen, inp);
    }
  }

  @Override
  void backwardInput(
      Tape tape, Saved saved, long dinp, long dout, long N, boolean accumulate, DType dtype) {
    Product.backwardInput(tape, dinp, dout, adapted.weight(), N, accumulate, dtype);
    adaptInput(tape, saved, dinp, N, dtype);
  }

  /** Adds what the adapters add to the gradient of the input, {@code dinp (N,C)}. */
  void adaptInput(Tape tape, Saved saved, long dinp, long N, DType dtype) {
    float p = dropout(tape);
    long count = N * adapted.cols();
    for (int i = 0; i < adapters.size(); i++) {
      Parameter down = adapters.get(i).down();
      if (p == 0) {
        Product.backwardInput(tape, dinp, saved.lows()[i], down, N, true, dtype);
        continue;
      }
      long target = tape.allocate(count * dtype.sizeBytes());
      Product.backwardInput(tape, target, saved.lows()[i], down, N, false, dtype);
      tape.run(new DropoutCall(target, target, count, p, tape.seed(), saved.stream() + i, dtype));
      tape.run(new CastCall(dinp, target, count, true, dtype, dtype));
      tape.free(target);
    }
  }
}
