package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.Safetensors;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Training adapters with what PEFT's LoraConfig knows: what is written, read and resumed. */
class AdapterRunsTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path validation;

  @BeforeEach
  void makeModelAndData() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 20, 2);
  }

  private RecordedRun run(Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .with(RunOption.LORA_R, "4");
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("adapter_model.safetensors"));
  }

  private static JsonNode config(Path folder) throws IOException {
    return new ObjectMapper().readTree(folder.resolve("adapter_config.json").toFile());
  }

  private static Set<String> tensors(Path folder) {
    try (WeightSource source = Safetensors.open(folder.resolve("adapter_model.safetensors"))) {
      return source.names().stream()
          .map(name -> name.replace("base_model.model.", ""))
          .collect(Collectors.toSet());
    }
  }

  /** Options of one run, as pairs; what training reports must be what the folder gives. */
  private Path trained(String options) {
    Path output = scratch.resolve("out");
    RecordedRun run = with(run(output), options);
    double loss = run.run().evaluation().get("loss");
    RunConfig evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.FILE, validation.toString())
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.THREADS, "1")
            .build();
    assertEquals(loss, EvaluateRun.run(evaluation).values().get("loss"), 1e-6, options);
    return output;
  }

  private static RecordedRun with(RecordedRun run, String options) {
    for (String pair : options.split("; ")) {
      String[] parts = pair.split(" ", 2);
      run.with(RunOption.valueOf(parts[0]), parts[1]);
    }
    return run;
  }

  @Test
  void layersPatternsAndExclusionsAreWrittenAsWholeNames() throws IOException {
    Path output =
        trained(
            "LORA_TARGETS query,value; LORA_LAYERS 1; LORA_EXCLUDE_MODULES self.value;"
                + " LORA_RANK_PATTERN query=2; LORA_ALPHA_PATTERN query=6");
    JsonNode config = config(output);
    String query = "bert.encoder.layer.1.attention.self.query";
    assertEquals("[\"" + query + "\"]", config.get("target_modules").toString());
    assertEquals(2, config.at("/rank_pattern/query").asInt());
    assertEquals(6, config.at("/alpha_pattern/query").asDouble());
    assertTrue(tensors(output).contains(query + ".lora_A.weight"), tensors(output)::toString);
    assertEquals(2, tensors(output).stream().filter(t -> t.contains("lora_")).count());
  }

  @Test
  void biasesAndWholeModulesAreTrainedAndSaved() throws IOException {
    Path output =
        trained("LORA_TARGETS query,value; LORA_BIAS lora_only; LORA_MODULES_TO_SAVE embeddings");
    Set<String> tensors = tensors(output);
    String layer = "bert.encoder.layer.0.attention.self.";
    assertTrue(tensors.contains(layer + "query.base_layer.bias"), tensors::toString);
    assertTrue(!tensors.contains(layer + "key.bias"), tensors::toString);
    assertTrue(tensors.contains("bert.embeddings.word_embeddings.weight"), tensors::toString);
    assertTrue(tensors.contains("bert.embeddings.LayerNorm.bias"), tensors::toString);
    assertEquals("lora_only", config(output).get("bias").asText());
    assertTrue(config(output).get("modules_to_save").toString().contains("\"embeddings\""));
  }

  @Test
  void tablesGetAdaptersWhereTheyAreNamed() {
    Set<String> tensors =
        tensors(trained("LORA_TARGETS query,word_embeddings; LORA_BIAS all; LORA_DROPOUT 0.1"));
    String words = "bert.embeddings.word_embeddings.";
    assertTrue(tensors.contains(words + "lora_embedding_A"), tensors::toString);
    assertTrue(tensors.contains(words + "lora_embedding_B"), tensors::toString);
    assertTrue(tensors.contains("bert.encoder.layer.1.output.LayerNorm.bias"), tensors::toString);
  }

  @Test
  void rowsOfTokensAreTrainedAlone() throws IOException {
    Path output = trained("LORA_TARGETS query; LORA_TRAINABLE_TOKEN_INDICES 9,6-7");
    assertEquals("[9,6,7]", config(output).get("trainable_token_indices").toString());
    String words = "bert.embeddings.word_embeddings.weight";
    Path whole = scratch.resolve("whole");
    MergeRun.run(
        RunConfig.builder(CommandOptions.MERGE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.OUTPUT_DIR, whole.toString())
            .build());
    Set<Integer> changed = new TreeSet<>();
    try (WeightSource before = Safetensors.open(model.resolve("model.safetensors"));
        WeightSource after = Safetensors.open(whole.resolve("model.safetensors"))) {
      int width = (int) before.info(words).shape()[1];
      FloatBuffer old = FloatBuffer.allocate((int) before.info(words).shape()[0] * width);
      FloatBuffer now = FloatBuffer.allocate(old.capacity());
      before.read(words, old);
      after.read(words, now);
      for (int i = 0; i < old.capacity(); i++) {
        if (old.get(i) != now.get(i)) {
          changed.add(i / width);
        }
      }
    }
    assertEquals(Set.of(6, 7, 9), changed);
    Path further = scratch.resolve("further");
    new RecordedRun(output, train, further).with(RunOption.MAX_STEPS, "2").run();
    assertEquals("[9,6,7]", config(further).get("trainable_token_indices").toString());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "LORA_TRAINABLE_TOKEN_INDICES 5,999; --lora-trainable-token-indices has 999; the vocabulary",
        "LORA_TRAINABLE_TOKEN_INDICES 5, LORA_MODULES_TO_SAVE word_embeddings;"
            + " --lora-trainable-token-indices names rows of bert.embeddings.word_embeddings, which is"
            + " trained whole too",
        "LORA_TRAINABLE_TOKEN_INDICES 5, LORA_TARGETS word_embeddings;"
            + " --lora-trainable-token-indices names rows of bert.embeddings.word_embeddings, which"
            + " gets an adapter too",
        "USE_DORA true, LORA_TARGETS word_embeddings; --use-dora on bert.embeddings.word_embeddings"
            + " is not supported: weight-decomposed adapters are of the products of layers alone."
            + " Train it whole, which --lora-modules-to-save bert.embeddings.word_embeddings does, or leave"
            + " it out of --lora-targets"
      })
  void whatTablesCannotHaveIsRefused(String options, String message) {
    String said = with(run(scratch.resolve("no")), options.replace(", ", "; ")).refusal();
    assertTrue(said.startsWith(message), said);
  }

  @ParameterizedTest
  @ValueSource(strings = {"gaussian", "pissa", "olora"})
  void everyInitialisationIsReadAsItWasTrained(String kind) throws IOException {
    Path output = trained("INIT_LORA_WEIGHTS " + kind);
    String written = config(output).get("init_lora_weights").asText();
    assertEquals(kind.equals("gaussian") ? "true" : kind, written);
  }

  @Test
  void aRunThatIsStoppedAndResumedEndsInTheSameBytes() throws IOException {
    String options =
        "INIT_LORA_WEIGHTS pissa; LORA_BIAS all; LORA_MODULES_TO_SAVE word_embeddings;"
            + " LORA_TARGETS .*(query|value)";
    Path whole = scratch.resolve("whole");
    with(run(whole), options).run();
    Path output = scratch.resolve("stopped");
    assertTrue(with(run(output), options).stoppedAfter(3).run().training().interrupted());
    String refusal =
        with(run(output), options)
            .with(RunOption.LORA_BIAS, "none")
            .with(RunOption.RESUME)
            .refusal();
    assertTrue(refusal.contains("--lora-bias was all and is now none"), refusal);
    with(run(output), options).with(RunOption.RESUME).run();
    assertArrayEquals(weights(whole), weights(output));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "LORA_LAYERS 7: --lora-layers: '7' matches no layer",
        "LORA_LAYERS x: --lora-layers has 'x'",
        "LORA_EXCLUDE_MODULES foo: --lora-exclude-modules: 'foo' matches no product",
        "LORA_MODULES_TO_SAVE foo: --lora-modules-to-save: 'foo' matches no module",
        "LORA_MODULES_TO_SAVE query: --lora-modules-to-save names bert.encoder.layer.0",
        "LORA_RANK_PATTERN foo=2: --lora-rank-pattern: 'foo' matches no module",
        "LORA_RANK_PATTERN query: --lora-rank-pattern has 'query'",
        "LORA_RANK_PATTERN query=2,value=3,query=4: --lora-rank-pattern has 'query' twice",
        "LORA_ALPHA_PATTERN query=x: --lora-alpha-pattern has 'query=x'",
        "LORA_BIAS some: --lora-bias is 'some'; allowed are none, all and lora_only",
        "INIT_LORA_WEIGHTS pissa_niter_4: --init-lora-weights is 'pissa_niter_4'; allowed are true",
        "LORA_TARGETS (query: --lora-targets: '(query' is no regular expression",
        "LORA_TARGETS .*foo: --lora-targets: no product of this model is meant"
      })
  void whatMatchesNothingIsRefused(String options) {
    String[] parts = options.split(": ", 2);
    String refusal = with(run(scratch.resolve("out")), parts[0]).refusal();
    assertTrue(refusal.startsWith(parts[1]), refusal);
  }

  @Test
  void adaptersLearnAtARateOfTheirOwnWhereNoneIsGiven() {
    RunConfig.Builder given = RunConfig.builder(CommandOptions.TRAIN);
    assertEquals("2e-5", given.build().text(RunOption.LEARNING_RATE));
    given.set(RunOption.LORA_R, "4");
    assertEquals("2e-4", given.build().text(RunOption.LEARNING_RATE));
    assertTrue(given.build().toCommentedYaml().contains("# learning-rate: \"2e-4\""));
    given.set(RunOption.LEARNING_RATE, "1e-3");
    assertEquals("1e-3", given.build().text(RunOption.LEARNING_RATE));
  }
}
