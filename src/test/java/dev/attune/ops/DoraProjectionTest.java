package dev.attune.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.store.Layout;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Part;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A product of three modules, of which the first and the last have weight-decomposed adapters,
 * beside the same written out in double as PEFT computes it: dropout included, whose mask is asked
 * of the backend.
 */
class DoraProjectionTest {
  private static final int N = 9;
  private static final int C = 64;
  private static final int R = 3;
  private static final int[] ROWS = {10, 7, 12};
  private static final int F = 29;
  private static final long SEED = 5;
  private static final double ALPHA = 4.5; // scale 1.5

  private static final class Fixture implements AutoCloseable {
    final Backend backend;
    final float dropout;
    final Parameters parameters;
    final Projection projection;
    final Tape tape;
    final Random random = new Random(2);

    Fixture(Backend backend, float dropout, boolean frozen) {
      this.backend = backend;
      this.dropout = dropout;
      ParameterBuilder builder = new ParameterBuilder();
      builder.adapt(new LoraConfig(R, ALPHA, dropout, List.of("q", "v"), false, true));
      if (frozen) {
        builder.freeze(DType.F32, DType.F32);
      }
      List<Part> modules =
          List.of(new Part("a.q", ROWS[0]), new Part("a.k", ROWS[1]), new Part("a.v", ROWS[2]));
      projection = Projection.declare(builder, modules, C, true, Layout.PLAIN);
      parameters = builder.build(backend);
      for (Segment segment : parameters.segments()) {
        fill(segment);
      }
      parameters.enableTraining();
      tape = new Tape(backend, new Arena(backend, 1L << 22), DType.F32, SEED);
    }

    private void fill(Segment segment) {
      parameters.write(
          segment,
          (first, values) -> {
            while (values.hasRemaining()) {
              values.put((float) random.nextGaussian());
            }
          });
    }

    double[] values(String name) {
      Segment segment = parameters.segment(name);
      double[] out = new double[(int) segment.count()];
      int at = 0;
      while (at < out.length) {
        FloatBuffer piece = parameters.read(segment, at);
        while (piece.hasRemaining()) {
          out[at++] = piece.get();
        }
      }
      return out;
    }

    double[] gradient(String name) {
      Segment segment = parameters.segment(name);
      return wide(Host.floats(parameters.gradients(), segment.first(), (int) segment.count()));
    }

    /** 1 / (1 - p) where an element is kept, else 0. */
    double[] mask() {
      double[] mask = new double[N * C];
      Arrays.fill(mask, 1);
      if (dropout > 0) {
        try (Buffer buffer = Buffer.allocate(backend, N * C * 4L, false)) {
          upload(buffer.address(), mask);
          long stream = Philox.stream(0, 0);
          backend.run(
              new DropoutCall(
                  buffer.address(), buffer.address(), N * C, dropout, SEED, stream, DType.F32));
          mask = read(buffer.address(), N * C);
        }
      }
      return mask;
    }

    void upload(long address, double[] values) {
      ByteBuffer bytes =
          ByteBuffer.allocateDirect(values.length * 4).order(ByteOrder.nativeOrder());
      for (double value : values) {
        bytes.putFloat((float) value);
      }
      backend.upload(address, bytes.flip());
    }

    /** Starts a pass over this input. */
    Tensor input(boolean training, double[] values) {
      tape.begin(training);
      Tensor x = tape.tensor(N, C, training);
      upload(x.address(), values);
      return x;
    }

    double[] read(long address, int count) {
      FloatBuffer floats = Host.floats(backend, address, count * 4L);
      double[] out = new double[count];
      Arrays.setAll(out, floats::get);
      return out;
    }

    @Override
    public void close() {
      tape.close();
      parameters.close();
    }
  }

  private static double[] wide(float[] values) {
    double[] out = new double[values.length];
    Arrays.setAll(out, i -> values[i]);
    return out;
  }

  /** {@code a (M,K) b (P,K)^T}. */
  private static double[] product(double[] a, double[] b, int M, int P, int K) {
    double[] out = new double[M * P];
    for (int m = 0; m < M; m++) {
      for (int p = 0; p < P; p++) {
        for (int k = 0; k < K; k++) {
          out[m * P + p] += a[m * K + k] * b[p * K + k];
        }
      }
    }
    return out;
  }

