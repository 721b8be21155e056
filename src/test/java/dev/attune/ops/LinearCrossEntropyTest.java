package dev.attune.ops;

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
