package dev.attune.model;

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
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The rows of distances of DeBERTa's attention, of which a batch looks at as many as its longest
 * text needs: their masks of dropout are those of the whole table.
 */
class PositionDropoutTest {
  private static final int C = 16;
  private static final int SHORT = 9;

  private static final String CONFIG =
      """
      {"model_type": "deberta-v2", "vocab_size": 40, "hidden_size": 16, "num_hidden_layers": 2,
       "num_attention_heads": 2, "intermediate_size": 32, "max_position_embeddings": 300,
       "relative_attention": true, "pos_att_type": "c2p|p2c", "norm_rel_ebd": "layer_norm",
       "position_biased_input": false}
      """;

  private static Batch batch(int... lengths) {
    Random random = new Random(4);
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, false);
    int[] order = new int[lengths.length];
    for (int i = 0; i < lengths.length; i++) {
      builder.add(random.ints(lengths[i], 0, 40).toArray(), null, 0);
      order[i] = i;
    }
    Batch batch = new Batch();
    new Packer(builder.build(), 0).pack(order, batch);
    return batch;
  }

  /** What the body makes of the first text of a batch. */
  private static float[] first(Model model, boolean checkpoints, int... lengths) {
    Backend backend = model.parameters().backend();
    Batch batch = batch(lengths);
    try (Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend);
        Steps.Key key = new Steps.Key(backend)) {
      tape.useCheckpoints(checkpoints);
      Inputs inputs = staging.stage(batch, model.batchRotaries());
      if (model.parameters().rowSparse() != null) {
        model.parameters().rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
      }
      key.step(0);
      tape.begin(true);
      Tensor out = ((TransformerModel) model).body().forward(tape, inputs);
      float[] rows = new float[SHORT * C];
      Host.floats(backend, out.address(), out.sizeBytes()).get(rows);
      backend.upload(tape.gradientOf(out), ByteBuffer.allocateDirect((int) out.sizeBytes()));
      tape.backward();
      assertEquals(0, tape.arena().liveBytes(), "blocks that nobody freed");
      return rows;
    }
  }

  static Stream<Backends.Target> targets() {
    return Backends.all();
  }

  @ParameterizedTest
  @MethodSource("targets")
  void aTextHasTheSameMasksBesideAShortTextAndALongOne(Backends.Target target) throws IOException {
    JsonNode config = new ObjectMapper().readTree(CONFIG);
    try (Model model = Families.create(target.backend(), config, HeadKind.SEQUENCE, 2, 0.3f);
        Model dry = Families.create(target.backend(), config, HeadKind.SEQUENCE, 2, 0f)) {
      for (Model each : new Model[] {model, dry}) {
        ModelWeights.randomize(each, 3);
        each.parameters().enableTraining();
      }
      float[] alone = first(model, false, SHORT);
      for (int neighbour : new int[] {5, 90, 200, 300}) {
        assertNear(alone, first(model, false, SHORT, neighbour), "beside " + neighbour);
      }
      assertNear(alone, first(model, true, SHORT, 90), "with checkpoints");
      assertTrue(distance(alone, first(dry, false, SHORT)) > 0.1, "no dropout");
    }
  }

  private static double distance(float[] a, float[] b) {
    double most = 0;
    for (int i = 0; i < a.length; i++) {
      most = Math.max(most, Math.abs(a[i] - b[i]));
    }
    return most;
  }

  private static void assertNear(float[] expected, float[] actual, String what) {
    assertEquals(0, distance(expected, actual), 1e-4, what);
  }
}
