package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.AdapterConfig;
import dev.attune.folder.ModelFolder;
import dev.attune.store.LoraConfig;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters that PEFT saved are trained further, as PEFT does with {@code is_trainable=True}. */
class ContinuedAdapterTest {
  private static final Path RESOURCES = Path.of("src/test/resources");
  private static final Path BASE = Goldens.own("bert");
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path scratch;

  private RecordedRun run(Path adapter, Path output) {
    return new RecordedRun(adapter, RESOURCES.resolve("continued/train.csv"), output)
        .with(RunOption.BASE_MODEL, BASE.toString())
        .with(RunOption.BATCH_SIZE, "8")
        .with(RunOption.MAX_STEPS, "10")
        .with(RunOption.LEARNING_RATE, "4e-2")
        .with(RunOption.WARMUP_STEPS, "0")
        .with(RunOption.DROPOUT, "0")
        .with(RunOption.NO_SHUFFLE);
  }

  private static Path adapter(String name) {
    return RESOURCES.resolve("continued").resolve(name);
  }

  private static List<Double> losses(Path output) throws IOException {
    List<Double> losses = new ArrayList<>();
    for (String line : Files.readAllLines(output.resolve("metrics.jsonl"))) {
      losses.add(JSON.readTree(line).get("loss").asDouble());
    }
    return losses;
  }

