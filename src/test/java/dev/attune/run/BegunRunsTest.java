package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * A run that was begun with options that do nothing goes on with them, though no run begins so any
 * more.
 */
class BegunRunsTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;

  @BeforeEach
  void makeModelAndData() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
  }

  private RecordedRun run(String options, Path output) {
    RecordedRun run = new RecordedRun(model, train, output);
    for (String pair : options.split(" ")) {
      String[] parts = pair.split("=", 2);
      run.with(RunOption.valueOf(parts[0]), parts[1]);
    }
    return run;
  }

  /** What a version that refused nothing left of a run before its first checkpoint. */
  private static void leave(RecordedRun run, Path output) throws IOException {
    Files.createDirectories(output);
    Files.writeString(OutputFolder.runFile(output), run.config().toCommentedYaml());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "WARMUP_STEPS=2; WARMUP_RATIO=0.5",
        "LR_SCHEDULER=constant; WARMUP_STEPS=3",
        "OPTIMIZER=adamw; SGD_MOMENTUM=0.8",
        "OPTIMIZER=sgd; ADAM_BETA1=0.8",
        "FREEZE_BASE=true; LAYER_LR_DECAY=0.9",
        "LORA_R=0; LORA_ALPHA=8",
        "LORA_R=2; LORA_EXCLUDE_MODULES=nothing",
        "LORA_R=2; LORA_EXCLUDE_MODULES=.*nothing",
        "EVALUATE_WITH=loss; MAX_NEW_TOKENS=7",
      })
  void itGoesOnToTheSameBytes(String others, String idle) throws IOException {
    Path output = scratch.resolve("out");
    String name = "--" + idle.split("=")[0].toLowerCase(Locale.ROOT).replace('_', '-');
    String refusal = run(others + " " + idle, output).refusal();
    assertTrue(refusal.startsWith(name), refusal);

    leave(run(others + " " + idle, output), output);
    RecordedRun first = run(others + " " + idle, output).with(RunOption.RESUME);
    assertTrue(first.stoppedAfter(3).run().training().interrupted());
    RecordedRun second = run(others + " " + idle, output).with(RunOption.RESUME);
    assertFalse(second.run().training().interrupted());
    assertTrue(second.notes().contains("resuming after step 3"), second.notes()::toString);

    Path whole = scratch.resolve("whole");
    run(others, whole).run();
    String weights =
        others.contains("LORA_R=2") ? "adapter_model.safetensors" : "model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(whole.resolve(weights)), Files.readAllBytes(output.resolve(weights)));
  }

  @Test
  void whatWasNotAskedForThenIsRefused() throws IOException {
    Path output = scratch.resolve("out");
    leave(run("SGD_MOMENTUM=0.8", output), output);
    String other = run("SGD_MOMENTUM=0.7", output).with(RunOption.RESUME).refusal();
    assertTrue(other.startsWith("--sgd-momentum is of --optimizer sgd"), other);
    String more =
        run("SGD_MOMENTUM=0.8 KEEP_FOLD_MODELS=true", output).with(RunOption.RESUME).refusal();
    assertEquals("--keep-fold-models needs --k-fold", more);
    leave(run("SGD_MOMENTUM=0.8 OPTIMIZER=sgd", output), output);
    String idleNow = run("SGD_MOMENTUM=0.8", output).with(RunOption.RESUME).refusal();
    assertTrue(idleNow.startsWith("--sgd-momentum is of --optimizer sgd"), idleNow);
  }

  private void makeDecoder(int positions) throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyDecoder.write(scratch.resolve("decoder"), backend, 16);
    }
    Path config = model.resolve("config.json");
    ObjectMapper json = new ObjectMapper();
    ObjectNode changed = (ObjectNode) json.readTree(config.toFile());
    json.writeValue(config.toFile(), changed.put("max_position_embeddings", positions));
  }

  @Test
  void biasesThatAModelHasNotAreNoneThen() throws IOException {
    makeDecoder(TinyDecoder.CONTEXT);
    train = Files.writeString(scratch.resolve("train.txt"), "the phone is good\n".repeat(99));
    Path output = scratch.resolve("out");
    String options = "TASK=causal-lm LORA_R=2 LORA_BIAS=all MAX_LENGTH=16 BATCH_SIZE=4";
    String biases = run(options, output).refusal();
    assertTrue(biases.startsWith("--lora-bias all: this model has no such biases"), biases);
    leave(run(options, output), output);
    assertTrue(
        run(options, output).with(RunOption.RESUME).stoppedAfter(2).run().training().interrupted());
    assertEquals(6, run(options, output).with(RunOption.RESUME).run().training().steps());
  }

  @Test
  void answersThatMayFindNoRoomAreANoteThen() throws IOException {
    makeDecoder(16_000_000);
    train = scratch.resolve("train.jsonl");
    Files.writeString(
        train, "{\"prompt\": \"the phone\", \"completion\": \" is good\"}\n".repeat(200));
    Path output = scratch.resolve("out");
    String options =
        "TASK=causal-lm EVALUATE_WITH=generate MAX_NEW_TOKENS=15000000 STREAMS=200 MAX_LENGTH=32"
            + " VALIDATION_FILE="
            + train;
    String refusal = run(options, output).refusal();
    assertTrue(refusal.startsWith("--max-new-tokens is 15000000"), refusal);
    leave(run(options, output), output);
    RecordedRun goesOn = run(options, output).with(RunOption.RESUME).stoppedAfter(1);
    assertTrue(goesOn.run().training().interrupted());
    assertTrue(
        goesOn.notes().stream().anyMatch(note -> note.startsWith("memory may not do")),
        goesOn.notes()::toString);
  }

  @Test
  void soDoFoldsThatAreYetToBegin() throws IOException {
    Path output = scratch.resolve("out");
    String options = "LORA_R=2 K_FOLD=2";
    assertTrue(run(options, output).stoppedAfter(6).crossValidate().interrupted());
    Path noted = OutputFolder.crossValidation(output);
    ObjectMapper json = new ObjectMapper();
    ObjectNode begun = (ObjectNode) json.readTree(noted.toFile());
    begun.put("config", begun.get("config").asText() + "lora-exclude-modules: nothing\n");
    json.writeValue(noted.toFile(), begun);
    RecordedRun second =
        run(options + " LORA_EXCLUDE_MODULES=nothing", output).with(RunOption.RESUME);
    assertFalse(second.crossValidate().interrupted());
    assertTrue(second.notes().contains("fold 1 of 2 is done already"), second.notes()::toString);
  }
}
