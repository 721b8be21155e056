package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.AdapterConfig;
import dev.attune.folder.AdapterWeights;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.LanguageModels;
import dev.attune.testkit.Projection;
import dev.attune.testkit.Steps;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Adapters that PEFT made, on tiny models: logits, loss and every gradient as PEFT gives them; the
 * same after writing and reading them; and the same logits from the merged model.
 */
class GoldenAdapterTest {
  private static final double LOGIT_TOLERANCE = 1e-4;
  private static final double GRADIENT_TOLERANCE = 1e-3; // of the tensor's largest entry

  @TempDir private Path scratch;

  static Stream<Arguments> cases() {
    return Stream.of(
            "llama_patterns",
            "llama_layers",
            "gpt_neox_vocabulary",
            "gpt_neox_saved",
            "llama_saved",
            "llama_tied_saved",
            "llama_tied_together",
            "llama_tied_vocabulary",
            "llama_tied_tokens",
            "llama_head_tokens",
            "llama_tied_resized",
            "llama_tied_resized_tokens",
            "llama_resized_tokens",
            "llama_lora_bias",
            "llama_pissa",
            "gpt2_bias",
            "gpt2_pissa",
            "gpt_neox_olora",
            "bert_bias",
            "bert_all",
            "bert_masked",
            "bert_masked_tokens",
            "roberta_all",
            "llama",
            "qwen3",
            "gpt2",
            "gpt_neox",
            "bert",
            "llama_dora",
            "gpt2_dora",
            "gpt_neox_dora",
            "bert_dora")
        .flatMap(name -> Backends.all().map(backend -> Arguments.of(name, backend)));
  }

