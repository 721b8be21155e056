package dev.attune.store;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/** Declaration, layout, slices and gradients of the flat store. */
class ParametersTest {
  private static final Backend BACKEND = Backends.best().findFirst().orElseThrow().backend();

  private final ParameterBuilder builder = new ParameterBuilder();

  @Test
  void aDeclaredParameterKnowsItsShape() {
    Parameter matrix = builder.matrix("m", 3, 5);
    Parameter vector = builder.vector("v", 7);
    Parameter stacked =
        builder.stacked(List.of(new Part("q", 4), new Part("k", 2)), 5, Layout.PLAIN);
    assertEquals(List.of(3L, 5L), List.of(matrix.rows(), matrix.cols()));
    assertEquals(List.of(1L, 7L), List.of(vector.rows(), vector.cols()));
    assertEquals(List.of(6L, 5L), List.of(stacked.rows(), stacked.cols()));
    assertEquals(List.of("m", "v", "q"), List.of(matrix.name(), vector.name(), stacked.name()));
    assertEquals(DType.F32, matrix.dtype());
  }

  @Test
  void aParameterHasNoValuesBeforeItsBuilderHasBuilt() {
    Parameter matrix = builder.matrix("layer.weight", 3, 5);
    List<Executable> uses =
        List.of(
            matrix::address,
            matrix::gradient,
            matrix::accumulate,
            matrix::addableGradient,
            matrix::trainable,
            () -> matrix.operand(DType.F32),
            () -> matrix.operandDtype(DType.F32),
            () -> matrix.slice(0, 1));
    for (Executable use : uses) {
      String message = assertThrows(IllegalStateException.class, use).getMessage();
      assertTrue(message.contains("layer.weight"), message);
    }
    try (Parameters parameters = builder.build(BACKEND)) {
      assertEquals(parameters.weights().address(), matrix.address());
    }
  }

  @Test
  void aBuilderBuildsOnce() {
    builder.matrix("m", 3, 5);
    try (Parameters parameters = builder.build(BACKEND)) {
      assertEquals(15, parameters.count());
      assertThrows(IllegalStateException.class, () -> builder.build(BACKEND));
      String late =
          assertThrows(IllegalStateException.class, () -> builder.vector("late", 1)).getMessage();
      assertTrue(late.contains("late"), late);
    }
  }

  @Test
  void theWordEmbeddingComesFirstAndWhatDoesNotDecayLast() {
    Parameter bias = builder.vector("bias", 3);
    Parameter matrix = builder.matrix("matrix", 3, 5);
    Parameter word = builder.wordEmbedding("word", 7, 5);
    Parameter second = builder.matrix("second", 2, 5);
    try (Parameters parameters = builder.build(BACKEND)) {
      assertEquals(
          List.of("word", "matrix", "second", "bias"),
          parameters.segments().stream().map(Segment::name).toList());
      // 35, 15, 10 and 3 elements, each at the next multiple of 16.
      assertEquals(
          List.of(0L, 48L, 64L, 80L), parameters.segments().stream().map(Segment::first).toList());
      assertEquals(48, parameters.rowSparseEnd());
      assertEquals(80, parameters.decayEnd());
      assertEquals(96, parameters.size());
      assertEquals(63, parameters.count());
      long base = parameters.weights().address();
      assertEquals(base, word.address());
      assertEquals(base + 48 * 4, matrix.address());
      assertEquals(base + 64 * 4, second.address());
      assertEquals(base + 80 * 4, bias.address());
      assertTrue(parameters.segment("word").decays());
      assertFalse(parameters.segment("bias").decays());
      assertNull(parameters.segment("absent"));
    }
  }

  @Test
  void rowsThatAreTooWideForExactSumsAreRefusedInWords() {
    builder.freeze(DType.F32, DType.CHANNEL_INT8);
    builder.at(Depth.ofLayer(0, 1));
    Part part = new Part("layer.0.down.weight", 4);
    builder.stacked(List.of(part), ChannelInt8Layout.MAX_COLUMNS + 1, Layout.PLAIN);
    String message = assertThrows(InputException.class, () -> builder.build(BACKEND)).getMessage();
    assertTrue(message.startsWith("layer.0.down.weight has 65537 columns"), message);
  }

  @Test
  void twoWordEmbeddingsAreRefused() {
    builder.wordEmbedding("one", 7, 5);
    String message =
        assertThrows(IllegalArgumentException.class, () -> builder.wordEmbedding("two", 7, 5))
            .getMessage();
    assertTrue(message.contains("one") && message.contains("two"), message);
  }

  @Test
  void severalTensorsHaveNoLayoutOfOne() {
    assertThrows(
        IllegalArgumentException.class,
        () ->
            builder.stacked(
                List.of(new Part("q", 4), new Part("k", 2)), 5, new Layout.Transposed(6, 5)));
  }

