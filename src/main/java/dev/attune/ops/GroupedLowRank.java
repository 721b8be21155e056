package dev.attune.ops;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.store.AdaptedWeight;
import dev.attune.store.Adapter;
import dev.attune.store.Parameters;
import dev.attune.tape.RowGroup;
import dev.attune.tape.Tape;
import java.util.ArrayList;
import java.util.List;

/**
 * A product in a pass whose rows have adapters of their own: the weight is multiplied once, by all
 * rows, each adapter by its rows. A row gets the bits that it would get from a model with its
 * adapters alone.
 */
final class GroupedLowRank {
  /** Products of more rows than that add up in another order, which is the same for all counts. */
  private static final long FEW = 16;

  /** A group whose adapters do something to this product. */
  private record Share(RowGroup group, List<Adapter> adapters) {}

  private GroupedLowRank() {}

  private static List<Share> shares(Tape tape, AdaptedWeight weight) {
    List<Share> shares = new ArrayList<>();
    for (RowGroup group : tape.groups()) {
      if (group.adapters() instanceof Parameters store) {
        List<Adapter> adapters = weight.adaptersIn(store);
        if (!adapters.isEmpty()) {
          shares.add(new Share(group, adapters));
        }
      }
    }
    return shares;
  }

  /** See {@link Projection#forward}. */
  static void forward(
      Tape tape,
      AdaptedWeight weight,
      long out,
      long inp,
      long N,
      Activation activation,
      DType dtype) {
    List<Share> shares = shares(tape, weight);
    long bias = weight.biasAddress();
    if (shares.isEmpty() || activation == Activation.NONE) {
      Product.forward(tape, out, 0, inp, weight.weight(), bias, N, activation, dtype);
      shares.forEach(share -> add(tape, weight, share, out, inp, N, dtype));
      return;
    }
    // Before the activation a sum is rounded where an adapter adds to it, and is not elsewhere.
    long adaptedRows = shares.stream().mapToLong(share -> share.group.rows()).sum();
    if (adaptedRows < N) {
      Product.forward(tape, out, 0, inp, weight.weight(), bias, N, activation, dtype);
    }
    long rowBytes = weight.rows() * dtype.sizeBytes();
    long sum = tape.allocate(N * rowBytes);
    Product.forward(tape, sum, inp, weight.weight(), bias, N, dtype);
    for (Share share : shares) {
      add(tape, weight, share, sum, inp, N, dtype);
      long offset = share.group.first() * rowBytes;
      long count = share.group.rows() * weight.rows();
      tape.run(new ActivationCall.Forward(out + offset, sum + offset, count, activation, dtype));
    }
    tape.free(sum);
  }

  /** Adds what the adapters of each group add to its rows of {@code out (N,F)}. */
  static void add(Tape tape, AdaptedWeight weight, long out, long inp, long N, DType dtype) {
    shares(tape, weight).forEach(share -> add(tape, weight, share, out, inp, N, dtype));
  }

  private static void add(
      Tape tape, AdaptedWeight weight, Share share, long out, long inp, long N, DType dtype) {
    // In a pass of many rows a group of few has neighbours beside it: nobody reads what they get.
    long least = N > FEW && tape.rowsAtOnce() == 0 ? FEW + 1 : 0;
    long rows = Math.max(share.group.rows(), least);
    long first = Math.min(share.group.first(), N - rows);
    long before = share.group.first() - first;
    int size = dtype.sizeBytes();
    for (Adapter adapter : share.adapters) {
      long low = LowRank.low(tape, adapter, inp + first * weight.cols() * size, rows, dtype);
      LowRank.add(
          tape,
          adapter,
          out + share.group.first() * weight.rows() * size,
          low + before * adapter.rank() * size,
          share.group.rows(),
          weight.rows(),
          dtype);
      tape.free(low);
    }
  }
}
