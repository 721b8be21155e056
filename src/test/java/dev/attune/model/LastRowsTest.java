package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.ops.GatherRows;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * A decoder whose last layer runs on last rows only against the same decoder run in full: features,
 * and every gradient of a random function of them.
 */
class LastRowsTest {
  private static final int C = 64;
  private static final int[] LENGTHS = {1, 7, 2, 11};

  private static final String MLP = "\"intermediate_size\": 128, ";

  /** By family, what its config says beyond the common part; the windows are shorter than texts. */
  private static final Map<String, String> FAMILIES = new LinkedHashMap<>();

  static {
    FAMILIES.put("gpt2", "\"n_embd\": 64, \"n_head\": 4, \"n_layer\": 2, \"n_positions\": 16");
    FAMILIES.put("gpt_neox", MLP + "\"rotary_pct\": 0.25, \"hidden_act\": \"gelu\"");
    FAMILIES.put("llama", MLP + "\"num_key_value_heads\": 2");
    FAMILIES.put("mistral", MLP + "\"num_key_value_heads\": 2, \"sliding_window\": 4");
    FAMILIES.put("qwen2", MLP + "\"num_key_value_heads\": 2");
    FAMILIES.put("qwen3", MLP + "\"num_key_value_heads\": 1, \"head_dim\": 32");
  }

  /** How weights are trained and held. */
  private enum Way {
    FULL,
    CHECKPOINTS,
    LORA,
    DORA,
    LORA_ON_4_BITS
  }

  static Stream<Arguments> cases() {
    return FAMILIES.keySet().stream()
        .flatMap(
            family ->
                Arrays.stream(Way.values())
                    .flatMap(
                        way -> Backends.best().map(target -> Arguments.of(family, way, target))));
  }

