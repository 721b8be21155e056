package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import dev.attune.testkit.Steps;
import dev.attune.testkit.TestTasks;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A model with frozen weights of few bits against the same model whose weights were rounded to the
 * same values beforehand: logits and the gradients of its adapters.
 */
class QuantizedModelTest {
  static Stream<Arguments> cases() {
    return Stream.of(DType.NF4, DType.INT8)
        .flatMap(
            dtype ->
                Stream.of(false, true)
                    .flatMap(
                        decomposed ->
                            Backends.best()
                                .map(backend -> Arguments.of(dtype, decomposed, backend))));
  }

  private static Path folder() {
    return Goldens.data().resolve("models").resolve("tinystories-656k");
  }

  /**
   * @param rounding what weights held as f32 are rounded to; null: nothing
   */
  private static Model open(Backend backend, DType products, DType rounding, boolean decomposed) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, products);
    builder.adapt(new LoraConfig(4, 8, 0f, List.of(LoraConfig.ALL_LINEAR), false, decomposed));
    Model model =
        Families.create(
            backend, ModelFolder.readConfig(folder()), HeadKind.LANGUAGE_MODEL, 0, null, builder);
    ModelWeights.load(folder(), model, 0);
    if (rounding != null) {
      round(model, rounding);
      model.parameters().initializeMagnitudes();
    }
    // B starts at zero, which would hide A.
    Random random = new Random(8);
    for (Segment segment : model.parameters().segments()) {
      if (segment.name().endsWith(LoraConfig.UP)) {
        model
            .parameters()
            .write(
                segment,
                (first, values) -> {
                  while (values.hasRemaining()) {
                    values.put((float) random.nextGaussian() * 0.05f);
                  }
                });
      }
    }
    return model;
  }

  @ParameterizedTest(name = "{0}, weight-decomposed: {1}, on {2}")
  @MethodSource("cases")
  void holdsRoundedWeights(DType dtype, boolean decomposed, Backends.Target target) {
    Backend backend = target.backend();
    try (Model quantized = open(backend, dtype, null, decomposed);
        Model rounded = open(backend, DType.F32, dtype, decomposed)) {
      List<float[]> expected = run(rounded);
      List<float[]> actual = run(quantized);
      assertEquals(expected.size(), actual.size());
      for (int i = 0; i < expected.size(); i++) {
        assertNear(expected.get(i), actual.get(i), i);
      }
    }
  }

  /**
   * Replaces the weights of products, packed as the other model packs them, by what packing keeps.
   */
  private static void round(Model model, DType dtype) {
    Parameters parameters = model.parameters();
    for (int layer = 0; layer < 2; layer++) {
      String base = "model.layers." + layer + ".";
      round(parameters, dtype, base, "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj");
      round(parameters, dtype, base, "self_attn.o_proj");
      round(parameters, dtype, base, "mlp.gate_proj", "mlp.up_proj");
      round(parameters, dtype, base, "mlp.down_proj");
    }
  }

  private static void round(Parameters parameters, DType dtype, String base, String... modules) {
    Backend backend = parameters.backend();
    List<Segment> segments = new ArrayList<>();
    long count = 0;
    for (String module : modules) {
      Segment segment = parameters.segment(base + module + ".weight");
      segments.add(segment);
      count += segment.count();
    }
    long cols = segments.get(0).shape()[1];
    long rows = count / cols;
    try (Buffer whole = Buffer.allocate(backend, count * 4, false);
        Buffer packed =
            Buffer.allocate(backend, QuantizedLayout.of(rows, cols, dtype).sizeBytes(), false)) {
      long at = 0;
      for (Segment segment : segments) {
        java.nio.ByteBuffer bytes =
            java.nio.ByteBuffer.allocate((int) segment.count() * 4)
                .order(java.nio.ByteOrder.nativeOrder());
        bytes.asFloatBuffer().put(parameters.read(segment, 0));
        whole.write(at, bytes);
        at += segment.count() * 4;
      }
      backend.run(
          new QuantizeCall.Pack(packed.address(), whole.address(), rows, cols, DType.F32, dtype));
      backend.run(
          new QuantizeCall.Unpack(whole.address(), packed.address(), rows, cols, DType.F32, dtype));
      at = 0;
      for (Segment segment : segments) {
        float[] values = Host.floats(whole, at, (int) segment.count());
        Host.put(parameters, segment, values);
        at += segment.count();
      }
    }
  }

  /** Logits, then every gradient. */
  private static List<float[]> run(Model model) {
    Parameters parameters = model.parameters();
    Backend backend = parameters.backend();
    parameters.enableTraining();
    EncodedDataset.Builder data = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    Random random = new Random(4);
    int[] ids = random.ints(60, 3, 2048).toArray();
    data.addNextTokens(ids, null, 0, 40);
    data.addNextTokens(ids, null, 40, 20);
    Batch batch = new Batch();
    new Packer(data.build(), 0).pack(new int[] {0, 1}, batch);
    List<float[]> out = new ArrayList<>();
    try (Tape tape = new Tape(backend, new Arena(backend, 256 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      tape.begin(true);
      Tensor hidden = model.forward(tape, staging.stage(batch, model.batchRotaries()));
      Tensor logits = LanguageModels.logits(tape, model, hidden);
      out.add(floats(Host.floats(backend, logits.address(), logits.sizeBytes())));
      new Objective(TestTasks.CAUSAL_LM, 0f).apply(tape, model, hidden, staging);
      tape.backward();
      Steps.complete(parameters);
      for (Segment segment : parameters.segments()) {
        if (LoraConfig.isAdapter(segment.name())) {
          out.add(Host.floats(parameters.gradients(), segment.first(), (int) segment.count()));
        }
      }
    }
    assertTrue(out.size() > 20, "only " + out.size() + " tensors");
    return out;
  }

  private static float[] floats(FloatBuffer buffer) {
    float[] out = new float[buffer.remaining()];
    buffer.get(out);
    return out;
  }

  private static void assertNear(float[] expected, float[] actual, int which) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    assertTrue(largest > 0, "tensor " + which + " is zero");
    for (int i = 0; i < expected.length; i++) {
      assertEquals(expected[i], actual[i], 1e-4 * largest, "tensor " + which + "[" + i + "]");
    }
  }

  /** A width that no whole number of blocks makes up. */
  @Test
  void anUnfitWidthIsRefused() {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.NF4);
    Path tiny = Goldens.own("llama"); // C = 16
    Backend backend = Backends.best().toList().get(0).backend();
    assertThrows(
        InputException.class,
        () ->
            Families.create(
                backend, ModelFolder.readConfig(tiny), HeadKind.LANGUAGE_MODEL, 0, null, builder));
  }
}