  @Test
  void stackedTensorsLieBehindEachOther() {
    Parameter stacked =
        builder.stacked(
            List.of(new Part("q", 4), new Part("k", 2), new Part("v", 2)), 5, Layout.PLAIN);
    try (Parameters parameters = builder.build(BACKEND)) {
      assertEquals(20, parameters.segment("k").first());
      assertEquals(30, parameters.segment("v").first());
      Parameter keyValue = stacked.slice(4, 8);
      assertEquals("k", keyValue.name());
      assertEquals(List.of(4L, 5L), List.of(keyValue.rows(), keyValue.cols()));
      assertEquals(stacked.address() + 20 * 4, keyValue.address());
      Parameter partOfQuery = stacked.slice(1, 3);
      assertEquals(stacked.address() + 5 * 4, partOfQuery.address());
      assertEquals(stacked.address() + 10 * 4, partOfQuery.slice(1, 2).address());
      assertThrows(IllegalArgumentException.class, () -> stacked.slice(1, 5), "cuts q");
      assertThrows(IllegalArgumentException.class, () -> stacked.slice(0, 9), "too long");
      assertThrows(IllegalArgumentException.class, () -> stacked.slice(3, 3), "empty");
    }
  }

  @Test
  void entriesOfStackedVectorsAreSliced() {
    Parameter biases =
        builder.stackedVectors(List.of(new Part("q", 4), new Part("k", 2)), Layout.PLAIN);
    try (Parameters parameters = builder.build(BACKEND)) {
      Parameter key = biases.slice(4, 6);
      assertEquals("k", key.name());
      assertEquals(2, key.count());
      assertEquals(parameters.segment("k").first() * 4, key.address() - biases.address());
    }
  }

  @Test
  void theFirstWriteOfAStepOverwritesTheNextAdds() {
    Parameter stacked =
        builder.stacked(List.of(new Part("q", 4), new Part("k", 4)), 2, Layout.PLAIN);
    try (Parameters parameters = builder.build(BACKEND)) {
      assertFalse(stacked.trainable());
      assertThrows(IllegalStateException.class, stacked::gradient);
      parameters.enableTraining();
      assertTrue(stacked.trainable());
      for (int step = 0; step < 2; step++) {
        fillGradients(parameters, 7);
        Parameter query = stacked.slice(0, 4);
        assertFalse(query.accumulate());
        assertTrue(query.accumulate());
        // The other half is still open: it becomes zero, so that one flag says "add" for both.
        assertTrue(stacked.accumulate());
        assertArrayEquals(new float[] {7, 7, 7, 7, 7, 7, 7, 7}, gradient(parameters, "q"));
        assertArrayEquals(new float[8], gradient(parameters, "k"));
        Steps.end(parameters);
      }
    }
  }

  @Test
  void partsOfATensorAddToZero() {
    Parameter matrix = builder.matrix("m", 4, 2);
    try (Parameters parameters = builder.build(BACKEND)) {
      parameters.enableTraining();
      fillGradients(parameters, 7);
      assertTrue(matrix.slice(1, 2).accumulate());
      assertArrayEquals(new float[8], gradient(parameters, "m"));
      fillGradients(parameters, 5);
      assertTrue(matrix.slice(2, 3).accumulate(), "the tensor's first rows are not lost");
      assertArrayEquals(new float[] {5, 5, 5, 5, 5, 5, 5, 5}, gradient(parameters, "m"));
    }
  }

  @Test
  void gradientsThatNobodyWroteBecomeZero() {
    Parameter written = builder.matrix("written", 2, 2);
    builder.matrix("open", 2, 2);
    try (Parameters parameters = builder.build(BACKEND)) {
      parameters.enableTraining();
      fillGradients(parameters, 7);
      written.accumulate();
      Steps.complete(parameters);
      assertArrayEquals(new float[] {7, 7, 7, 7}, gradient(parameters, "written"));
      assertArrayEquals(new float[4], gradient(parameters, "open"));
    }
  }

  @Test
  void frozenWeightsAreHeldOnceInTheirOwnType() {
    builder.freeze(DType.BF16, DType.BF16);
    Parameter frozen = builder.matrix("frozen", 3, 4);
    Parameter bias = builder.vector("bias", 4);
    Parameter head = builder.asNew(() -> builder.matrix("head", 2, 4));
    try (Parameters parameters = builder.build(BACKEND)) {
      parameters.enableTraining();
      assertEquals(DType.BF16, frozen.dtype());
      assertEquals(DType.F32, bias.dtype());
      assertFalse(frozen.trainable());
      assertFalse(bias.trainable());
      assertTrue(head.trainable());
      assertEquals(16, parameters.size(), "the head alone, aligned");
      Segment segment = parameters.segment("frozen");
      parameters.write(
          segment,
          (first, values) -> {
            for (int i = 0; values.hasRemaining(); i++) {
              values.put(first + i + 1 / 1024f); // rounds
            }
          });
      FloatBuffer read = parameters.read(segment, 0);
      for (int i = 0; i < 12; i++) {
        assertEquals(DType.fromBf16(DType.toBf16(i + 1 / 1024f)), read.get(i));
      }
    }
  }

