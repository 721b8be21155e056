package dev.attune.optim;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.ref.AdamW8BitRef;
import dev.attune.ref.AdamWRef;
import dev.attune.ref.Precision;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A store whose large tensors have moments in 8 bits, and its word embedding and small ones not.
 */
class EightBitMomentsTest {
  private static final int BLOCK = AdamW8BitRef.BLOCK;
  private static final int V = 300;
  private static final int C = 20;
  private static final int[] ROWS = {1, 5, 299};
  private static final float RATE = 1e-3f;
  private static final double MOST_NORM = 1;
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
      parameters.rowSparse().mark(ROWS, ROWS.length);
      for (Segment segment : parameters.segments()) {
        float[] gradient = gradient(segment, number);
        ByteBuffer bytes =
            ByteBuffer.allocateDirect(gradient.length * Float.BYTES).order(ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(gradient);
        parameters.gradients().write(segment.first() * Float.BYTES, bytes);
      }
      try (GradientNorm norm = new GradientNorm(parameters)) {
        int listed = parameters.rowSparse().publish(0);
        optimizer.announce(RATE, 1);
        norm.clip(listed, MOST_NORM);
        optimizer.step();
      }
      Steps.end(parameters);
    }

    static float[] gradient(Segment segment, int number) {
      Random draws = new Random(number * 31L + segment.name().hashCode());
      float[] gradient = new float[(int) segment.count()];
      for (int i = 0; i < gradient.length; i++) {
        boolean isZero = segment.name().equals("word") && i / C != 1 && i / C != 5 && i / C != 299;
        double size = Math.exp(2 * new Random(i).nextGaussian());
        gradient[i] = isZero ? 0 : (float) (size * (0.3 + draws.nextGaussian()));
      }
      return gradient;
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
      sizes.remove("adam_rows"); // which there are where rows lag
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

  /** What keeps numbers ends in the bits that it has beside numbers alone. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void whatKeepsNumbersIsUpdatedAsBefore(Target target) {
    try (Store numbers = new Store(target.backend());
        Store codes = new Store(target.backend());
        Optimizer one = new AdamW(numbers.parameters, NUMBERS);
        Optimizer other = new AdamW(codes.parameters, CODES)) {
      for (int step = 1; step <= 20; step++) {
        numbers.step(one, step);
        codes.step(other, step);
      }
      for (String name : new String[] {"word", "small", "bias"}) {
        assertArrayEquals(numbers.values(name), codes.values(name), name);
      }
    }
  }

  /**
   * Each of twenty steps, from the codes that the one before it left, is what the definitions give
   * in exact arithmetic: weights but for the three roundings of f32 in an update, codes all but
   * where a number is as near to two of them.
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void everyStepIsThatOfTheDefinitions(Target target) {
    try (Store store = new Store(target.backend());
        Optimizer optimizer = new AdamW(store.parameters, CODES)) {
      List<MomentLayout.Piece> pieces =
          MomentLayout.coded(store.parameters, RateFactors.ONE).coded();
      assertEquals(2, pieces.size());
      for (int number = 1; number <= 20; number++) {
        List<Coded> before = new ArrayList<>();
        for (MomentLayout.Piece piece : pieces) {
          before.add(Coded.of(store, optimizer, piece));
        }
        store.step(optimizer, number);
        AdamWRef.Step step = step(store.parameters, number);
        for (Coded old : before) {
          old.assertUpdatedTo(Coded.of(store, optimizer, old.piece), number, step);
        }
      }
    }
  }

  private static AdamWRef.Step step(Parameters parameters, int number) {
    double squares = 0;
    for (Segment segment : parameters.segments()) {
      for (float g : Store.gradient(segment, number)) {
        squares += (double) g * g;
      }
    }
    double factor = Math.min(1, MOST_NORM / (Math.sqrt(squares) + 1e-6));
    return new AdamWRef.Step(
        RATE,
        CODES.beta1(),
        CODES.beta2(),
        CODES.eps(),
        CODES.weightDecay(),
        (float) (1 - Math.pow(CODES.beta1(), number)),
        (float) (1 - Math.pow(CODES.beta2(), number)),
        (float) factor);
  }

  /** A tensor and its moments at one time. */
  private record Coded(
      Segment segment,
      MomentLayout.Piece piece,
      double[] weight,
      double[] m,
      double[] mScales,
      double[] v,
      double[] vScales) {
    static Coded of(Store store, Optimizer optimizer, MomentLayout.Piece piece) {
      Segment segment =
          store.parameters.segments().stream()
              .filter(one -> one.first() == piece.begin())
              .findFirst()
              .orElseThrow();
      Map<String, Buffer> state = optimizer.state();
      return new Coded(
          segment,
          piece,
          doubles(store.values(segment.name())),
          codes(state.get("adam_m_codes"), piece),
          scales(state.get("adam_m_scales"), piece),
          codes(state.get("adam_v_codes"), piece),
          scales(state.get("adam_v_scales"), piece));
    }

    private static double[] codes(Buffer buffer, MomentLayout.Piece piece) {
      byte[] bytes = Host.bytes(buffer, piece.first(), (int) (piece.end() - piece.begin()));
      double[] codes = new double[bytes.length];
      for (int i = 0; i < codes.length; i++) {
        codes[i] = bytes[i] & 0xFF;
      }
      return codes;
    }

    private static double[] scales(Buffer buffer, MomentLayout.Piece piece) {
      int blocks = (int) ((piece.end() - piece.begin() + BLOCK - 1) / BLOCK);
      return doubles(Host.floats(buffer, piece.first() / BLOCK, blocks));
    }

    private static double[] doubles(float[] values) {
      double[] wide = new double[values.length];
      for (int i = 0; i < wide.length; i++) {
        wide[i] = values[i];
      }
      return wide;
    }

    void assertUpdatedTo(Coded after, int number, AdamWRef.Step step) {
      double[] w = weight.clone();
      double[] newM = AdamW8BitRef.decode(Precision.EXACT, true, m, mScales);
      double[] newV = AdamW8BitRef.decode(Precision.EXACT, false, v, vScales);
      double[] gradient = doubles(Store.gradient(segment, number));
      AdamWRef.apply(Precision.EXACT, w, newM, newV, gradient, step);
      String where = segment.name() + " in step " + number;
      // Weights are below 1/2 and a few hundredths: so much below 1 that three roundings are those
      // of numbers from 1/2 to 1 at most.
      assertArrayEquals(w, after.weight, 3 * Math.ulp(0.5f), where);
      assertCodes(true, newM, after.m, after.mScales, where + ", m");
      assertCodes(false, newV, after.v, after.vScales, where + ", v");
    }

    private static void assertCodes(
        boolean signed, double[] exact, double[] actual, double[] actualScales, String where) {
      double[] scales = AdamW8BitRef.scales(exact);
      double[] expected = AdamW8BitRef.encode(signed, exact);
      for (int block = 0; block < scales.length; block++) {
        assertEquals(1, actualScales[block] / scales[block], 1e-6, where);
      }
      int undecided = 0;
      for (int i = 0; i < exact.length; i++) {
        if (expected[i] != actual[i]) {
          String one = where + " of " + exact[i] + " in a block of " + scales[i / BLOCK];
          assertEquals(expected[i], actual[i], 1, one);
          assertTrue(AdamW8BitRef.isUndecided(signed, exact[i], scales[i / BLOCK]), one);
          undecided++;
        }
      }
      assertTrue(undecided * 200 < exact.length, where + ": " + undecided + " codes differ");
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
