package dev.attune.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.ref.Precision;
import dev.attune.ref.RepeatRowsRef;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RepeatRowsTest {
  private static final int N = 5;
  private static final int C = 19;

  /** One row often, one twice and beside itself, one never. */
  private static final int[] ROWS = {4, 0, 4, 2, 2, 4, 1, 4};

  private static final int[] OTHERS = {3, 4, 3};

  private static double[] drawn(String name, int count) {
    double[] values = Gradients.normal(name, count);
    Arrays.setAll(values, i -> (float) values[i]);
    return values;
  }

  private static void upload(Backend backend, long address, double[] values) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(values.length * 4).order(ByteOrder.nativeOrder());
    for (double value : values) {
      bytes.putFloat((float) value);
    }
    backend.upload(address, bytes.flip());
  }

  private static double[] values(Backend backend, long address, int count) {
    FloatBuffer floats = Host.floats(backend, address, count * 4L);
    double[] out = new double[count];
    Arrays.setAll(out, floats::get);
    return out;
  }

  private static Buffer rows(Backend backend, int[] rows) {
    Buffer buffer = Buffer.allocate(backend, rows.length * 4L, false);
    ByteBuffer bytes = ByteBuffer.allocateDirect(rows.length * 4).order(ByteOrder.nativeOrder());
    bytes.asIntBuffer().put(rows);
    buffer.write(0, bytes);
    return buffer;
  }

  @Test
  void referenceGradientsAreTheSlopes() {
    double[] inp = Gradients.normal("repeat rows inp", N * C);
    double[] dout = Gradients.normal("repeat rows dout", ROWS.length * C);
    double[] dinp = RepeatRowsRef.backward(Precision.EXACT, dout, ROWS, new double[N * C], C);
    Gradients.check("inp", inp, dinp, x -> Gradients.dot(RepeatRowsRef.forward(x, ROWS, C), dout));
  }

  /** Rows of one tensor for two consumers, of which the second adds to what the first has left. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void agreesWithTheReference(Target target) {
    Backend backend = target.backend();
    try (Tape tape = new Tape(backend, new Arena(backend, 1 << 20), DType.F32, 1);
        Buffer some = rows(backend, ROWS);
        Buffer others = rows(backend, OTHERS)) {
      tape.begin(true);
      double[] inp = drawn("repeat rows inp", N * C);
      Tensor x = tape.tensor(N, C, DType.F32, true);
      upload(backend, x.address(), inp);
      Tensor first = RepeatRows.apply(tape, x, some.address(), ROWS.length);
      Tensor second = RepeatRows.apply(tape, x, others.address(), OTHERS.length);
      assertArrayEquals(
          RepeatRowsRef.forward(inp, ROWS, C), values(backend, first.address(), ROWS.length * C));
      assertArrayEquals(
          RepeatRowsRef.forward(inp, OTHERS, C),
          values(backend, second.address(), OTHERS.length * C));
      double[] dfirst = drawn("repeat rows dfirst", ROWS.length * C);
      double[] dsecond = drawn("repeat rows dsecond", OTHERS.length * C);
      upload(backend, tape.gradientOf(first), dfirst);
      upload(backend, tape.gradientOf(second), dsecond);
      tape.backward();
      double[] dinp = RepeatRowsRef.backward(Precision.F32, dsecond, OTHERS, new double[N * C], C);
      dinp = RepeatRowsRef.backward(Precision.F32, dfirst, ROWS, dinp, C);
      // Sums of at most five numbers: libtorch alone adds them in another order.
      assertArrayEquals(dinp, values(backend, x.gradient(), N * C), 1e-5);
    }
  }

  /** A tensor that is not trained gets no gradient. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void inInferenceNothingIsRecorded(Target target) {
    Backend backend = target.backend();
    try (Tape tape = new Tape(backend, new Arena(backend, 1 << 20), DType.F32, 1);
        Buffer some = rows(backend, ROWS)) {
      tape.begin(false);
      Tensor x = tape.tensor(N, C, DType.F32, false);
      double[] inp = drawn("repeat rows inp", N * C);
      upload(backend, x.address(), inp);
      Tensor out = RepeatRows.apply(tape, x, some.address(), ROWS.length);
      assertArrayEquals(
          RepeatRowsRef.forward(inp, ROWS, C), values(backend, out.address(), ROWS.length * C));
      assertEquals(0, x.gradient());
      Tensor half = tape.tensor(N, C, DType.BF16, false);
      assertThrows(
          IllegalArgumentException.class,
          () -> RepeatRows.apply(tape, half, some.address(), ROWS.length));
    }
  }
}