  @ParameterizedTest
  @ValueSource(strings = {"lora", "lora_bias", "dora", "pissa", "tokens"})
  void tenStepsFollowPeft(String name) throws IOException {
    Path output = scratch.resolve("out");
    RecordedRun run = run(adapter(name), output);
    assertTrue(run.run().isAdapter());
    JsonNode expected = JSON.readTree(adapter(name).resolve("losses.json").toFile());
    List<Double> losses = losses(output);
    assertEquals(10, losses.size());
    for (int i = 0; i < 10; i++) {
      double loss = expected.get(i).asDouble();
      assertEquals(loss, losses.get(i), 1e-3 * loss, name + ", step " + (i + 1));
    }
    LoraConfig was = AdapterConfig.read(adapter(name)).lora();
    AdapterConfig is = AdapterConfig.read(output);
    assertEquals(was.rank(), is.lora().rank());
    assertEquals(was.alpha(), is.lora().alpha());
    assertEquals(was.weightDecomposed(), is.lora().weightDecomposed());
    assertEquals(was.rankStabilized(), is.lora().rankStabilized());
    assertEquals(was.initialization(), is.lora().initialization());
    assertEquals(was.beside(), is.lora().beside());
    assertEquals(BASE.toAbsolutePath().toString(), is.base());
    assertEquals(List.of("no", "yes"), ModelFolder.open(output, null).labelNames());
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains("goes on with the adapter")),
        run.notes().toString());
  }

  @Test
  void whatIsWrittenGoesOnAgainAndCanBeResumed() throws IOException {
    Path first = scratch.resolve("first");
    run(adapter("dora"), first).run();
    Path whole = scratch.resolve("whole");
    run(first, whole).run();
    Path output = scratch.resolve("stopped");
    assertTrue(run(first, output).stoppedAfter(4).run().training().interrupted());
    run(first, output).with(RunOption.RESUME).run();
    assertArrayEquals(
        Files.readAllBytes(whole.resolve("adapter_model.safetensors")),
        Files.readAllBytes(output.resolve("adapter_model.safetensors")));
    assertEquals(lossOfTheFirstBatch(first), losses(whole).get(0), 1e-5, "where the first ended");
  }

  private static double lossOfTheFirstBatch(Path adapter) {
    return EvaluateRun.run(
            RunConfig.builder(CommandOptions.EVALUATE)
                .set(RunOption.MODEL, adapter.toString())
                .set(RunOption.FILE, RESOURCES.resolve("continued/train.csv").toString())
                .set(RunOption.MAX_EVAL_SAMPLES, "8")
                .set(RunOption.PRECISION, "fp32")
                .set(RunOption.BACKEND, "cpu")
                .build())
        .values()
        .get("loss");
  }

  @Test
  void anAdapterThatChangedIsNotResumed() throws IOException {
    Path first = scratch.resolve("first");
    run(adapter("lora"), first).run();
    Path output = scratch.resolve("out");
    run(first, output).stoppedAfter(4).run();
    run(adapter("lora"), first).with(RunOption.SEED, "1").with(RunOption.OVERWRITE).run();
    byte[] weights = Files.readAllBytes(first.resolve("adapter_model.safetensors"));
    weights[weights.length - 1] ^= 1;
    Files.write(first.resolve("adapter_model.safetensors"), weights);
    String refusal = run(first, output).with(RunOption.RESUME).refusal();
    assertTrue(refusal.contains("the base model was"), refusal);
  }

  @Test
  void optionsThatSayTheSameAreFineAndTheRateIsThatOfAdapters() throws IOException {
    Path output = scratch.resolve("out");
    run(adapter("dora"), output)
        .with(RunOption.LORA_R, "3")
        .with(RunOption.LORA_ALPHA, "4.0")
        .with(RunOption.LORA_TARGETS, "value,query,intermediate.dense")
        .with(RunOption.USE_DORA)
        .with(RunOption.USE_RSLORA)
        .with(RunOption.MAX_STEPS, "1")
        .run();
    String options = Files.readString(output.resolve("run.yaml"));
    assertTrue(options.contains("\nlora-r: 3\n"), options);
    assertTrue(options.contains("# optimizer: \"adamw\""), options);
    RunConfig.Builder again =
        RunConfig.builder(CommandOptions.TRAIN).setAll(output.resolve("run.yaml"));
    again.set(RunOption.OUTPUT_DIR, scratch.resolve("again").toString());
    new TrainRun(again.build(), run(adapter("dora"), output), () -> false).run();
    assertEquals(losses(output), losses(scratch.resolve("again")));
  }

  /** Of a name nobody knows yet whether it is an adapter's: options are compared once it is. */
  @Test
  void anAdapterThatIsNamedAsOnTheHubTakesOptionsToo() {
    Path output = scratch.resolve("out");
    RunConfig.Builder options = RunConfig.builder(CommandOptions.TRAIN);
    options.set(RunOption.MODEL, "somebody/an-adapter");
    options.set(RunOption.TRAIN_FILE, RESOURCES.resolve("continued/train.csv").toString());
    options.set(RunOption.OUTPUT_DIR, output.toString());
    options.set(RunOption.USE_RSLORA, "true");
    options.set(RunOption.LORA_ALPHA, "4.0");
    TrainPlan asked = TrainPlan.of(options.build());
    TrainPlan plan = asked.continuing(ModelFolder.open(adapter("dora"), BASE.toString()));
    assertEquals(3, plan.lora().rank());
    InputException alone = assertThrows(InputException.class, asked::ofModel);
    String message = RunOption.worded(alone.getMessage());
    assertEquals("--lora-alpha needs --lora-r", message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "LORA_R 8: --lora-r is 8, but of the adapter",
        "LORA_R 0: --lora-r is 0, but of the adapter",
        "LORA_ALPHA 16: --lora-alpha is 16.0, but of the adapter",
        "LORA_DROPOUT 0.1: --lora-dropout is 0.1, but of the adapter",
        "LORA_TARGETS all-linear: --lora-targets is all-linear, but of the adapter",
        "LORA_TARGETS query: --lora-targets is query, but of the adapter",
        "LORA_LAYERS 1: --lora-layers is 1, but of the adapter",
        "LORA_EXCLUDE_MODULES value: --lora-exclude-modules is value, but of the adapter",
        "LORA_RANK_PATTERN query=2: --lora-rank-pattern is query=2, but of the adapter",
        "LORA_ALPHA_PATTERN query=2: --lora-alpha-pattern is query=2.0, but of the adapter",
        "LORA_MODULES_TO_SAVE pooler: --lora-modules-to-save is pooler, but of the adapter",
        "LORA_BIAS all: --lora-bias is all, but of the adapter",
        "INIT_LORA_WEIGHTS pissa: --init-lora-weights is pissa, but of the adapter",
        "USE_DORA true: --use-dora is true, but of the adapter",
        "USE_RSLORA true: --use-rslora is true, but of the adapter",
        "NEW_HEAD true: --new-head: the adapter",
        "TASK regression: --task regression: "
      })
  void whatDisagreesIsRefusedByName(String options) {
    String[] parts = options.split(": ", 2);
    String[] option = parts[0].split(" ", 2);
    Path output = scratch.resolve("out");
    String refusal =
        run(adapter("lora"), output).with(RunOption.valueOf(option[0]), option[1]).refusal();
    assertTrue(refusal.startsWith(parts[1]), refusal);
    assertTrue(refusal.contains("merge"), refusal);
    assertFalse(Files.exists(output), "nothing is made");
  }

  @Test
  void otherLabelsAreRefusedAndABaseThatHasMovedIsAskedFor() throws IOException {
    Path output = scratch.resolve("out");
    run(adapter("lora"), output).with(RunOption.MAX_STEPS, "1").run();
    String csv = Files.readString(RESOURCES.resolve("continued/train.csv"));
    Path other = Files.writeString(scratch.resolve("other.csv"), csv.replaceFirst("yes", "maybe"));
    String refusal =
        run(output, scratch.resolve("more")).with(RunOption.TRAIN_FILE, other.toString()).refusal();
    assertTrue(refusal.contains("with a head for \"no\", \"yes\""), refusal);
    assertTrue(refusal.contains("\"maybe\""), refusal);
    Path moved = copyWithBase(output, scratch.resolve("gone").toString());
    RunConfig.Builder options = RunConfig.builder(CommandOptions.TRAIN);
    options.set(RunOption.MODEL, moved.toString());
    options.set(RunOption.TRAIN_FILE, other.toString());
    options.set(RunOption.OUTPUT_DIR, scratch.resolve("more").toString());
    RecordedRun listener = run(output, output);
    String noBase =
        RunOption.worded(
            org.junit.jupiter.api.Assertions.assertThrows(
                    dev.attune.core.InputException.class,
                    () -> new TrainRun(options.build(), listener, () -> false).run())
                .getMessage());
    assertTrue(noBase.contains("--base-model"), noBase);
    String notAnAdapter = run(BASE, scratch.resolve("more")).refusal();
    assertTrue(notAnAdapter.contains("is a whole model"), notAnAdapter);
  }

  private Path copyWithBase(Path adapter, String base) throws IOException {
    Path to = Files.createDirectory(scratch.resolve("copy"));
    try (Stream<Path> files = Files.list(adapter)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    Path config = to.resolve("adapter_config.json");
    ObjectNode json = (ObjectNode) JSON.readTree(config.toFile());
    JSON.writeValue(config.toFile(), json.put("base_model_name_or_path", base));
    return to;
  }

  @Test
  void whatIsAppliedButNotTrainedIsRefused() throws IOException {
    Path adapter = scratch.resolve("adapter");
    run(adapter("lora"), adapter).with(RunOption.MAX_STEPS, "1").run();
    Path copy = copyWithBase(adapter, BASE.toString());
    Path config = copy.resolve("adapter_config.json");
    ObjectNode json = (ObjectNode) JSON.readTree(config.toFile());
    JSON.writeValue(config.toFile(), json.put("init_lora_weights", "mica"));
    String refusal = run(copy, scratch.resolve("more")).refusal();
    assertTrue(refusal.contains("has init_lora_weights mica"), refusal);
  }
}
