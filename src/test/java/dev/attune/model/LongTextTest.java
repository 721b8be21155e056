package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * One text of 2,048 tokens, far beyond max_position_embeddings, against Transformers: tiny models
 * whose positions go on, beside a short text in one batch. See {@code
 * tools/make_long_text_goldens.py}.
 */
class LongTextTest {
  private static final JsonNode GOLDEN = Goldens.resource("goldens/long_texts.json");
  private static final double TOLERANCE = 1e-4;

  static Stream<Arguments> cases() {
    Iterable<String> names = () -> GOLDEN.get("logits").fieldNames();
    return StreamSupport.stream(names.spliterator(), false)
        .flatMap(name -> Backends.best().map(backend -> Arguments.of(name, backend)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void equalsTransformers(String name, Backends.Target target) {
    int length = GOLDEN.get("length").asInt();
    int[] ids = IntStream.range(0, length).map(i -> 5 + (i * 31 + i * i) % 75).toArray();
    Path folder = Goldens.own(name);
    JsonNode expected = GOLDEN.get("logits").get(name);
    Backend backend = target.backend();
    try (Model model =
            Families.create(
                backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, expected.size(), null);
        Tape tape = new Tape(backend, new Arena(backend, 256 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      ModelWeights.load(folder, model, 0);
      assertTrue(model.statedLength() < length && model.reach(length), "reaches " + length);
      EncodedDataset.Builder texts = EncodedDataset.builder(TargetLayout.NONE, false);
      texts.add(new int[] {7, 8, 9}, null);
      texts.add(ids, null);
      Batch batch = new Batch();
      new Packer(texts.build(), model.positionOffset()).pack(new int[] {0, 1}, batch);
      tape.begin(false);
      Tensor logits = model.forward(tape, staging.stage(batch, model.batchRotaries()));
      FloatBuffer values = Host.floats(backend, logits.address(), logits.sizeBytes());
      for (int k = 0; k < expected.size(); k++) {
        assertEquals(
            expected.get(k).asDouble(), values.get(expected.size() + k), TOLERANCE, "logit " + k);
      }
    }
  }
}
