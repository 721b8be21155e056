package dev.attune.kernels.cuda;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import dev.attune.kernels.calls.ActivationCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;

/**
 * The linear ops: {@link Products}, and around them what those do not fuse or take, by kernels of
 * ours.
 */
final class CudaLinear implements AutoCloseable {
  private final Backend backend;
  private final Scratch scratch;
  private final Products products;
  private Buffer weightScratch;
  private Buffer productScratch;

  CudaLinear(Backend backend, Scratch scratch, Products products) {
    this.backend = backend;
    this.scratch = scratch;
    this.products = products;
  }

  /** Runs a record of {@link LinearCall} whose arguments are checked. */
  void run(Call call) {
    if (call instanceof LinearCall.Forward forward) {
      forward(forward);
    } else if (call instanceof LinearCall.BackwardInput backward) {
      backwardInput(backward);
    } else {
      LinearCall.BackwardWeight backward = (LinearCall.BackwardWeight) call;
      backwardWeight(backward);
      if (backward.squares() != 0) {
        backend.run(
            new SumOfSquaresCall.Flat(
                backward.squares(), backward.dweight(), backward.F() * backward.C()));
      }
    }
  }

  private void forward(LinearCall.Forward c) {
    if (isEmpty(c.N(), c.C(), c.F())) {
      return;
    }
    long count = c.N() * c.F();
    long weight = operand(c.weight(), c.F(), c.C(), c.dtype(), c.weightDtype());
    if (c.activation() == Activation.NONE) {
      products.forward(plain(c, c.out(), weight));
      if (c.pre() != 0) {
        backend.run(new CopyCall(c.pre(), c.out(), count * c.dtype().sizeBytes()));
      }
    } else if (products.fusesForward(c.activation(), c.dtype(), c.pre(), c.F())) {
      products.forward(
          new LinearCall.Forward(
              c.out(),
              c.pre(),
              c.inp(),
              weight,
              c.bias(),
              c.N(),
              c.C(),
              c.F(),
              c.activation(),
              c.dtype(),
              c.dtype()));
    } else {
      long product = c.pre() != 0 ? c.pre() : c.out();
      products.forward(plain(c, product, weight));
      backend.run(new ActivationCall.Forward(c.out(), product, count, c.activation(), c.dtype()));
    }
  }

  /** The product without its activation. */
  private static LinearCall.Forward plain(LinearCall.Forward c, long out, long weight) {
    return new LinearCall.Forward(
        out,
        0,
        c.inp(),
        weight,
        c.bias(),
        c.N(),
        c.C(),
        c.F(),
        Activation.NONE,
        c.dtype(),
        c.dtype());
  }

  private void backwardInput(LinearCall.BackwardInput c) {
    if (isEmpty(c.N(), c.C(), c.F())) {
      return;
    }
    long count = c.N() * c.C();
    long weight = operand(c.weight(), c.F(), c.C(), c.dtype(), c.weightDtype());
    if (c.activation() == Activation.NONE) {
      products.backwardInput(plain(c, c.dinp(), weight, c.accumulate()));
    } else if (!c.accumulate()
        && products.fusesBackward(c.activation(), c.dtype(), c.pre(), c.C())) {
      products.backwardInput(
          new LinearCall.BackwardInput(
              c.dinp(),
              0,
              c.dout(),
              weight,
              c.pre(),
              c.N(),
              c.C(),
              c.F(),
              c.activation(),
              false,
              c.dtype(),
              c.dtype()));
    } else {
      long product = c.dinp();
      if (c.accumulate()) {
        productScratch = scratch.grown(productScratch, count * c.dtype().sizeBytes());
        product = productScratch.address();
      }
      products.backwardInput(plain(c, product, weight, false));
      backend.run(
          new ActivationCall.Backward(
              c.dinp(), product, c.pre(), count, c.activation(), c.accumulate(), c.dtype()));
    }
    if (c.actOut() != 0) {
      backend.run(
          new ActivationCall.Forward(c.actOut(), c.pre(), count, c.activation(), c.dtype()));
    }
  }

  /** The product without the activation's derivative. */
  private static LinearCall.BackwardInput plain(
      LinearCall.BackwardInput c, long dinp, long weight, boolean accumulate) {
    return new LinearCall.BackwardInput(
        dinp,
        0,
        c.dout(),
        weight,
        0,
        c.N(),
        c.C(),
        c.F(),
        Activation.NONE,
        accumulate,
        c.dtype(),
        c.dtype());
  }

  private void backwardWeight(LinearCall.BackwardWeight c) {
    if (isEmpty(c.N(), c.C(), c.F())) {
      if (!c.accumulate()) {
        backend.run(new FillZeroCall(c.dweight(), c.F() * c.C() * Float.BYTES));
        if (c.dbias() != 0) {
          backend.run(new FillZeroCall(c.dbias(), c.F() * Float.BYTES));
        }
      }
      return;
    }
    if (c.accumulate() && c.dbias() != 0) {
      productScratch = scratch.grown(productScratch, c.F() * Float.BYTES);
      long sums = productScratch.address();
      products.backwardWeight(
          new LinearCall.BackwardWeight(
              c.dweight(), sums, c.dout(), c.inp(), c.N(), c.C(), c.F(), true, c.dtype()));
      backend.run(new CastCall(c.dbias(), sums, c.F(), true, DType.F32, DType.F32));
    } else {
      products.backwardWeight(c);
    }
  }

  /** A weight in the type of the activations: itself, or converted into scratch. */
  private long operand(long weight, long F, long C, DType dtype, DType weightDtype) {
    if (weightDtype == dtype) {
      return weight;
    }
    weightScratch = scratch.grown(weightScratch, F * C * dtype.sizeBytes());
    long operand = weightScratch.address();
    if (weightDtype == DType.F32 || weightDtype == DType.BF16) {
      backend.run(new CastCall(operand, weight, F * C, false, dtype, weightDtype));
    } else {
      backend.run(new QuantizeCall.Unpack(operand, weight, F, C, dtype, weightDtype));
    }
    return operand;
  }

  /** Whether there are no rows. Libraries count in 32 bits. */
  private static boolean isEmpty(long N, long C, long F) {
    Check.argument(
        Math.max(N, Math.max(C, F)) <= Integer.MAX_VALUE,
        "linear: N, C and F are %d, %d and %d, must be at most %d",
        N,
        C,
        F,
        Integer.MAX_VALUE);
    return N == 0;
  }

  @Override
  public void close() {
    for (Buffer held : new Buffer[] {weightScratch, productScratch}) {
      if (held != null) {
        held.close();
      }
    }
    products.close();
  }
}
