package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.ref.AdamWRef;
import dev.attune.ref.Precision;
import dev.attune.ref.SgdRef;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import java.util.function.Function;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Several updates of a store with a word embedding, a matrix and a bias, against the papers'
 * formulas in double: which values decay, what the norm is measured over, rows without a gradient.
 */
class OptimizerTest {
  private static final int V = 9;
  private static final int C = 5;
  private static final int STEPS = 6;
  private static final double DECAY = 0.1;
  private static final long TARGETS = 3;

  /** The rows that have a gradient in each step; row 8 never has. */
  private static final int[][] TOUCHED = {{1, 3}, {3}, {0, 1, 7}, {}, {2, 3}, {7}};

  /** A store on a backend, and beside it the same numbers in double. */
  private static final class Fixture implements AutoCloseable {
    final Backend backend;
    final Parameters parameters;
    final Map<String, double[]> weights = new HashMap<>();
    final Map<String, double[]> first = new HashMap<>();
    final Map<String, double[]> second = new HashMap<>();
    final Map<String, double[]> gradients = new HashMap<>();
    private final Random random = new Random(7);

    Fixture(Backend backend) {
      this.backend = backend;
      ParameterBuilder builder = new ParameterBuilder();
      Parameter word = builder.wordEmbedding("word", V, C);
      Parameter matrix = builder.matrix("matrix", 4, C);
      Parameter bias = builder.vector("bias", 4);
      parameters = builder.build(backend);
      for (Parameter parameter : new Parameter[] {word, matrix, bias}) {
        double[] values = draw((int) parameter.count());
        weights.put(parameter.name(), values);
        first.put(parameter.name(), new double[values.length]);
        second.put(parameter.name(), new double[values.length]);
        parameters.write(
            segment(parameter.name()),
            (at, room) -> {
              for (int i = (int) at; room.hasRemaining(); i++) {
                room.put((float) values[i]);
              }
            });
      }
      parameters.enableTraining();
      backend.run(new StepCall.Reset());
    }

    Segment segment(String name) {
      return parameters.segment(name);
    }

    double[] draw(int count) {
      return random.doubles(count, -1, 1).map(x -> (float) x).toArray();
    }

    /** Gradients as backward leaves them. */
    void backward(int... rows) {
      parameters.rowSparse().mark(rows, rows.length);
      for (Segment segment : parameters.segments()) {
        double[] gradient = draw((int) segment.count());
        if (segment.name().equals("word")) {
          for (int i = 0; i < gradient.length; i++) {
            int row = i / C;
            gradient[i] = Arrays.stream(rows).anyMatch(r -> r == row) ? gradient[i] : 0;
          }
        }
        gradients.put(segment.name(), gradient);
        ByteBuffer bytes =
            ByteBuffer.allocateDirect(gradient.length * Float.BYTES).order(ByteOrder.nativeOrder());
        for (double g : gradient) {
          bytes.putFloat((float) g);
        }
        parameters.gradients().write(segment.first() * Float.BYTES, bytes.flip());
      }
    }

    double norm() {
      double sum = 0;
      for (double[] gradient : gradients.values()) {
        for (double g : gradient) {
          sum += g * g;
        }
      }
      return Math.sqrt(sum) / TARGETS;
    }

    float[] values(String name) {
      Segment segment = segment(name);
      return Host.floats(parameters.weights(), segment.first(), (int) segment.count());
    }

    void check(String at) {
      for (Map.Entry<String, double[]> expected : weights.entrySet()) {
        float[] actual = values(expected.getKey());
        for (int i = 0; i < actual.length; i++) {
          assertEquals(expected.getValue()[i], actual[i], 2e-6, at + ": " + expected.getKey() + i);
        }
      }
    }

    @Override
    public void close() {
      backend.run(new StepCall.Reset());
      parameters.close();
    }
  }

  /** How a step changes one tensor: weight, its gradient, its state. */
  private interface Reference {
    void apply(Fixture f, String name, double gradScale, double rate, int step);
  }