  private static JsonNode config(String family) {
    try {
      return new ObjectMapper()
          .readTree(
              """
              {"model_type": "%s", "vocab_size": 40, "hidden_size": 64, "num_hidden_layers": 2,
               "num_attention_heads": 4, "max_position_embeddings": 16,
               %s}
              """
                  .formatted(family, FAMILIES.get(family)));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  private static Model open(String family, Backend backend, Way way) {
    ParameterBuilder builder = new ParameterBuilder();
    if (way != Way.FULL && way != Way.CHECKPOINTS) {
      builder.freeze(DType.F32, way == Way.LORA_ON_4_BITS ? DType.NF4 : DType.F32);
      builder.adapt(
          new LoraConfig(3, 6, 0f, List.of(LoraConfig.ALL_LINEAR), false, way == Way.DORA));
    }
    Model model = Families.create(backend, config(family), HeadKind.SEQUENCE, 2, 0f, builder);
    // Larger than new weights are, lest attention be all but uniform; B is not zero, which hid A.
    Random random = new Random(3);
    for (Segment segment : model.parameters().segments()) {
      float mean = segment.name().contains("norm") || segment.name().contains("ln_") ? 1 : 0;
      model
          .parameters()
          .write(
              segment,
              (first, values) -> {
                while (values.hasRemaining()) {
                  values.put(mean + (float) random.nextGaussian() * 0.2f);
                }
              });
    }
    model.parameters().enableTraining();
    return model;
  }

  private static Batch batch() {
    Random random = new Random(4);
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, false);
    for (int length : LENGTHS) {
      builder.add(random.ints(length, 0, 40).toArray(), null, 0);
    }
    Batch batch = new Batch();
    new Packer(builder.build(), 0).pack(new int[] {0, 1, 2, 3}, batch);
    return batch;
  }

  /** Features (B,C), then the gradients of the body. */
  private static List<float[]> run(Model model, Way way, boolean lastRowsOnly, DType dtype) {
    Backend backend = model.parameters().backend();
    Parameters parameters = model.parameters();
    Batch batch = batch();
    int B = batch.sequences();
    try (Tape tape = new Tape(backend, new Arena(backend, 64 << 20), dtype, 1);
        Staging staging = new Staging(backend);
        Steps.Key key = new Steps.Key(backend)) {
      tape.useCheckpoints(way == Way.CHECKPOINTS);
      float[] features = null;
      // Twice: what the first step left in the gradients must not reach the second.
      for (int step = 0; step < 2; step++) {
        Inputs inputs = staging.stage(batch, model.batchRotaries());
        if (parameters.rowSparse() != null) {
          parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
        }
        key.step(step);
        tape.begin(true);
        Transformer decoder = ((TransformerModel) model).body();
        Tensor out =
            lastRowsOnly
                ? decoder.forwardLastRows(tape, inputs)
                : GatherRows.apply(tape, decoder.forward(tape, inputs), inputs.lastRows(), B);
        features = new float[B * C];
        Host.floats(backend, out.address(), out.sizeBytes()).get(features);
        backend.upload(tape.gradientOf(out), gradient(B));
        tape.backward();
        Steps.complete(parameters);
        assertEquals(0, tape.arena().liveBytes(), "blocks that nobody freed");
        if (step == 0) {
          Steps.end(parameters);
        }
      }
      return List.of(features, Host.floats(parameters.gradients(), 0, (int) parameters.size()));
    }
  }

  private static ByteBuffer gradient(int B) {
    Random random = new Random(5);
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(B * C * Float.BYTES).order(ByteOrder.nativeOrder());
    for (int i = 0; i < B * C; i++) {
      bytes.putFloat((float) random.nextGaussian());
    }
    return bytes.flip();
  }

  @ParameterizedTest(name = "{0} {1} on {2}")
  @MethodSource("cases")
  void theNumbersAreThoseOfAllRows(String family, Way way, Backends.Target target) {
    try (Model model = open(family, target.backend(), way)) {
      List<float[]> expected = run(model, way, false, DType.F32);
      List<float[]> actual = run(model, way, true, DType.F32);
      assertNear(expected.get(0), actual.get(0), 1e-5, family + " features");
      for (Segment segment : model.parameters().segments()) {
        if (!segment.frozen()) {
          int first = (int) segment.first();
          int end = first + (int) segment.count();
          float[] wanted = Arrays.copyOfRange(expected.get(1), first, end);
          float[] gradient = Arrays.copyOfRange(actual.get(1), first, end);
          assertNear(wanted, gradient, 1e-5, segment.name());
        }
      }
    }
  }

  /** Relative to the largest. */
  private static void assertNear(float[] expected, float[] actual, double share, String what) {
    double largest = 0;
    for (float value : expected) {
      largest = Math.max(largest, Math.abs(value));
    }
    for (int i = 0; i < expected.length; i++) {
      // A key's bias has no gradient but rounding, for attention ignores it.
      assertEquals(expected[i], actual[i], share * Math.max(largest, 1e-2), what + "[" + i + "]");
    }
  }

  /** With dropout the masks are others than in full, but those of a seed, checkpoints or not. */
  @Test
  void dropoutRepeats() {
    for (String family : FAMILIES.keySet()) {
      Backends.Target target = Backends.best().findFirst().orElseThrow();
      float[][] gradients = new float[3][];
      for (int i = 0; i < gradients.length; i++) {
        try (Model model =
            Families.create(target.backend(), config(family), HeadKind.SEQUENCE, 2, 0.2f)) {
          ModelWeights.randomize(model, 3);
          model.parameters().enableTraining();
          Way way = i == 2 ? Way.CHECKPOINTS : Way.FULL;
          gradients[i] = run(model, way, true, DType.F32).get(1);
        }
      }
      assertArrayEquals(gradients[0], gradients[1], family);
      assertArrayEquals(gradients[0], gradients[2], family + " with checkpoints");
      assertTrue(norm(gradients[0]) > 0, family);
    }
  }

  private static double norm(float[] values) {
    double sum = 0;
    for (float value : values) {
      sum += value * value;
    }
    return Math.sqrt(sum);
  }
}
