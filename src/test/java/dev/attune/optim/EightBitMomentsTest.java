package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A store whose large tensors have moments in 8 bits, and its word embedding and small ones not.
 */
class EightBitMomentsTest {
  private static final int V = 300;
  private static final int C = 20;
  private static final int[] ROWS = {1, 5, 299};
  private static final AdamW.Config NUMBERS = AdamW.Config.withDecay(0.1f);
  private static final AdamW.Config CODES = NUMBERS.with8BitMoments();

  private static final class Store implements AutoCloseable {
    final Backend backend;
    final Parameters parameters;
    private final Random random = new Random(7);

    Store(Backend backend) {
      this.backend = backend;
      ParameterBuilder builder = new ParameterBuilder();
      Parameter word = builder.wordEmbedding("word", V, C);
      Parameter odd = builder.matrix("odd", 83, 51); // 4,233: its last block is not whole
      Parameter small = builder.matrix("small", 4, C);
      Parameter even = builder.matrix("even", 80, 64);
      Parameter bias = builder.vector("bias", 80);
      parameters = builder.build(backend);
      for (Parameter parameter : new Parameter[] {word, odd, small, even, bias}) {
        parameters.write(
            parameters.segment(parameter.name()),
            (at, room) -> {
              while (room.hasRemaining()) {
                room.put(random.nextFloat() - 0.5f);
              }
            });
      }
      parameters.enableTraining();
      backend.run(new StepCall.Reset());
    }

    /** A step on gradients of random signs and of sizes that differ by tensor and element. */
    void step(Optimizer optimizer, int number) {
      Random draws = new Random(number);
      parameters.rowSparse().mark(ROWS, ROWS.length);
      for (Segment segment : parameters.segments()) {
        int count = (int) segment.count();
        ByteBuffer bytes =
            ByteBuffer.allocateDirect(count * Float.BYTES).order(ByteOrder.nativeOrder());
        for (int i = 0; i < count; i++) {
          boolean isZero =
              segment.name().equals("word") && i / C != 1 && i / C != 5 && i / C != 299;
          double size = Math.exp(2 * new Random(i).nextGaussian());
          bytes.putFloat(isZero ? 0 : (float) (size * (0.3 + draws.nextGaussian())));
        }
        parameters.gradients().write(segment.first() * Float.BYTES, bytes.flip());
      }
      try (GradientNorm norm = new GradientNorm(parameters)) {
        int listed = parameters.rowSparse().publish(0);
        optimizer.announce(1e-3f, 1);
        norm.clip(listed, 1);
        optimizer.step();
      }
      Steps.end(parameters);
    }

    float[] values(String name) {
      Segment segment = parameters.segment(name);
      return Host.floats(parameters.weights(), segment.first(), (int) segment.count());
    }

    @Override
    public void close() {
      backend.run(new StepCall.Reset());
      parameters.close();
    }
  }

  /** One byte each and a scale for 256; embedding, small matrix and bias keep numbers. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void largeTensorsTakeAByteAMoment(Target target) {
    try (Store store = new Store(target.backend());
        Optimizer optimizer = new AdamW(store.parameters, CODES)) {
      Map<String, Long> sizes = new TreeMap<>();
      optimizer.state().forEach((name, buffer) -> sizes.put(name, buffer.sizeBytes()));
      long codes = 17 * 256 + 20 * 256;
      long plain = store.parameters.rowSparseEnd() + 4 * C + 80;
      Map<String, Long> expected = new TreeMap<>();
      for (String moment : new String[] {"adam_m", "adam_v"}) {
        expected.put(moment, plain * Float.BYTES);
        expected.put(moment + "_codes", codes);
        expected.put(moment + "_scales", codes / 256 * Float.BYTES);
      }
      assertEquals(expected, sizes);
    }
  }

  /**
   * Twenty steps stay beside those of moments in f32: what keeps numbers to the last bit, the rest
   * within 15 % of the way, though the sizes of gradients differ a thousandfold within a block.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void twentyStepsFollowThoseOfNumbers(Target target) {
    try (Store numbers = new Store(target.backend());
        Store codes = new Store(target.backend())) {
      Map<String, float[]> start = new TreeMap<>();
      for (Segment segment : numbers.parameters.segments()) {
        start.put(segment.name(), numbers.values(segment.name()));
      }
      try (Optimizer one = new AdamW(numbers.parameters, NUMBERS);
          Optimizer other = new AdamW(codes.parameters, CODES)) {
        for (int step = 1; step <= 20; step++) {
          numbers.step(one, step);
          codes.step(other, step);
        }
      }
      for (String name : start.keySet()) {
        float[] expected = numbers.values(name);
        float[] actual = codes.values(name);
        if (!name.equals("odd") && !name.equals("even")) {
          assertArrayEquals(expected, actual, name);
          continue;
        }
        double way = 0;
        double apart = 0;
        for (int i = 0; i < expected.length; i++) {
          way += Math.pow(expected[i] - start.get(name)[i], 2);
          apart += Math.pow(expected[i] - actual[i], 2);
        }
        double share = Math.sqrt(apart / way);
        assertTrue(share > 0 && share < 0.15, name + ": " + share + " of the way");
      }
    }
  }

  /** What a checkpoint keeps is all there is: an optimizer that takes it over goes on alike. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theStateIsAllThatAnotherNeeds(Target target) {
    try (Store whole = new Store(target.backend());
        Store parts = new Store(target.backend())) {
      try (Optimizer one = new AdamW(whole.parameters, CODES)) {
        for (int step = 1; step <= 4; step++) {
          whole.step(one, step);
        }
      }
      Map<String, byte[]> kept = new TreeMap<>();
      try (Optimizer first = new AdamW(parts.parameters, CODES)) {
        parts.step(first, 1);
        parts.step(first, 2);
        first.state().forEach((name, buffer) -> kept.put(name, bytes(buffer)));
      }
      try (Optimizer second = new AdamW(parts.parameters, CODES)) {
        second.state().forEach((name, buffer) -> write(buffer, kept.get(name)));
        second.restore(2);
        parts.step(second, 3);
        parts.step(second, 4);
      }
      for (Segment segment : whole.parameters.segments()) {
        String name = segment.name();
        assertArrayEquals(whole.values(name), parts.values(name), name);
      }
    }
  }

  /** A tensor begins with a block of its own. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#best")
  void noTwoTensorsShareABlockInPart(Target target) {
    try (Store store = new Store(target.backend())) {
      MomentLayout layout = MomentLayout.coded(store.parameters, RateFactors.ONE);
      assertEquals(2, layout.coded().size());
      assertEquals(0, layout.coded().get(0).first());
      assertEquals(17 * 256, layout.coded().get(1).first());
      long size = store.parameters.segment("odd").count();
      assertEquals(size, layout.coded().get(0).end() - layout.coded().get(0).begin());
    }
  }

  private static byte[] bytes(Buffer buffer) {
    ByteBuffer out = ByteBuffer.allocateDirect((int) buffer.sizeBytes());
    buffer.read(0, out);
    byte[] bytes = new byte[out.capacity()];
    out.rewind().get(bytes);
    return bytes;
  }

  private static void write(Buffer buffer, byte[] bytes) {
    buffer.write(0, ByteBuffer.allocateDirect(bytes.length).put(bytes).flip());
  }
}