  private static void follows(
      Backend backend, Function<Parameters, Optimizer> make, Reference reference) {
    double maxNorm = 0.3;
    try (Fixture f = new Fixture(backend);
        Optimizer optimizer = make.apply(f.parameters);
        GradientNorm norm = new GradientNorm(f.parameters)) {
      for (int step = 1; step <= STEPS; step++) {
        float rate = 0.05f / step;
        f.backward(TOUCHED[step - 1]);
        int rows = f.parameters.rowSparse().publish(step % 2 == 0 ? 0 : 4);
        optimizer.announce(rate, TARGETS);
        norm.clip(rows, maxNorm);
        optimizer.step();
        double expected = f.norm();
        ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.nativeOrder());
        backend.download(bytes, norm.address());
        assertEquals(expected, bytes.getDouble(0), 1e-6 * expected);
        double scale = Math.min(1, maxNorm / (expected + 1e-6)) / TARGETS;
        for (String name : f.weights.keySet()) {
          reference.apply(f, name, scale, rate, step);
        }
        f.check("step " + step);
        Steps.end(f.parameters);
        assertEquals(step, optimizer.steps());
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void adamwFollowsThePaper(Target target) {
    AdamW.Config config = new AdamW.Config(0.9f, 0.99f, 1e-8f, (float) DECAY);
    follows(
        target.backend(),
        parameters -> new AdamW(parameters, config),
        (f, name, scale, rate, step) ->
            AdamWRef.apply(
                Precision.EXACT,
                f.weights.get(name),
                f.first.get(name),
                f.second.get(name),
                f.gradients.get(name),
                new AdamWRef.Step(
                    rate,
                    config.beta1(),
                    config.beta2(),
                    config.eps(),
                    name.equals("bias") ? 0 : config.weightDecay(),
                    1 - Math.pow(config.beta1(), step),
                    1 - Math.pow(config.beta2(), step),
                    scale)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void sgdFollowsPyTorch(Target target) {
    for (boolean nesterov : new boolean[] {false, true}) {
      for (float momentum : new float[] {0f, 0.9f}) {
        follows(
            target.backend(),
            parameters -> new Sgd(parameters, new Sgd.Config(momentum, (float) DECAY, nesterov)),
            (f, name, scale, rate, step) ->
                SgdRef.apply(
                    Precision.EXACT,
                    f.weights.get(name),
                    momentum == 0 ? null : f.first.get(name),
                    f.gradients.get(name),
                    new SgdRef.Step(
                        rate,
                        momentum,
                        name.equals("bias") ? 0 : (float) DECAY,
                        nesterov,
                        step == 1,
                        scale)));
      }
    }
  }

  /** What a checkpoint keeps is all there is: an optimizer that takes it over goes on alike. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theStateIsAllThatAnotherNeeds(Target target) {
    Backend backend = target.backend();
    try (Fixture whole = new Fixture(backend);
        Fixture parts = new Fixture(backend);
        Optimizer one = new AdamW(whole.parameters, AdamW.Config.withDecay(0.1f))) {
      Optimizer other = new AdamW(parts.parameters, AdamW.Config.withDecay(0.1f));
      for (int step = 0; step < 4; step++) {
        if (step == 2) {
          Optimizer fresh = new AdamW(parts.parameters, AdamW.Config.withDecay(0.1f));
          for (Map.Entry<String, Buffer> entry : other.state().entrySet()) {
            ByteBuffer bytes =
                ByteBuffer.allocateDirect((int) entry.getValue().sizeBytes())
                    .order(ByteOrder.nativeOrder());
            entry.getValue().read(0, bytes);
            fresh.state().get(entry.getKey()).write(0, bytes.rewind());
          }
          fresh.restore(other.steps());
          other.close();
          other = fresh;
        }
        update(whole, one, TOUCHED[step]);
        update(parts, other, TOUCHED[step]);
      }
      other.close();
      for (String name : whole.weights.keySet()) {
        assertArrayEquals(whole.values(name), parts.values(name), name);
      }
    }
  }

  private static void update(Fixture f, Optimizer optimizer, int... rows) {
    f.backward(rows);
    try (GradientNorm norm = new GradientNorm(f.parameters)) {
      int listed = f.parameters.rowSparse().publish(0);
      optimizer.announce(0.01f, 1);
      norm.clip(listed, 1);
      optimizer.step();
    }
    Steps.end(f.parameters);
  }

  /** A gradient that is not finite, wherever it is, changes nothing: not the weights, no moment. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void aGradientThatIsNotFiniteChangesNothing(Target target) {
    for (String bad : new String[] {"word", "matrix", "bias"}) {
      try (Fixture f = new Fixture(target.backend());
          Optimizer optimizer = new AdamW(f.parameters, AdamW.Config.withDecay(0.1f))) {
        update(f, optimizer, 1, 2);
        float[] before = all(f, optimizer);
        f.backward(1, 2);
        ByteBuffer nan = ByteBuffer.allocateDirect(Float.BYTES).order(ByteOrder.nativeOrder());
        long at = f.segment(bad).first() + (bad.equals("word") ? C : 0);
        f.parameters.gradients().write(at * Float.BYTES, nan.putFloat(Float.NaN).flip());
        try (GradientNorm norm = new GradientNorm(f.parameters)) {
          int listed = f.parameters.rowSparse().publish(0);
          optimizer.announce(0.01f, 1);
          norm.clip(listed, 1);
          optimizer.step();
        }
        assertArrayEquals(before, all(f, optimizer), bad);
        f.backend.run(new StepCall.Reset());
        Steps.end(f.parameters);
        update(f, optimizer, 1, 2);
        assertFalse(Arrays.equals(before, all(f, optimizer)));
      }
    }
  }

  private static float[] all(Fixture f, Optimizer optimizer) {
    int count = (int) f.parameters.size();
    float[] all = new float[3 * count];
    System.arraycopy(Host.floats(f.parameters.weights(), 0, count), 0, all, 0, count);
    int at = count;
    for (String name : new String[] {"adam_m", "adam_v"}) {
      System.arraycopy(Host.floats(optimizer.state().get(name), 0, count), 0, all, at, count);
      at += count;
    }
    return all;
  }

  /** Bounds that f32 cannot hold are those next to them: the largest, and no gradient at all. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void everyPositiveBoundIsOne(Target target) {
    for (double maxNorm : new double[] {Double.MAX_VALUE, 1e-300}) {
      float[] before;
      float[] bounded;
      try (Fixture f = new Fixture(target.backend())) {
        before = f.values("matrix");
        bounded = stepOfSgd(f, maxNorm);
      }
      try (Fixture f = new Fixture(target.backend())) {
        assertArrayEquals(maxNorm > 1 ? stepOfSgd(f, 0) : before, bounded, "at " + maxNorm);
      }
    }
  }

  private static float[] stepOfSgd(Fixture f, double maxNorm) {
    try (Optimizer sgd = new Sgd(f.parameters, new Sgd.Config(0f, 0f, false));
        GradientNorm norm = new GradientNorm(f.parameters)) {
      f.backward(1);
      sgd.announce(0.1f, 1);
      norm.clip(f.parameters.rowSparse().publish(0), maxNorm);
      sgd.step();
      return f.values("matrix");
    }
  }

  /**
   * The rows of a vocabulary that no text used are where weight decay takes them, and no farther.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void rowsWithoutAGradientOnlyDecay(Target target) {
    try (Fixture f = new Fixture(target.backend());
        Optimizer optimizer = new AdamW(f.parameters, AdamW.Config.withDecay(0.1f))) {
      float[] before = f.values("word");
      for (int step = 0; step < 3; step++) {
        update(f, optimizer, 1, 2);
      }
      float[] after = f.values("word");
      for (int c = 0; c < C; c++) {
        int i = 8 * C + c;
        assertEquals(before[i] * Math.pow(1 - 0.01 * 0.1, 3), after[i], 1e-7);
      }
      assertTrue(f.parameters.rowSparse().everTouched(1));
      assertFalse(f.parameters.rowSparse().everTouched(8));
      assertEquals(DType.F32, f.parameters.segments().get(0).dtype());
    }
  }
}