  @Test
  void fewBitsNeedWholeBlocks() {
    builder.freeze(DType.F32, DType.NF4);
    builder.stacked(List.of(new Part("narrow.weight", 4)), 24, Layout.PLAIN);
    String message = assertThrows(InputException.class, () -> builder.build(BACKEND)).getMessage();
    assertTrue(message.contains("narrow.weight") && message.contains("24"), message);
  }

  @Test
  void adaptersAreDeclaredForTargetsAlone() {
    LoraConfig lora = new LoraConfig(2, 4, 0f, List.of("q", "v"), false, true);
    builder.adapt(lora);
    builder.freeze(DType.F32, DType.F32);
    List<Part> modules = List.of(new Part("a.q", 6), new Part("a.k", 4), new Part("a.v", 4));
    AdaptedWeight adapted = AdaptedWeight.declare(builder, modules, 3, true, Layout.PLAIN);
    assertEquals(2, adapted.adapters().size());
    Adapter value = adapted.adapters().get(1);
    assertEquals(List.of(2, 10L), List.of(value.part(), value.firstColumn()));
    assertThrows(IllegalStateException.class, () -> adapted.decomposition().gain());
    try (Parameters parameters = builder.build(BACKEND)) {
      assertEquals(
          List.of(
              "a.q" + LoraConfig.DOWN,
              "a.q" + LoraConfig.UP,
              "a.q" + LoraConfig.MAGNITUDE,
              "a.v" + LoraConfig.DOWN,
              "a.v" + LoraConfig.UP,
              "a.v" + LoraConfig.MAGNITUDE),
          parameters.segments().stream()
              .filter(segment -> !segment.frozen())
              .map(Segment::name)
              .toList());
      // Keys and values alone: the adapter of the queries is gone, that of the values moves up.
      AdaptedWeight keyValue = adapted.columns(6, 14);
      assertEquals(List.of("a.k", "a.v"), keyValue.parts().stream().map(Part::name).toList());
      assertEquals(1, keyValue.adapters().size());
      assertEquals(1, keyValue.adapters().get(0).part());
      assertEquals(4, keyValue.adapters().get(0).firstColumn());
      assertEquals(6, keyValue.firstRow());
      AdaptedWeight key = adapted.columns(6, 10);
      assertNull(key.decomposition());
      assertFalse(key.trainable());
    }
  }

  @Test
  void aTargetThatMatchesNothingIsNamed() {
    builder.adapt(new LoraConfig(2, 4, 0f, List.of("q", "z_proj"), false, false));
    AdaptedWeight.declare(builder, List.of(new Part("a.q", 6)), 3, false, Layout.PLAIN);
    String message = assertThrows(InputException.class, builder::checkTargets).getMessage();
    assertTrue(message.contains("z_proj") && message.contains("q"), message);
  }

  /** Whatever allocation fails, those before it are freed. */
  @Test
  void aStoreThatCannotBeBuiltLeavesNothing() {
    for (int failing = 0; ; failing++) {
      AtomicInteger calls = new AtomicInteger();
      AtomicInteger live = new AtomicInteger();
      Backend backend = failingAt(failing, calls, live);
      ParameterBuilder declared = new ParameterBuilder();
      declared.adapt(new LoraConfig(2, 4, 0f, List.of("q"), false, true));
      declared.freeze(DType.BF16, DType.BF16);
      AdaptedWeight.declare(declared, List.of(new Part("a.q", 64)), 64, true, Layout.PLAIN);
      try (Parameters parameters = declared.build(backend)) {
        assertTrue(live.get() > 0 && parameters.count() > 64 * 64);
      } catch (DeviceMemoryException e) {
        assertEquals(0, live.get(), "after allocation " + failing + " failed");
        continue;
      }
      assertEquals(0, live.get());
      assertTrue(failing >= 3, "weights, frozen weights and factors are allocated");
      return;
    }
  }

  private static Backend failingAt(int failing, AtomicInteger calls, AtomicInteger live) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (method.getName().equals("allocate") && calls.getAndIncrement() == failing) {
                throw new DeviceMemoryException("as the test wants it");
              }
              try {
                Object result = method.invoke(BACKEND, arguments);
                if (method.getName().equals("allocate")) {
                  live.incrementAndGet();
                } else if (method.getName().equals("free")) {
                  live.decrementAndGet();
                }
                return result;
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }

  private static void fillGradients(Parameters parameters, float value) {
    long count = parameters.size();
    ByteBuffer bytes = ByteBuffer.allocateDirect((int) count * 4).order(ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      bytes.putFloat(value);
    }
    parameters.gradients().write(0, bytes.flip());
  }

  private static float[] gradient(Parameters parameters, String name) {
    Segment segment = parameters.segment(name);
    return Host.floats(parameters.gradients(), segment.first(), (int) segment.count());
  }
}
