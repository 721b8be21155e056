package dev.attune.ops;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The last product and its loss, in chunks: beside the same with the logits held whole. */
class LinearCrossEntropyTest {
  private static final int C = 64;
  private static final int LARGE = 151_936;

  /** A product with a vocabulary, its input, labels, and room for losses and predictions. */
  private static final class Fixture implements AutoCloseable {
    final Backend backend;
    final Parameters parameters;
    final Parameter weight;
    final Tape tape;
    final Buffer rows;
    final long M;

    Fixture(Backend backend, int V, int M, boolean frozen) {
      this.backend = backend;
      this.M = M;
      ParameterBuilder builder = new ParameterBuilder();
      if (frozen) {
        builder.freeze(DType.BF16, DType.BF16);
      }
      weight = builder.matrix("vocabulary", V, C);
      parameters = builder.build(backend);
      Random random = new Random(3);
      parameters.write(
          parameters.segments().get(0),
          (first, values) -> {
            while (values.hasRemaining()) {
              values.put((float) random.nextGaussian() * 0.3f);
            }
          });
      parameters.enableTraining();
      tape = new Tape(backend, new Arena(backend, 1L << 30), DType.F32, 1);
      rows = Buffer.allocate(backend, 3L * M * Integer.BYTES, false);
      ByteBuffer labels = ByteBuffer.allocateDirect(M * 4).order(ByteOrder.nativeOrder());
      for (int row = 0; row < M; row++) {
        labels.putInt(4 * row, row % 7 == 3 ? CrossEntropy.IGNORE : random.nextInt(V));
      }
      rows.write(0, labels);
    }

    long labels() {
      return rows.address();
    }

    long losses() {
      return rows.address() + M * 4;
    }

    long predictions() {
      return rows.address() + 2 * M * 4;
    }

    Tensor input(boolean training) {
      tape.begin(training);
      Tensor input = tape.tensor(M, C, true);
      Random random = new Random(5);
      ByteBuffer values =
          ByteBuffer.allocateDirect((int) (M * C * 4)).order(ByteOrder.nativeOrder());
      for (int i = 0; i < M * C; i++) {
        values.putFloat(4 * i, (float) random.nextGaussian());
      }
      backend.upload(input.address(), values);
      return input;
    }

    float[] floats(long address, int count) {
      FloatBuffer view = Host.floats(backend, address, count * 4L);
      float[] out = new float[count];
      view.get(out);
      return out;
    }

