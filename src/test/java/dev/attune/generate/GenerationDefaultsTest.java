package dev.attune.generate;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.TransformerModel;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.StreamSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** generation_config.json: what it forbids is forbidden as in Transformers, or refused by name. */
class GenerationDefaultsTest {
  private static final Path RESOURCES = Path.of("src/test/resources");
  private static final Path MODEL = Goldens.own("llama");

  @TempDir private Path folder;

  private GenerationDefaults read(String generationConfig) throws IOException {
    Files.copy(MODEL.resolve("config.json"), folder.resolve("config.json"));
    Files.writeString(folder.resolve("generation_config.json"), generationConfig);
    return GenerationDefaults.of(ModelFolder.open(folder, null));
  }

  @Test
  void textsAreThoseOfTransformers() throws IOException {
    JsonNode cases = Goldens.json(RESOURCES.resolve("generation/rules.json"));
    Files.copy(MODEL.resolve("config.json"), folder.resolve("config.json"));
    try (Backend backend = new CpuBackend(1);
        TransformerModel model = model(backend);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 0)) {
      for (JsonNode item : cases) {
        JsonNode config = item.get("generation_config");
        Files.writeString(folder.resolve("generation_config.json"), config.toString());
        GenerationDefaults defaults = GenerationDefaults.of(ModelFolder.open(folder, null));
        for (JsonNode row : item.get("rows")) {
          assertArrayEquals(
              whole(row.get("new"), defaults.ends()),
              continued(model, tape, ints(row.get("prompt")), defaults),
              () -> config + ", " + row);
        }
      }
      assertTrue(cases.size() > 10);
    }
  }

  private static TransformerModel model(Backend backend) {
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    TransformerModel model =
        (TransformerModel)
            Families.create(
                backend, ModelFolder.readConfig(MODEL), HeadKind.LANGUAGE_MODEL, 0, null, builder);
    ModelWeights.load(MODEL, model, 0);
    return model;
  }

  private static int[] continued(
      TransformerModel model, Tape tape, int[] prompt, GenerationDefaults defaults) {
    int[][] text = new int[1][];
    int[] ends = defaults.ends().stream().mapToInt(Integer::intValue).toArray();
    try (GenerationLoop loop = new GenerationLoop(model, tape, 1, 24)) {
      loop.submit(
          new Request(prompt, Sampling.greedy(), defaults.rules(), 12, ends, 0, null),
          done -> text[0] = done.tokens());
      loop.run();
    }
    return text[0];
  }

  private static int[] ints(JsonNode values) {
    return StreamSupport.stream(values.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }

  /** Transformers returns the end with the text. */
  private static int[] whole(JsonNode values, Set<Integer> ends) {
    return StreamSupport.stream(values.spliterator(), false)
        .mapToInt(JsonNode::asInt)
        .takeWhile(id -> !ends.contains(id))
        .toArray();
  }

  @Test
  void stopStringsAreReadAndTheChoiceOfTokensIsLeft() throws IOException {
    GenerationDefaults defaults =
        read(
            "{\"do_sample\": true, \"temperature\": 0.6, \"top_p\": 0.9, \"stop_strings\":"
                + " [\"###\"], \"max_new_tokens\": 5, \"typical_p\": 1.0, \"transformers_version\":"
                + " \"5\"}");
    assertEquals(List.of("###"), defaults.stops());
    assertEquals("temperature 0.6, top_p 0.9", defaults.left());
    assertTrue(defaults.rules().forbidNothing());
  }

  @Test
  void withoutTheFileAnOldConfigSaysIt() throws IOException {
    String config = Files.readString(MODEL.resolve("config.json")).strip();
    Files.writeString(
        folder.resolve("config.json"),
        config.substring(0, config.length() - 1) + ", \"no_repeat_ngram_size\": 3}");
    GenerationDefaults defaults = GenerationDefaults.of(ModelFolder.open(folder, null));
    assertEquals(3, defaults.rules().noRepeatNgramSize());
    assertEquals("", defaults.left());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{\"guidance_scale\": 1.5}; guidance_scale is 1.5",
        "{\"sequence_bias\": [[[1], 2.0]]}; sequence_bias",
        "{\"forced_eos_token_id\": 3}; forced_eos_token_id is 3",
        "{\"typical_p\": 0.5}; typical_p is 0.5",
        "{\"no_such_key\": 1}; no_such_key is 1",
        "{\"repetition_penalty\": -1}; repetition_penalty is -1.0",
        "{\"min_new_tokens\": -2}; must be at least 0",
        "{\"repetition_penalty\": \"x\"}; must be a number",
        "{\"suppress_tokens\": \"x\"}; must be an id, or a list of ids",
        "{\"eos_token_id\": [1, \"a\"]}; must be an id, or a list of ids",
        "{\"bad_words_ids\": [[]]}; must be a list of lists of ids",
        "{\"no_repeat_ngram_size\": 2.7}; must be a whole number",
        "{\"stop_strings\": [3]}; must be a string, or a list of strings",
      })
  void whatIsNotOfferedIsRefusedByName(String json, String expected) {
    InputException e = assertThrows(InputException.class, () -> read(json));
    assertTrue(e.getMessage().contains(expected), e.getMessage());
    assertTrue(e.getMessage().contains("generation_config.json"), e.getMessage());
  }
}
