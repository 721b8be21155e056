package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchPool.TILE;
import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.view;

import dev.attune.core.DType;
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

  static void sumOfSquares(TorchPool pool, long out, long inp, long count) {
    String op = "sumOfSquares";
    Arguments.size(op, "count", count);
    Arguments.present(op, "out", out);
    if (count > 0) {
      Arguments.present(op, "inp", inp);
    }
    long whole = count / CHUNK * CHUNK;
    double[] parts = new double[Math.toIntExact((whole + TILE - 1) / TILE + 1)];
    pool.ranges(
        whole,
        TILE,
        (at, length) ->
            parts[(int) (at / TILE)] =
                squares(view(inp + at * Float.BYTES, DType.F32, length / CHUNK, CHUNK)));
    if (whole < count) {
      Tensor rest = view(inp + whole * Float.BYTES, DType.F32, 1, count - whole);
      parts[parts.length - 1] = squares(rest);
    }
    putSum(out, parts);
  }

  static void sumOfSquaresRows(TorchPool pool, long out, long table, long rows, long M, long C) {
    String op = "sumOfSquaresRows";
    Arguments.count(op, "M", M);
    Arguments.dimension(op, "C", C);
    Arguments.present(op, "out", out);
    if (M == 0) {
      putSum(out);
      return;
    }
    Arguments.present(op, "table", table);
    int largest = Arguments.indices(op, "rows", rows, M, Integer.MAX_VALUE);
    Tensor all = view(table, DType.F32, largest + 1, C);
    long step = Math.max(1, TILE / C);
    double[] parts = new double[Math.toIntExact((M + step - 1) / step)];
    pool.ranges(
        M,
        step,
        (at, length) -> {
          Tensor index = view(rows + at * Integer.BYTES, DType.I32, length);
          parts[(int) (at / step)] = squares(all.index_select(0, index));
        });
    putSum(out, parts);
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

  /** The scalars of an AdamW step and the step itself, over tensors of any one shape. */
  record AdamW(
      float lr,
      float beta1,
      float beta2,
      float eps,
      float weightDecay,
      float biasCorrection1,
      float biasCorrection2,
      float gradScale) {

    private void check(String op) {
      Arguments.finite(op, "lr", lr);
      Arguments.closed(op, "beta1", beta1, 0, 1);
      Arguments.closed(op, "beta2", beta2, 0, 1);
      Arguments.notNegative(op, "eps", eps);
      Arguments.finite(op, "weightDecay", weightDecay);
      Arguments.positive(op, "biasCorrection1", biasCorrection1);
      Arguments.positive(op, "biasCorrection2", biasCorrection2);
      Arguments.finite(op, "gradScale", gradScale);
    }

    /** Over {@code count} elements; {@code shadow} may be 0. */
    void dense(TorchPool pool, long weight, long m, long v, long shadow, long grad, long count) {
      String op = "adamw";
      check(op);
      Arguments.size(op, "count", count);
      if (count == 0) {
        return;
      }
      Arguments.present(op, "weight", weight);
      Arguments.present(op, "m", m);
      Arguments.present(op, "v", v);
      Arguments.present(op, "grad", grad);
      pool.ranges(
          count,
          TILE,
          (at, length) -> {
            long offset = at * Float.BYTES;
            Tensor w = view(weight + offset, DType.F32, length);
            decay(w);
            step(
                w,
                view(m + offset, DType.F32, length),
                view(v + offset, DType.F32, length),
                view(grad + offset, DType.F32, length).mul(scalar(gradScale)));
            if (shadow != 0) {
              view(shadow + at * DType.BF16.sizeBytes(), DType.BF16, length).copy_(w);
            }
          });
    }

    /**
     * Over a table. Rows that never had a gradient only decay, which every row does; the others are
     * gathered, stepped and put back.
     */
    void rows(
        TorchPool pool, long weight, long m, long v, long grad, long rowState, long V, long C) {
      String op = "adamwRows";
      check(op);
      Arguments.count(op, "V", V);
      Arguments.dimension(op, "C", C);
      if (V == 0) {
        return;
      }
      Arguments.present(op, "weight", weight);
      Arguments.present(op, "m", m);
      Arguments.present(op, "v", v);
      Arguments.present(op, "grad", grad);
      Arguments.present(op, "rowState", rowState);
      checkStates(op, rowState, V);
      Tensor w = view(weight, DType.F32, V, C);
      Tensor mTable = view(m, DType.F32, V, C);
      Tensor vTable = view(v, DType.F32, V, C);
      Tensor gTable = view(grad, DType.F32, V, C);
      long step = Math.max(1, TILE / C);
      pool.ranges(V, step, (at, length) -> decay(w.narrow(0, at, length)));
      Tensor states = view(rowState, ScalarType.Byte, V);
      Tensor active = states.gt(scalar(0)).nonzero().squeeze(1);
      pool.ranges(
          active.size(0),
          step,
          (at, length) -> {
            Tensor index = active.narrow(0, at, length);
            Tensor stale = states.index_select(0, index).eq(scalar(1)).unsqueeze(1);
            Tensor g = gTable.index_select(0, index).mul_(scalar(gradScale));
            g.masked_fill_(stale, scalar(0));
            Tensor wRows = w.index_select(0, index);
            Tensor mRows = mTable.index_select(0, index);
            Tensor vRows = vTable.index_select(0, index);
            step(wRows, mRows, vRows, g);
            w.index_copy_(0, index, wRows);
            mTable.index_copy_(0, index, mRows);
            vTable.index_copy_(0, index, vRows);
          });
    }

    private void decay(Tensor w) {
      if (weightDecay != 0) {
        w.sub_(w.mul(scalar((double) lr * weightDecay)));
      }
    }

    /** Everything after the decay; overwrites {@code g}, which is scaled already. */
    private void step(Tensor w, Tensor m, Tensor v, Tensor g) {
      m.add_(g.sub(m).mul_(scalar(1.0 - beta1)));
      v.mul_(scalar(beta2)).add_(g.mul_(g).mul_(scalar(1.0 - beta2)));
      Tensor denominator = v.sqrt().div_(scalar(Math.sqrt(biasCorrection2))).add_(scalar(eps));
      w.sub_(m.mul(scalar((double) lr / biasCorrection1)).div_(denominator));
    }

    private static void checkStates(String op, long rowState, long V) {
      ByteBuffer states = TorchMemory.view(rowState, V);
      for (int row = 0; row < V; row++) {
        int state = states.get(row);
        if (state < 0 || state > 2) {
          throw new IllegalArgumentException(
              op + ": rowState[" + row + "] = " + (state & 0xFF) + "; it must be 0..2");
        }
      }
    }
  }

  static void sgd(
      TorchPool pool,
      long weight,
      long momentumBuffer,
      long shadow,
      long grad,
      long count,
      float lr,
      float momentum,
      float weightDecay,
      boolean nesterov,
      boolean firstStep,
      float gradScale) {
    String op = "sgd";
    Arguments.size(op, "count", count);
    Arguments.finite(op, "lr", lr);
    Arguments.closed(op, "momentum", momentum, 0, 1);
    Arguments.finite(op, "weightDecay", weightDecay);
    Arguments.finite(op, "gradScale", gradScale);
    if (count == 0) {
      return;
    }
    Arguments.present(op, "weight", weight);
    Arguments.present(op, "grad", grad);
    if (momentum != 0) {
      Arguments.present(op, "momentumBuffer", momentumBuffer);
    }
    Scalar momentumScalar = scalar(momentum);
    pool.ranges(
        count,
        TILE,
        (at, length) -> {
          long offset = at * Float.BYTES;
          Tensor w = view(weight + offset, DType.F32, length);
          Tensor g = view(grad + offset, DType.F32, length).mul(scalar(gradScale));
          if (weightDecay != 0) {
            g.add_(w.mul(scalar(weightDecay)));
          }
          Tensor update = g;
          if (momentumBuffer != 0) {
            Tensor buffer = view(momentumBuffer + offset, DType.F32, length);
            if (firstStep) {
              buffer.copy_(g);
            } else {
              buffer.mul_(momentumScalar).add_(g);
            }
            update = nesterov ? g.add(buffer.mul(momentumScalar)) : buffer;
          }
          w.sub_(update.mul(scalar(lr)));
          if (shadow != 0) {
            view(shadow + at * DType.BF16.sizeBytes(), DType.BF16, length).copy_(w);
          }
        });
  }
}
