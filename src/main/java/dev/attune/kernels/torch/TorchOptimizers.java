package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchPool.TILE;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.view;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import java.nio.ByteBuffer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Optimizers and norms over the flat store. Only operations that round once are used; see the
 * package's decisions.
 */
final class TorchOptimizers {
  /** Squares are added up in chunks of this many elements, as the contract says. */
  private static final long CHUNK = 4096;

  private TorchOptimizers() {}

  static void sumOfSquares(TorchPool pool, SumOfSquaresCall.Flat call) {
    long count = call.count();
    long whole = count / CHUNK * CHUNK;
    double[] parts = new double[Math.toIntExact((whole + TILE - 1) / TILE + 1)];
    pool.ranges(
        whole,
        TILE,
        (at, length) ->
            parts[(int) (at / TILE)] =
                squares(view(call.inp() + at * Float.BYTES, DType.F32, length / CHUNK, CHUNK)));
    if (whole < count) {
      Tensor rest = view(call.inp() + whole * Float.BYTES, DType.F32, 1, count - whole);
      parts[parts.length - 1] = squares(rest);
    }
    putSum(call.out(), parts);
  }

  static void sumOfSquaresRows(TorchPool pool, SumOfSquaresCall.Rows call) {
    long M = call.M();
    String op = "sum_of_squares_rows";
    if (M == 0) {
      putSum(call.out());
      return;
    }
    int largest = Arguments.indices(op, "rows", call.rows(), M, Integer.MAX_VALUE);
    Tensor all = view(call.table(), DType.F32, largest + 1, call.C());
    long step = Math.max(1, TILE / call.C());
    double[] parts = new double[Math.toIntExact((M + step - 1) / step)];
    pool.ranges(
        M,
        step,
        (at, length) -> {
          Tensor index = view(call.rows() + at * Integer.BYTES, DType.I32, length);
          parts[(int) (at / step)] = squares(all.index_select(0, index));
        });
    putSum(call.out(), parts);
  }

  /** Sum of the squares of a matrix, row by row, in f64. */
  private static double squares(Tensor matrix) {
    Tensor wide = matrix.to(ScalarType.Double);
    return wide.mul_(wide).sum(1).sum().item_double();
  }

  private static void putSum(long out, double... parts) {
    double sum = 0;
    for (double part : parts) {
      sum += part;
    }
    TorchMemory.view(out, Double.BYTES).putDouble(sum);
  }