  private static double[] transposed(double[] a, int rows, int cols) {
    double[] out = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      out[i % cols * rows + i / cols] = a[i];
    }
    return out;
  }

  /** One module as PEFT's DoraLinearLayer has it, forward and backward. */
  private static final class Module {
    final double[] out;
    final double[] dinp;
    final double[] ddown;
    final double[] dup;
    final double[] dmagnitude;

    Module(Fixture f, String name, int rows, double[] inp, double[] mask, double[] dout) {
      double scale = ALPHA / R;
      double[] weight = f.values(name + ".weight");
      double[] bias = f.values(name + ".bias");
      double[] down = f.values(name + LoraConfig.DOWN);
      double[] up = f.values(name + LoraConfig.UP);
      double[] magnitude = f.values(name + LoraConfig.MAGNITUDE);
      double[] delta = product(up, transposed(down, R, C), rows, C, R);
      double[] seen = new double[N * C];
      Arrays.setAll(seen, i -> inp[i] * mask[i]);
      double[] base = product(inp, weight, N, rows, C);
      double[] seenBase = product(seen, weight, N, rows, C);
      double[] low = product(seen, down, N, R, C);
      double[] lora = product(low, up, N, rows, R);
      double[] norm = new double[rows];
      for (int i = 0; i < rows * C; i++) {
        norm[i / C] += Math.pow(weight[i] + scale * delta[i], 2);
      }
      out = new double[N * rows];
      dmagnitude = new double[rows];
      double[] dseenBase = new double[N * rows];
      double[] dlora = new double[N * rows];
      for (int i = 0; i < N * rows; i++) {
        double gain = magnitude[i % rows] / Math.sqrt(norm[i % rows]);
        out[i] = base[i] + bias[i % rows] + (gain - 1) * seenBase[i] + gain * scale * lora[i];
        dmagnitude[i % rows] +=
            dout[i] * (seenBase[i] + scale * lora[i]) / Math.sqrt(norm[i % rows]);
        dseenBase[i] = (gain - 1) * dout[i];
        dlora[i] = gain * scale * dout[i];
      }
      double[] dlow = product(dlora, transposed(up, rows, R), N, R, rows);
      double[] dseen = product(dseenBase, transposed(weight, rows, C), N, C, rows);
      double[] fromLow = product(dlow, transposed(down, R, C), N, C, R);
      dinp = product(dout, transposed(weight, rows, C), N, C, rows);
      for (int i = 0; i < N * C; i++) {
        dinp[i] += mask[i] * (dseen[i] + fromLow[i]);
      }
      dup = product(transposed(dlora, N, rows), transposed(low, N, R), rows, R, N);
      ddown = product(transposed(dlow, N, R), transposed(seen, N, C), R, C, N);
    }
  }

  private static double[] columns(double[] whole, int first, int count) {
    double[] out = new double[N * count];
    for (int n = 0; n < N; n++) {
      System.arraycopy(whole, n * F + first, out, n * count, count);
    }
    return out;
  }

  private static void assertNear(double[] expected, double[] actual, String what) {
    double largest = Arrays.stream(expected).map(Math::abs).max().orElse(0);
    assertArrayEquals(expected, actual, 2e-6 * largest, what);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void computesWhatPeftComputes(Backends.Target target) {
    for (float dropout : new float[] {0, 0.25f}) {
      check(target.backend(), dropout);
    }
  }

  private static void check(Backend backend, float dropout) {
    try (Fixture f = new Fixture(backend, dropout, true)) {
      double[] inp = f.random.doubles(N * C).map(x -> (float) (x - 0.5)).toArray();
      double[] dout = f.random.doubles(N * F).map(x -> (float) (x - 0.5)).toArray();
      double[] mask = f.mask();
      Tensor x = f.input(true, inp);
      Tensor out = Linear.apply(f.tape, x, f.projection);
      double[] actual = f.read(out.address(), N * F);
      f.upload(f.tape.gradientOf(out), dout);
      // The gradient of a tensor that no op made stays when the walk is over.
      f.tape.backward();
      Steps.complete(f.parameters);
      double[] dinp = new double[N * C];
      String[] names = {"a.q", "a.k", "a.v"};
      int first = 0;
      for (int part = 0; part < ROWS.length; part++) {
        int rows = ROWS[part];
        double[] share = columns(dout, first, rows);
        double[] columns = columns(actual, first, rows);
        if (part == 1) {
          double[] weight = f.values("a.k.weight");
          double[] bias = f.values("a.k.bias");
          double[] expected = product(inp, weight, N, rows, C);
          Arrays.setAll(expected, i -> expected[i] + bias[i % rows]);
          assertNear(expected, columns, "a.k");
          double[] plain = product(share, transposed(weight, rows, C), N, C, rows);
          Arrays.setAll(dinp, i -> dinp[i] + plain[i]);
        } else {
          String name = names[part];
          Module m = new Module(f, name, rows, inp, mask, share);
          assertNear(m.out, columns, name);
          assertNear(m.ddown, f.gradient(name + LoraConfig.DOWN), name + " A");
          assertNear(m.dup, f.gradient(name + LoraConfig.UP), name + " B");
          assertNear(m.dmagnitude, f.gradient(name + LoraConfig.MAGNITUDE), name + " magnitude");
          Arrays.setAll(dinp, i -> dinp[i] + m.dinp[i]);
        }
        first += rows;
      }
      assertNear(dinp, f.read(x.gradient(), N * C), "input");
      inferenceFollowsTheParameters(f, inp);
    }
  }

  /** Factors are kept from one pass to the next, but not beyond a change of the parameters. */
  private static void inferenceFollowsTheParameters(Fixture f, double[] inp) {
    double[] ones = new double[N * C];
    Arrays.fill(ones, 1);
    for (int round = 0; round < 3; round++) {
      if (round == 2) {
        f.fill(f.parameters.segment("a.q" + LoraConfig.MAGNITUDE));
      }
      Tensor x = f.input(false, inp);
      double[] out = f.read(Linear.apply(f.tape, x, f.projection).address(), N * F);
      Module m = new Module(f, "a.q", ROWS[0], inp, ones, new double[N * ROWS[0]]);
      assertNear(m.out, columns(out, 0, ROWS[0]), "pass " + round);
      int rest = ROWS[1] + ROWS[2];
      Tensor narrow = Linear.apply(f.tape, x, f.projection.columns(ROWS[0], F));
      assertNear(columns(out, ROWS[0], rest), f.read(narrow.address(), N * rest), "part");
    }
  }

  /** However many micro-batches there are, and however many tokens are generated. */
  @Test
  void normsAreComputedOnceAStep() {
    AtomicInteger calls = new AtomicInteger();
    Backend backend = Backends.best().toList().get(0).backend();
    Backend counting =
        (Backend)
            Proxy.newProxyInstance(
                getClass().getClassLoader(),
                new Class<?>[] {Backend.class},
                (proxy, method, arguments) -> {
                  if (arguments != null && arguments[0] instanceof DoraCall.Gain) {
                    calls.incrementAndGet();
                  }
                  return method.invoke(backend, arguments);
                });
    try (Fixture f = new Fixture(counting, 0.5f, true)) {
      for (int step = 1; step <= 2; step++) {
        for (boolean training : new boolean[] {true, true, false}) {
          Linear.apply(f.tape, f.input(training, new double[N * C]), f.projection);
        }
        assertEquals(2 * step, calls.get(), "two modules a step");
        Steps.end(f.parameters);
      }
    }
  }

  /** As in Transformers, whose weight decay excepts biases and norms alone. */
  @Test
  void magnitudesDecay() {
    try (Fixture f = new Fixture(Backends.best().toList().get(0).backend(), 0, true)) {
      Segment magnitude = f.parameters.segment("a.q" + LoraConfig.MAGNITUDE);
      assertTrue(magnitude.decays());
      assertTrue(magnitude.first() + magnitude.count() <= f.parameters.decayEnd());
      assertFalse(magnitude.frozen());
      assertArrayEquals(new long[] {ROWS[0]}, magnitude.shape());
    }
  }

  /** A fresh adapter changes nothing at all. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void startsAsItsBase(Backends.Target target) {
    try (Fixture f = new Fixture(target.backend(), 0, true)) {
      for (String module : List.of("a.q", "a.v")) {
        Segment up = f.parameters.segment(module + LoraConfig.UP);
        Host.put(f.parameters, up, new float[(int) up.count()]);
      }
      f.parameters.initializeMagnitudes();
      double[] inp = f.random.doubles(N * C).map(x -> (float) (x - 0.5)).toArray();
      Tensor x = f.input(false, inp);
      double[] out = f.read(Linear.apply(f.tape, x, f.projection).address(), N * F);
      long plain = f.tape.allocate(N * F * 4L);
      Product.forward(f.tape, plain, x.address(), f.projection.weight(), 0, N, DType.F32);
      double[] base = f.read(plain, N * F);
      int first = 0;
      for (int part = 0; part < ROWS.length; part++) {
        String name = List.of("a.q", "a.k", "a.v").get(part);
        double[] bias = f.values(name + ".bias");
        double[] expected = columns(base, first, ROWS[part]);
        int rows = ROWS[part];
        // One rounding, of the sum with the bias.
        Arrays.setAll(expected, i -> (float) (expected[i] + bias[i % rows]));
        assertArrayEquals(expected, columns(out, first, rows), name);
        first += rows;
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void aDecomposedWeightMustBeFrozen(Backends.Target target) {
    try (Fixture f = new Fixture(target.backend(), 0, false)) {
      f.tape.begin(true);
      Tensor out = Linear.apply(f.tape, f.tape.tensor(N, C, false), f.projection);
      f.tape.gradientOf(out);
      assertThrows(IllegalStateException.class, f.tape::backward);
    }
  }
}