  @ParameterizedTest(name = "{0} on {1}")
  @MethodSource("cases")
  void agreesWithPeft(String name, Backends.Target target) throws IOException {
    Path adapter = Goldens.unpacked("adapters/" + name);
    String family =
        Goldens.json(adapter.resolve("golden.json"))
            .path("family")
            .asText(name.replace("_dora", ""));
    Path base = Goldens.own(family);
    Goldens.Tensors golden = new Goldens.Tensors(adapter.resolve("golden.safetensors"));
    Goldens.Tensors sequences = new Goldens.Tensors(base.resolve("golden.safetensors"));
    JsonNode summary = Goldens.json(adapter.resolve("golden.json"));
    Task task = GoldenBatch.task(base);
    Backend backend = target.backend();
    AdapterConfig config = AdapterConfig.read(adapter);
    LoraConfig lora = config.lora();
    ParameterBuilder builder = new ParameterBuilder();
    builder.freeze(DType.F32, DType.F32);
    builder.adapt(lora, adapter.toString());
    ObjectNode json = ModelFolder.open(adapter, base.toString()).config();
    Path written = scratch.resolve("written");
    try (Model model = Families.create(backend, json, task.head(), 5, null, builder);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      AdapterWeights.load(adapter, config, base, model);
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(sequences, task, model.positionOffset());
      tape.begin(true);
      Tensor output = model.forward(tape, staging.stage(batch, model.batchRotaries()));
      checkLogits(golden, sequences, tape, model, output);
      double loss = staging.sumLosses(new Objective(task, 0f).apply(tape, model, output, staging));
      int targets = batch.supervisedTargets();
      assertEquals(summary.get("loss").asDouble(), loss / targets, 1e-4);
      tape.backward();
      Steps.complete(parameters);
      int checked = 0;
      for (Segment segment : parameters.segments()) {
        String gradient = "grad.base_model.model." + segment.name();
        if (segment.trainedRows() != null) {
          checkRows(golden, lora, model, segment, targets);
          checked++;
        } else if (golden.has(gradient)) {
          checkGradient(golden.floats(gradient), parameters, segment, targets);
          checked++;
        } else {
          // Training from biases of B is compared in ContinuedAdapterTest.
          boolean isBias = segment.name().endsWith(LoraConfig.UP_BIAS);
          assertTrue(isBias || !LoraConfig.isAdapter(segment.name()), gradient);
          assertTrue(segment.frozen() || mayLackGradient(segment), gradient);
        }
      }
      assertTrue(checked >= 2, "only " + checked + " gradients compared");
      Files.createDirectories(written);
      AdapterWeights.write(written, model, lora, family, "SEQ_CLS", name.contains("_resized"));
    }
    if (lora.beside().lowRankBiases()) {
      return; // nothing that a merged model has a place for
    }
    checkMerged(base, written, task, backend, golden, sequences);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{'embed_tokens': [3, 7], 'lm_head': [1]}; there is no tensor"
            + " base_model.model.lm_head.token_adapter.trainable_tokens_delta",
        "{'embed_tokens': [3, 7], 'k_proj': [1]}; names rows of model.layers.0.self_attn.k_proj, which are of no"
      })
  void rowsThatAreNamedAndNotThereAreRefused(String indices, String message) throws IOException {
    Path adapter = Goldens.unpacked("adapters/llama_layers");
    Path copy = Files.createDirectory(scratch.resolve("copy"));
    Files.copy(
        adapter.resolve("adapter_model.safetensors"), copy.resolve("adapter_model.safetensors"));
    ObjectNode json = (ObjectNode) Goldens.json(adapter.resolve("adapter_config.json"));
    json.set("trainable_token_indices", new ObjectMapper().readTree(indices.replace('\'', '"')));
    Files.writeString(copy.resolve("adapter_config.json"), json.toString());
    Path base = Goldens.own("llama");
    AdapterConfig config = AdapterConfig.read(copy);
    InputException e =
        assertThrows(
            InputException.class,
            () -> {
              ParameterBuilder builder = new ParameterBuilder();
              builder.freeze(DType.F32, DType.F32);
              builder.adapt(config.lora(), copy.toString());
              ObjectNode model = ModelFolder.open(copy, base.toString()).config();
              try (Backend backend = new CpuBackend(1);
                  Model made =
                      Families.create(
                          backend, model, GoldenBatch.task(base).head(), 5, null, builder)) {
                AdapterWeights.load(copy, config, base, made);
              }
            });
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  /** Large tables, and what is held as trained for the sake of neighbours. */
  private static boolean mayLackGradient(Segment segment) {
    return segment.count() > 1024 || segment.name().endsWith(".bias");
  }

  /** Of rows that are trained; the others of their table have none. */
  private static void checkRows(
      Goldens.Tensors golden, LoraConfig lora, Model model, Segment table, int targets) {
    String module = table.name().replace(".weight", "");
    List<Integer> ids = lora.beside().tokensOf(module, module.equals(model.wordEmbedding()));
    float[] expected =
        golden.floats("grad.base_model.model." + module + ".token_adapter.trainable_tokens_delta");
    int cols = (int) table.shape()[1];
    assertEquals(expected.length, ids.size() * cols);
    float[] actual =
        Host.floats(model.parameters().gradients(), table.first(), (int) table.count());
    for (int i = 0; i < actual.length; i++) {
      int at = ids.indexOf(i / cols);
      float wanted = at < 0 ? 0 : expected[at * cols + i % cols];
      assertEquals(wanted, actual[i] / targets, GRADIENT_TOLERANCE, table.name() + "[" + i + "]");
    }
  }

  /** The adapter as we wrote it, merged into its base. */
  private static void checkMerged(
      Path base,
      Path adapter,
      Task task,
      Backend backend,
      Goldens.Tensors golden,
      Goldens.Tensors sequences) {
    AdapterConfig config = AdapterConfig.read(adapter);
    ParameterBuilder builder = new ParameterBuilder();
    builder.adapt(config.lora(), adapter.toString());
    builder.forMerge();
    ObjectNode json = ModelFolder.open(adapter, base.toString()).config();
    try (Model model = Families.create(backend, json, task.head(), 5, null, builder);
        Model plain =
            Families.create(
                backend,
                model.partsVocabulary() ? json.put("tie_word_embeddings", false) : json,
                task.head(),
                5,
                null);
        Tape tape = new Tape(backend, new Arena(backend, 64 << 20), DType.F32, 1);
        Staging staging = new Staging(backend)) {
      AdapterWeights.load(adapter, config, base, model);
      AdapterWeights.merge(model, config.lora());
      for (Segment segment : plain.parameters().segments()) {
        Segment merged = model.parameters().segment(segment.name());
        Host.put(plain.parameters(), segment, Host.values(model.parameters(), merged));
      }
      Batch batch = GoldenBatch.of(sequences, task, model.positionOffset());
      tape.begin(false);
      checkLogits(
          golden,
          sequences,
          tape,
          plain,
          plain.forward(tape, staging.stage(batch, plain.batchRotaries())));
    }
  }

  private static void checkLogits(
      Goldens.Tensors golden, Goldens.Tensors sequences, Tape tape, Model model, Tensor output) {
    boolean ofTokens = model.head().hasVocabulary();
    Tensor logits = ofTokens ? LanguageModels.logits(tape, model, output) : output;
    FloatBuffer values = Host.floats(tape.backend(), logits.address(), logits.sizeBytes());
    int cols = Math.toIntExact(logits.cols());
    int rows = 0;
    for (int s = 0; s < GoldenBatch.SEQUENCES && golden.has("logits." + s); s++) {
      int ofSequence = ofTokens ? sequences.ints("input_ids." + s).length : 1;
      float[] found = new float[ofSequence * cols];
      values.get(found);
      Projection.check(
          golden.floats("logits." + s),
          found,
          cols,
          // Adapters this large give logits of some tens.
          largest -> LOGIT_TOLERANCE * Math.max(1, largest),
          "logits of sequence " + s);
      rows += ofSequence;
    }
    if (!golden.has("logits.1")) {
      assertTrue(rows > 0);
      return; // the first sequence alone
    }
    // Rows of tokens may be padded; those of sequences are not.
    assertEquals(ofTokens ? tape.backend().paddedRows(rows) : rows, logits.rows());
  }

  private static void checkGradient(
      float[] expected, Parameters parameters, Segment segment, int targets) {
    Projection.check(
        expected,
        Steps.meanGradient(parameters, segment, targets),
        Math.toIntExact(segment.shape()[segment.shape().length - 1]),
        largest -> GRADIENT_TOLERANCE * Math.max(largest, 1e-4),
        segment.name());
  }
}
