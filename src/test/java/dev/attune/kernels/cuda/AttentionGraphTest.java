package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.kernels.cuda.OperationGraph.Matmul;
import dev.attune.kernels.cuda.OperationGraph.Operation;
import dev.attune.kernels.cuda.OperationGraph.Place;
import dev.attune.kernels.cuda.OperationGraph.Pointwise;
import dev.attune.kernels.cuda.OperationGraph.Reduction;
import dev.attune.kernels.cuda.OperationGraph.Reshape;
import dev.attune.kernels.cuda.OperationGraph.Tensor;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * What is asked of cuDNN, computed operation by operation in double precision, beside attention and
 * its gradients as they are defined. What lies beyond a sequence reads as NaN, so that nothing can
 * depend on it.
 */
class AttentionGraphTest {
  private static final int[] LENGTHS = {5, 0, 8, 1};
  private static final int N = Arrays.stream(LENGTHS).sum();
  private static final int PADDED = 6; // two sequences without rows
  private static final int S = 8;

  @ParameterizedTest
  @CsvSource({"3, 3, 4, false", "3, 3, 4, true", "4, 2, 8, false", "6, 1, 4, true"})
  void computesAttention(int heads, int keyValueHeads, int headSize, boolean causal) {
    Shape shape = new Shape(PADDED, S, heads, keyValueHeads, headSize, 0.3f, causal);
    Definition expected = new Definition(shape);
    AttentionGraph g = AttentionGraph.forward(shape);
    Interpreter interpreter = interpreter(shape, g, expected);
    double[] out = interpreter.output(g.out, N * (int) shape.outWidth());
    double[] stats = interpreter.output(g.stats, N * heads);
    interpreter.run(g.graph);
    assertArrayEquals(expected.out, out, 1e-12);
    assertArrayEquals(expected.stats, stats, 1e-12);
  }

  @ParameterizedTest
  @CsvSource({"3, 3, 4, false", "3, 3, 4, true", "4, 2, 8, false", "6, 1, 4, true"})
  void computesGradients(int heads, int keyValueHeads, int headSize, boolean causal) {
    Shape shape = new Shape(PADDED, S, heads, keyValueHeads, headSize, 0.3f, causal);
    Definition expected = new Definition(shape);
    AttentionGraph g = AttentionGraph.backward(shape);
    Interpreter interpreter = interpreter(shape, g, expected);
    interpreter.input(g.out, expected.out, 0);
    interpreter.input(g.stats, expected.stats, 0);
    interpreter.input(g.dout, expected.dout, 0);
    interpreter.output(g.dots, PADDED * heads * S);
    double[] dqkv = interpreter.output(g.dq, N * (int) shape.width());
    interpreter.input(g.dk, dqkv, heads * headSize);
    interpreter.input(g.dv, dqkv, (heads + keyValueHeads) * headSize);
    interpreter.run(g.graph);
    assertArrayEquals(expected.dqkv(), dqkv, 1e-12);
  }

  private static Interpreter interpreter(Shape shape, AttentionGraph g, Definition values) {
    Interpreter interpreter = new Interpreter();
    double[] at = new double[PADDED + 1];
    double[] lengths = new double[PADDED];
    for (int b = 0; b < PADDED; b++) {
      lengths[b] = b < LENGTHS.length ? LENGTHS[b] : 0;
      at[b + 1] = at[b] + lengths[b];
    }
    interpreter.lengths = lengths;
    interpreter.input(g.lengths, lengths, 0);
    interpreter.input(g.rowOffsets, times(at, shape.width()), 0);
    interpreter.input(g.outOffsets, times(at, shape.outWidth()), 0);
    interpreter.input(g.statsOffsets, times(at, shape.heads()), 0);
    interpreter.input(g.q, values.qkv, 0);
    interpreter.input(g.k, values.qkv, (int) shape.outWidth());
    interpreter.input(
        g.v, values.qkv, (int) (shape.outWidth() + shape.keyValueHeads() * shape.headSize()));
    return interpreter;
  }

  private static double[] times(double[] values, long factor) {
    return Arrays.stream(values).map(value -> value * factor).toArray();
  }

  /** Attention as papers write it, one row at a time. */
  private static final class Definition {
    final Shape shape;
    final double[] qkv;
    final double[] dout;
    final double[] out;
    final double[] stats;

