package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Staging;
import dev.attune.testkit.Backends;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Rotary positions that depend on how long a text is ("longrope", "dynamic"): packed texts have the
 * numbers that Transformers gives each of them alone, and generation goes on as its does, with keys
 * that stay as they were turned.
 */
class LengthRotaryTest {
  private static final int FEW = 5;
  private static final double TOLERANCE = 2e-5;

  @TempDir private Path scratch;

  static Stream<Arguments> cases() {
    JsonNode all = Goldens.resource("dev/attune/model/long_texts.json");
    return Backends.best()
        .flatMap(
            target ->
                StreamSupport.stream(all.spliterator(), false)
                    .map(
                        item ->
                            Arguments.of(
                                item.get("folder") + " " + item.get("set"), item, target)));
  }

  /** Those of models that write. */
  static Stream<Arguments> writers() {
    return cases().filter(arguments -> ((JsonNode) arguments.get()[1]).has("greedy"));
  }

  private TransformerModel open(JsonNode item, Backend backend) throws IOException {
    Path source = Goldens.own(item.get("folder").asText());
    Files.copy(source.resolve("model.safetensors"), scratch.resolve("model.safetensors"));
    ObjectNode json = (ObjectNode) Goldens.json(source.resolve("config.json"));
    json.setAll((ObjectNode) item.get("set"));
    Files.writeString(scratch.resolve("config.json"), json.toString());
    ObjectNode config = ModelFolder.open(scratch, null).config();
    HeadKind head = GoldenBatch.task(source).head();
    TransformerModel model = (TransformerModel) Families.create(backend, config, head, FEW, null);
    assertEquals(List.of(), ModelWeights.load(scratch, model, 0).created());
    model.reach(64);
    return model;
  }

  private static int[] ids(JsonNode text) {
    return StreamSupport.stream(text.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  @ParameterizedTest(name = "{0} on {2}")
  @MethodSource("cases")
  void packedTextsHaveTheNumbersOfEachAlone(String name, JsonNode item, Backends.Target target)
      throws IOException {
    Backend backend = target.backend();
    try (TransformerModel model = open(item, backend);
        Tape tape = new Tape(backend, new Arena(backend, 8 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      boolean writes = model.head() == HeadKind.LANGUAGE_MODEL;
      EncodedDataset.Builder data =
          EncodedDataset.builder(writes ? TargetLayout.LEARNED_ROWS : TargetLayout.LABEL, false);
      int texts = item.get("texts").size();
      int[] order = new int[texts];
      int[] ends = new int[texts];
      int end = 0;
      for (int i = 0; i < texts; i++) {
        int[] ids = ids(item.get("texts").get(i));
        if (writes) {
          data.addNextTokens(ids, null, 0, ids.length);
        } else {
          data.add(ids, null, 0);
        }
        order[i] = i;
        end += writes ? ids.length : 1;
        ends[i] = end;
      }
      Batch batch = new Batch();
      new Packer(data.build(), model.positionOffset()).pack(order, batch);
      tape.begin(false);
      Tensor out = model.forward(tape, staging.stage(batch, model.batchRotaries()));
      Tensor logits = writes ? LanguageModels.logits(tape, model, out) : out;
      FloatBuffer values = Host.floats(backend, logits.address(), logits.sizeBytes());
      for (int i = 0; i < texts; i++) {
        JsonNode expected = item.get("logits").get(i);
        for (int k = 0; k < expected.size(); k++) {
          double value = expected.get(k).asDouble();
          assertEquals(
              value,
              values.get((int) ((ends[i] - 1) * logits.cols() + k)),
              TOLERANCE * Math.max(1, Math.abs(value)),
              item.get("texts").get(i).size() + " tokens");
        }
      }
    }
  }

  @ParameterizedTest(name = "{0} on {2}")
  @MethodSource("writers")
  void textsGoOnAsThoseOfTransformers(String name, JsonNode item, Backends.Target target)
      throws IOException {
    Backend backend = target.backend();
    try (TransformerModel model = open(item, backend);
        Tape tape = new Tape(backend, new Arena(backend, 8 << 20), DType.F32, 1);
        GenerationLoop loop = new GenerationLoop(model, tape, 3, 40)) {
      List<int[]> texts = new ArrayList<>();
      for (int i = 0; i < item.get("prompts").size(); i++) {
        int[] expected = ids(item.get("greedy").get(i));
        int[] prompt = ids(item.get("prompts").get(i));
        Request request =
            new Request(
                prompt, Sampling.greedy(), LogitRules.NONE, expected.length, new int[0], i, null);
        loop.submit(
            request,
            done -> {
              assertArrayEquals(expected, done.tokens(), prompt.length + " tokens before");
              texts.add(done.tokens());
            });
      }
      loop.run();
      assertEquals(item.get("prompts").size(), texts.size());
    }
  }
}