    @Override
    public void close() {
      rows.close();
      tape.close();
      parameters.close();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void chunksAddUpToTheWhole(Backends.Target target) {
    int M = 300;
    assertTrue(
        LinearCrossEntropy.chunkRows(LARGE * 4L) < M / 2, "the test needs three chunks or more");
    try (Fixture f = new Fixture(target.backend(), LARGE, M, false)) {
      Tensor input = f.input(true);
      LinearCrossEntropy.apply(f.tape, input, product(f.weight), f.labels(), f.losses(), 0, 0.1f);
      float[] losses = f.floats(f.losses(), M);
      float[] dinput = f.floats(input.gradient(), M * C);
      float[] dweight = f.floats(f.weight.gradient(), LARGE * C);
      Steps.end(f.parameters);

      Tensor again = f.input(true);
      Tensor logits = f.tape.tensor(M, LARGE, true);
      Backend b = f.backend;
      b.run(
          new LinearCall.Forward(
              logits.address(),
              0,
              again.address(),
              f.weight.address(),
              0,
              M,
              C,
              LARGE,
              Activation.NONE,
              DType.F32,
              DType.F32));
      b.run(
          new CrossEntropyCall(
              f.losses(),
              logits.address(),
              logits.address(),
              f.labels(),
              M,
              LARGE,
              CrossEntropy.IGNORE,
              0.1f,
              1f,
              DType.F32));
      assertNear(f.floats(f.losses(), M), losses, 1e-5, "losses");
      b.run(
          new LinearCall.BackwardWeight(
              f.weight.gradient(),
              0,
              logits.address(),
              again.address(),
              M,
              C,
              LARGE,
              false,
              DType.F32));
      assertNear(f.floats(f.weight.gradient(), LARGE * C), dweight, 1e-5, "dweight");
      long dinp = f.tape.allocate(M * C * 4L);
      b.run(
          new LinearCall.BackwardInput(
              dinp,
              0,
              logits.address(),
              f.weight.address(),
              0,
              M,
              C,
              LARGE,
              Activation.NONE,
              false,
              DType.F32,
              DType.F32));
      assertNear(f.floats(dinp, M * C), dinput, 1e-5, "dinput");
    }
  }

  /** Where every row counts 1, the bits are those of the plain loss, in several chunks too. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void rowsThatAllCountOneAreThePlainLoss(Backends.Target target) {
    int M = 300;
    try (Fixture f = new Fixture(target.backend(), LARGE, M, false)) {
      Tensor input = f.input(true);
      LinearCrossEntropy.apply(f.tape, input, product(f.weight), f.labels(), f.losses(), 0, 0f);
      float[] losses = f.floats(f.losses(), M);
      float[] dinput = f.floats(input.gradient(), M * C);
      float[] dweight = f.floats(f.weight.gradient(), LARGE * C);
      Steps.end(f.parameters);
      float[] ones = new float[M];
      Arrays.fill(ones, 1f);
      Tensor again = f.input(true);
      float[][] seen = new float[1][];
      LinearCrossEntropy.weighted(
          f.tape,
          again,
          product(f.weight),
          f.labels(),
          f.losses(),
          () -> {
            seen[0] = f.floats(f.losses(), M);
            return ones;
          });
      assertArrayEquals(losses, seen[0]);
      assertArrayEquals(dinput, f.floats(again.gradient(), M * C));
      // Chunks come the other way round, and sums of floats with them.
      assertNear(dweight, f.floats(f.weight.gradient(), LARGE * C), 1e-5, "dweight");
    }
  }

  /** Beside the definition in doubles: positive, negative and no weights, alike and not. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void eachRowCountsWhatItIsToldTo(Backends.Target target) {
    int M = 40;
    int V = 90;
    try (Fixture f = new Fixture(target.backend(), V, M, false)) {
      Tensor input = f.input(true);
      float[] x = f.floats(input.address(), M * C);
      float[] w = f.floats(f.weight.address(), V * C);
      ByteBuffer labels = ByteBuffer.allocateDirect(M * 4).order(ByteOrder.nativeOrder());
      f.backend.download(labels.duplicate(), f.labels());
      float[] counts = new float[M];
      for (int row = 0; row < M; row++) {
        counts[row] = row < 10 ? -0.75f : row < 20 ? 0f : row % 5 - 2.5f;
      }
      LinearCrossEntropy.weighted(
          f.tape, input, product(f.weight), f.labels(), f.losses(), () -> counts);
      double[] dx = new double[M * C];
      double[] dw = new double[V * C];
      double[] losses = new double[M];
      for (int row = 0; row < M; row++) {
        int label = labels.getInt(4 * row);
        if (label == CrossEntropy.IGNORE) {
          continue;
        }
        double[] p = new double[V];
        double sum = 0;
        for (int id = 0; id < V; id++) {
          double logit = 0;
          for (int c = 0; c < C; c++) {
            logit += (double) x[row * C + c] * w[id * C + c];
          }
          p[id] = Math.exp(logit);
          sum += p[id];
        }
        losses[row] = Math.log(sum) - Math.log(p[label]);
        for (int id = 0; id < V; id++) {
          double d = counts[row] * (p[id] / sum - (id == label ? 1 : 0));
          for (int c = 0; c < C; c++) {
            dx[row * C + c] += d * w[id * C + c];
            dw[id * C + c] += d * x[row * C + c];
          }
        }
      }
      assertNear(floats(losses), f.floats(f.losses(), M), 1e-5, "losses");
      assertNear(floats(dx), f.floats(input.gradient(), M * C), 1e-5, "dinput");
      assertNear(floats(dw), f.floats(f.weight.gradient(), V * C), 1e-5, "dweight");
    }
  }

  @Test
  void withoutAGradientTheLossesAreComputedAlone() {
    try (Fixture f = new Fixture(Backends.best().toList().get(0).backend(), 90, 12, false)) {
      Tensor input = f.input(false);
      int[] asked = {0};
      LinearCrossEntropy.weighted(
          f.tape,
          input,
          product(f.weight),
          f.labels(),
          f.losses(),
          () -> {
            asked[0]++;
            return new float[12];
          });
      assertEquals(1, asked[0]);
      assertEquals(0, input.gradient());
      assertTrue(f.floats(f.losses(), 12)[0] > 0);
    }
  }

  private static float[] floats(double[] values) {
    float[] out = new float[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = (float) values[i];
    }
    return out;
  }

  /** Predictions are the largest logits; a frozen weight takes no gradient. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void predictsWithAFrozenWeight(Backends.Target target) {
    int M = 40;
    int V = 500;
    try (Fixture f = new Fixture(target.backend(), V, M, true)) {
      Tensor input = f.input(true);
      LinearCrossEntropy.apply(
          f.tape, input, product(f.weight), f.labels(), f.losses(), f.predictions(), 0f);
      ByteBuffer predicted = ByteBuffer.allocateDirect(M * 4).order(ByteOrder.nativeOrder());
      f.backend.download(predicted.duplicate(), f.predictions());
      Tensor logits = f.tape.tensor(M, V, false);
      f.backend.run(
          new LinearCall.Forward(
              logits.address(),
              0,
              input.address(),
              f.weight.address(),
              0,
              M,
              C,
              V,
              Activation.NONE,
              DType.F32,
              DType.BF16));
      float[] values = f.floats(logits.address(), M * V);
      for (int row = 0; row < M; row++) {
        float chosen = values[row * V + predicted.getInt(4 * row)];
        for (int id = 0; id < V; id++) {
          assertTrue(values[row * V + id] <= chosen, "row " + row);
        }
      }
      assertTrue(input.gradient() != 0, "the input's gradient is missing");
    }
  }

  /** What is held beside the input and the weight does not grow with the vocabulary. */
  @Test
  void memoryDoesNotGrowWithTheVocabulary() {
    Backend backend = Backends.best().toList().get(0).backend();
    long small = highWater(backend, 32_000);
    long large = highWater(backend, LARGE);
    assertTrue(large <= 1.15 * small, "V = 151936 takes " + large + " bytes, V = 32000 " + small);
  }

  private static long highWater(Backend backend, int V) {
    try (Fixture f = new Fixture(backend, V, 4096, true)) {
      Tensor input = f.input(true);
      LinearCrossEntropy.apply(f.tape, input, product(f.weight), f.labels(), f.losses(), 0, 0f);
      return f.tape.arena().highWaterBytes();
    }
  }

  private static void assertNear(float[] expected, float[] actual, double share, String what) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      double difference = Math.abs(expected[i] - actual[i]);
      if (!(difference <= share * largest)) {
        assertEquals(expected[i], actual[i], share * largest, what + "[" + i + "]");
      }
    }
  }

  private static Projection product(Parameter weight) {
    return Projection.over(new ParameterBuilder(), "vocabulary", weight, null);
  }
}