  static void adamw(TorchPool pool, TorchStep now, AdamWCall.Flat call) {
    if (now.stopped()) {
      return;
    }
    AdamW adam =
        new AdamW(
            now.lr() * call.lrFactor(),
            call.beta1(),
            call.beta2(),
            call.eps(),
            call.weightDecay(),
            now.biasCorrection1(),
            now.biasCorrection2());
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          long offset = at * Float.BYTES;
          long moment = at * call.moments().sizeBytes();
          Tensor w = view(call.weight() + offset, DType.F32, length);
          Tensor m = view(call.m() + moment, call.moments(), length);
          Tensor v = view(call.v() + moment, call.moments(), length);
          adam.decay(w);
          // Of f32 itself, of bf16 a widened copy.
          Tensor newM = m.to(ScalarType.Float);
          Tensor newV = v.to(ScalarType.Float);
          Tensor g = view(call.grad() + offset, DType.F32, length).mul(scalar(now.gradScale()));
          adam.step(w, newM, newV, g);
          if (call.moments() == DType.BF16) {
            TorchRounding rounding = now.rounding(call.seed(), call.stream());
            Tensor words = rounding.words(call.first() + at, length);
            m.copy_(TorchRounding.byLowHalves(newM, words));
            v.copy_(TorchRounding.byHighHalves(newV, words));
          }
          if (call.shadow() != 0) {
            view(call.shadow() + at * DType.BF16.sizeBytes(), DType.BF16, length).copy_(w);
          }
        });
  }

  /**
   * Over a table. Rows that never had a gradient only decay, which every row does; the others are
   * gathered, stepped and put back.
   */
  static void adamwRows(TorchPool pool, TorchStep now, AdamWCall.Rows call) {
    long V = call.V();
    long C = call.C();
    if (V == 0 || now.stopped()) {
      return;
    }
    checkStates("adamw_rows", call.rowState(), V);
    AdamW adam =
        new AdamW(
            now.lr() * call.lrFactor(),
            call.beta1(),
            call.beta2(),
            call.eps(),
            call.weightDecay(),
            now.biasCorrection1(),
            now.biasCorrection2());
    Tensor w = view(call.weight(), DType.F32, V, C);
    Tensor mTable = view(call.m(), call.moments(), V, C);
    Tensor vTable = view(call.v(), call.moments(), V, C);
    Tensor gTable = view(call.grad(), DType.F32, V, C);
    long step = Math.max(1, TILE / C);
    pool.ranges(V, step, (at, length) -> adam.decay(w.narrow(0, at, length)));
    Tensor states = view(call.rowState(), ScalarType.Byte, V);
    Tensor active = states.gt(scalar(0)).nonzero().squeeze(1);
    pool.ranges(
        active.size(0),
        step,
        (at, length) -> {
          Tensor index = active.narrow(0, at, length);
          Tensor stale = states.index_select(0, index).eq(scalar(1)).unsqueeze(1);
          Tensor g = gTable.index_select(0, index).mul_(scalar(now.gradScale()));
          g.masked_fill_(stale, scalar(0));
          Tensor wRows = w.index_select(0, index);
          Tensor mRows = mTable.index_select(0, index).to(ScalarType.Float);
          Tensor vRows = vTable.index_select(0, index).to(ScalarType.Float);
          adam.step(wRows, mRows, vRows, g);
          w.index_copy_(0, index, wRows);
          if (call.moments() == DType.BF16) {
            Tensor words = now.rounding(call.seed(), call.stream()).words(index, C);
            mRows = TorchRounding.byLowHalves(mRows, words).to(ScalarType.BFloat16);
            vRows = TorchRounding.byHighHalves(vRows, words).to(ScalarType.BFloat16);
          }
          mTable.index_copy_(0, index, mRows);
          vTable.index_copy_(0, index, vRows);
        });
  }

  private static void checkStates(String op, long rowState, long V) {
    ByteBuffer states = TorchMemory.view(rowState, V);
    for (int row = 0; row < V; row++) {
      int state = states.get(row);
      if (state < 0 || state > 2) {
        throw new IllegalArgumentException(
            op + ": row_state[" + row + "] is " + (state & 0xFF) + ", must be 0..2");
      }
    }
  }

  /** The scalars of an AdamW step and the step itself, over tensors of any one shape. */
  private record AdamW(
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2) {
    void decay(Tensor w) {
      if (weightDecay != 0) {
        w.sub_(w.mul(scalar((double) lr * weightDecay)));
      }
    }

    /** Everything after the decay; overwrites {@code g}, which is scaled already. */
    void step(Tensor w, Tensor m, Tensor v, Tensor g) {
      m.add_(g.sub(m).mul_(scalar(1.0 - beta1)));
      v.mul_(scalar(beta2)).add_(g.mul_(g).mul_(scalar(1.0 - beta2)));
      Tensor denominator = v.sqrt().div_(scalar(Math.sqrt(biasCorrection2))).add_(scalar(eps));
      w.sub_(m.mul(scalar((double) lr / biasCorrection1)).div_(denominator));
    }
  }

  static void sgd(TorchPool pool, TorchStep now, SgdCall.Flat call) {
    if (call.count() == 0 || now.stopped()) {
      return;
    }
    Scalar momentumScalar = scalar(call.momentum());
    pool.ranges(
        call.count(),
        TILE,
        (at, length) -> {
          long offset = at * Float.BYTES;
          Tensor w = view(call.weight() + offset, DType.F32, length);
          Tensor g = view(call.grad() + offset, DType.F32, length).mul(scalar(now.gradScale()));
          if (call.weightDecay() != 0) {
            g.add_(w.mul(scalar(call.weightDecay())));
          }
          Tensor update = g;
          if (call.momentumBuffer() != 0) {
            Tensor buffer = view(call.momentumBuffer() + offset, DType.F32, length);
            buffer.mul_(momentumScalar).add_(g);
            update = call.nesterov() ? g.add(buffer.mul(momentumScalar)) : buffer;
          }
          w.sub_(update.mul(scalar(now.lr() * call.lrFactor())));
          if (call.shadow() != 0) {
            view(call.shadow() + at * DType.BF16.sizeBytes(), DType.BF16, length).copy_(w);
          }
        });
  }
}