    Definition(Shape shape) {
      this.shape = shape;
      Random random = new Random(7);
      this.qkv = random.doubles(N * shape.width(), -1, 1).toArray();
      this.dout = random.doubles(N * shape.outWidth(), -1, 1).toArray();
      this.out = new double[dout.length];
      this.stats = new double[N * (int) shape.heads()];
      attend(null);
    }

    /** By the chain rule through the softmax. */
    double[] dqkv() {
      double[] gradient = new double[qkv.length];
      attend(gradient);
      return gradient;
    }

    private void attend(double[] gradient) {
      int begin = 0;
      for (int length : LENGTHS) {
        for (int i = 0; i < length; i++) {
          for (int h = 0; h < shape.heads(); h++) {
            row(begin, length, i, h, gradient);
          }
        }
        begin += length;
      }
    }

    private void row(int begin, int length, int i, int h, double[] gradient) {
      int D = (int) shape.headSize();
      int group = (int) (shape.heads() / shape.keyValueHeads());
      int keyAt = (int) shape.outWidth() + h / group * D;
      int valueAt = keyAt + (int) shape.keyValueHeads() * D;
      int width = (int) shape.width();
      int seen = shape.causal() ? i + 1 : length;
      int query = (begin + i) * width + h * D;
      int result = (begin + i) * (int) shape.outWidth() + h * D;
      double[] p = new double[seen];
      double sum = 0;
      for (int j = 0; j < seen; j++) {
        double score = 0;
        for (int d = 0; d < D; d++) {
          score += qkv[query + d] * qkv[(begin + j) * width + keyAt + d];
        }
        p[j] = Math.exp(shape.scale() * score);
        sum += p[j];
      }
      stats[(begin + i) * (int) shape.heads() + h] = Math.log(sum);
      double dot = 0;
      for (int d = 0; d < D; d++) {
        out[result + d] = 0;
        for (int j = 0; j < seen; j++) {
          out[result + d] += p[j] / sum * qkv[(begin + j) * width + valueAt + d];
        }
        dot += out[result + d] * dout[result + d];
      }
      if (gradient == null) {
        return;
      }
      for (int j = 0; j < seen; j++) {
        int key = (begin + j) * width + keyAt;
        int value = (begin + j) * width + valueAt;
        double dp = 0;
        for (int d = 0; d < D; d++) {
          dp += dout[result + d] * qkv[value + d];
          gradient[value + d] += p[j] / sum * dout[result + d];
        }
        double dscore = p[j] / sum * (dp - dot) * shape.scale();
        for (int d = 0; d < D; d++) {
          gradient[query + d] += dscore * qkv[key + d];
          gradient[key + d] += dscore * qkv[query + d];
        }
      }
    }
  }

  /** Computes a graph. */
  private static final class Interpreter {
    private record Memory(double[] values, int at) {}

    private final Map<Integer, Memory> memory = new HashMap<>();
    private final Map<Integer, double[]> computed = new HashMap<>();
    private double[] lengths;

    void input(Tensor tensor, double[] values, int at) {
      memory.put(tensor.uid(), new Memory(values, at));
    }

    double[] output(Tensor tensor, int size) {
      double[] values = new double[size];
      input(tensor, values, 0);
      return values;
    }

    void run(OperationGraph graph) {
      for (Operation operation : graph.operations()) {
        Tensor out = operation.out();
        double[] result = new double[size(out)];
        int[] at = new int[4];
        for (int i = 0; i < result.length; i++) {
          place(out, i, at);
          result[i] = element(operation, at);
        }
        computed.put(out.uid(), result);
        if (out.place() == Place.DEVICE) {
          store(out, result);
        }
      }
    }

    private double element(Operation operation, int[] at) {
      if (operation instanceof Matmul matmul) {
        return product(matmul, at);
      } else if (operation instanceof Reshape reshape) {
        return read(reshape.x(), at[0], at[1], at[3], at[2]);
      } else if (operation instanceof Reduction reduction) {
        return reduced(reduction, at);
      }
      Pointwise p = (Pointwise) operation;
      double x = read(p.x(), at[0], at[1], at[2], at[3]);
      double b = p.b() == null ? 0 : read(p.b(), at[0], at[1], at[2], at[3]);
      return switch (p.mode()) {
        case ADD -> x + b;
        case SUB -> x - b;
        case MUL -> x * b;
        case DIV -> x / b;
        case EXP -> Math.exp(x);
        case LOG -> Math.log(x);
        case GEN_INDEX -> at[p.axis()];
        case CMP_LT -> x < b ? 1 : 0;
        case CMP_GE -> x >= b ? 1 : 0;
        case LOGICAL_AND -> x != 0 && b != 0 ? 1 : 0;
        case BINARY_SELECT -> read(p.selector(), at[0], at[1], at[2], at[3]) != 0 ? x : b;
      };
    }

    private double product(Matmul matmul, int[] at) {
      boolean beyond =
          (matmul.rows() != null && at[2] >= read(matmul.rows(), at[0], 0, 0, 0))
              || (matmul.cols() != null && at[3] >= read(matmul.cols(), at[0], 0, 0, 0));
      if (beyond) {
        return matmul.zeroBeyond() ? 0 : Double.NaN;
      }
      long depth = matmul.a().dim(3);
      assertEquals(depth, matmul.b().dim(2), "depth of " + matmul);
      if (matmul.depth() != null) {
        depth = (long) read(matmul.depth(), at[0], 0, 0, 0);
      }
      double sum = 0;
      for (int i = 0; i < depth; i++) {
        sum += read(matmul.a(), at[0], at[1], at[2], i) * shared(matmul, at[0], at[1], i, at[3]);
      }
      return sum;
    }

    /** The second operand, some heads of which serve several of the first's. */
    private double shared(Matmul matmul, int b, int h, int row, int col) {
      long group = matmul.a().dim(1) / matmul.b().dim(1);
      return read(matmul.b(), b, (int) (h / group), row, col);
    }

    /** Over heads that are fewer in the result, or over the last dimension. */
    private double reduced(Reduction reduction, int[] at) {
      Tensor x = reduction.x();
      long group = x.dim(1) / reduction.out().dim(1);
      long last = reduction.out().dim(3) == 1 ? x.dim(3) : 1;
      double result = reduction.max() ? Double.NEGATIVE_INFINITY : 0;
      for (int h = 0; h < group; h++) {
        for (int i = 0; i < last; i++) {
          int head = (int) (at[1] * group) + h;
          double value = read(x, at[0], head, at[2], last == 1 ? at[3] : i);
          result = reduction.max() ? Math.max(result, value) : result + value;
        }
      }
      return result;
    }

    private static int size(Tensor tensor) {
      return (int) (tensor.dim(0) * tensor.dim(1) * tensor.dim(2) * tensor.dim(3));
    }

    private static void place(Tensor tensor, int index, int[] at) {
      int rest = index;
      for (int axis = 3; axis >= 0; axis--) {
        at[axis] = (int) (rest % tensor.dim(axis));
        rest /= (int) tensor.dim(axis);
      }
    }

    private double read(Tensor tensor, int b, int h, int row, int col) {
      int[] at = {
        clamp(b, tensor.dim(0)),
        clamp(h, tensor.dim(1)),
        clamp(row, tensor.dim(2)),
        clamp(col, tensor.dim(3))
      };
      if (tensor.place() == Place.SCALAR) {
        return tensor.value();
      }
      double[] values = computed.get(tensor.uid());
      if (values != null) {
        return values[
            (int)
                (((at[0] * tensor.dim(1) + at[1]) * tensor.dim(2) + at[2]) * tensor.dim(3)
                    + at[3])];
      }
      Memory in = memory.get(tensor.uid());
      int index = index(tensor, at);
      return index < 0 ? Double.NaN : in.values()[in.at() + index];
    }

    /** An extent of 1 is repeated. */
    private static int clamp(int index, long extent) {
      return extent == 1 ? 0 : index;
    }

    /** In memory, in elements; negative beyond the rows of a sequence. */
    private int index(Tensor tensor, int[] at) {
      long index =
          at[1] * tensor.strides().get(1)
              + at[2] * tensor.strides().get(2)
              + at[3] * tensor.strides().get(3);
      if (tensor.offsets() == null) {
        return (int) (index + at[0] * tensor.strides().get(0));
      }
      // Rows are the dimension that is as long as a sequence may be, and not the innermost.
      int row = tensor.dim(3) == S && tensor.strides().get(2) == 1 ? at[3] : at[2];
      if (row >= lengths[at[0]]) {
        return -1;
      }
      return (int) (index + read(tensor.offsets(), at[0], 0, 0, 0));
    }

    private void store(Tensor tensor, double[] result) {
      Memory to = memory.get(tensor.uid());
      int[] at = new int[4];
      for (int i = 0; i < result.length; i++) {
        place(tensor, i, at);
        int index = index(tensor, at);
        if (index >= 0) {
          to.values()[to.at() + index] = result[i];
        }
      }
      computed.remove(tensor.uid());
    }
  }
}
