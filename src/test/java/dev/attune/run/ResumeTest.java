package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.RunOption.OnResume;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A resume goes on with the run that was begun, or says what is another. */
class ResumeTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path validation;
  private Path output;

  @BeforeEach
  void beginARun() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 20, 2);
    output = scratch.resolve("out");
  }

  private RecordedRun run() {
    return new RecordedRun(model, train, output)
        .with(RunOption.VALIDATION_FILE, validation.toString());
  }

  private RecordedRun resumed() {
    return run().with(RunOption.RESUME);
  }

  private void refused(RecordedRun resumed, String... parts) {
    String refusal = resumed.refusal();
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
    assertTrue(refusal.contains("--overwrite"), "no way out in: " + refusal);
    assertTrue(Files.isDirectory(output.resolve("checkpoints")), "the checkpoint is lost");
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }

  private static Path copy(Path folder, Path to) throws IOException {
    Files.createDirectories(to);
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        Files.copy(file, to.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
      }
    }
    return to;
  }

  @Test
  void theSameContentUnderOtherNamesGoesOnToTheSameBytes() throws IOException {
    Path whole = scratch.resolve("whole");
    new RecordedRun(model, train, whole)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .run();
    assertTrue(run().stoppedAfter(3).run().training().interrupted());
    model = copy(model, scratch.resolve("moved"));
    train = Files.copy(train, scratch.resolve("moved.csv"));
    RecordedRun resumed =
        resumed().with(RunOption.THREADS, "2").with(RunOption.GRADIENT_CHECKPOINTING);
    resumed.run();
    assertTrue(resumed.notes().contains("resuming after step 3"), resumed.notes().toString());
    assertArrayEquals(weights(whole), weights(output));
    assertEquals(
        Files.readString(whole.resolve("metrics.jsonl")),
        Files.readString(output.resolve("metrics.jsonl")));
  }

  /** A resumed job may find itself on another processor, where something else is the fastest. */
  @Test
  void precisionAndInstructionSetStayAsTheRunBegan() throws IOException {
    Path whole = scratch.resolve("whole");
    new RecordedRun(model, train, whole)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .with(RunOption.ISA, "portable")
        .with(RunOption.PRECISION, "bf16")
        .run();
    run().with(RunOption.ISA, "portable").with(RunOption.PRECISION, "bf16").stoppedAfter(3).run();
    resumed().with(RunOption.ISA, "auto").with(RunOption.PRECISION, "auto").run();
    assertArrayEquals(weights(whole), weights(output));
  }

  @Test
  void anotherInstructionSetThatIsAskedForIsRefused() {
    run().with(RunOption.ISA, "portable").stoppedAfter(3).run();
    refused(
        resumed().with(RunOption.ISA, "best").with(RunOption.PRECISION, "fp32"),
        "cpu, portable",
        "--isa");
  }

  /** What is compared is the content: the rows in their order, whatever files hold them. */
  @Test
  void theSameRowsInSeveralFilesGoOnToTheSameBytes() throws IOException {
    Path whole = scratch.resolve("whole");
    new RecordedRun(model, train, whole)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .run();
    List<String> lines = Files.readAllLines(train);
    Path parts = Files.createDirectory(scratch.resolve("parts"));
    List<String> first = lines.subList(0, 100);
    List<String> second = new ArrayList<>(List.of(lines.get(0)));
    second.addAll(lines.subList(100, lines.size()));
    Files.write(parts.resolve("1.csv"), first);
    Files.write(parts.resolve("2.csv"), second);
    String several = parts.resolve("1.csv") + "\n" + parts.resolve("2.csv");
    run().with(RunOption.TRAIN_FILE, several).stoppedAfter(3).run();
    train = parts;
    resumed().run();
    assertArrayEquals(weights(whole), weights(output));
  }

  @Test
  void filesInAnotherOrderAreOtherData() throws IOException {
    Path more = TinyModel.writeData(scratch.resolve("more.csv"), 32, 7);
    run().with(RunOption.TRAIN_FILE, train + "\n" + more).stoppedAfter(3).run();
    refused(
        resumed().with(RunOption.TRAIN_FILE, more + "\n" + train),
        "training data, as tokenised, was " + train + ", " + more,
        "is now " + more + ", " + train,
        "--train-file");
  }

  @Test
  void anotherBaseIsRefused() throws IOException {
    run().stoppedAfter(3).run();
    Path original = model;
    model = copy(original, scratch.resolve("other"));
    byte[] changed = weights(model);
    changed[changed.length / 2] ^= 1; // one bit of one weight
    Files.write(model.resolve("model.safetensors"), changed);
    refused(resumed(), "base model was " + original, "is now " + model, "--model");
    // The same folder, with other weights now.
    Files.write(original.resolve("model.safetensors"), changed);
    model = original;
    refused(resumed(), "base model was " + original, "is now " + original);
  }

  @Test
  void anotherTokenizerIsRefused() throws IOException {
    run().stoppedAfter(3).run();
    // No text of the data changes, but what the finished model's folder says does.
    Files.writeString(
        model.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true, \"x\": 1}\n");
    refused(resumed(), "tokenizer was", "is now");
  }

  @Test
  void otherDataIsRefused() throws IOException {
    run().stoppedAfter(3).run();
    Files.writeString(validation, "good,positive\n", StandardOpenOption.APPEND);
    refused(resumed(), "validation data", "--validation-file");
    Files.writeString(
        train, Files.readString(train).replace("negative", "mean"), StandardOpenOption.WRITE);
    refused(
        resumed().with(RunOption.VALIDATION_FILE, train.toString()),
        "training data",
        "--train-file");
  }

  /** Whoever gave a share of the training file is told of that, not of a file. */
  @Test
  void aShareIsNamedAsItWasGiven() throws IOException {
    RecordedRun begun = new RecordedRun(model, train, output);
    begun.with(RunOption.VALIDATION_SPLIT, "0.2").stoppedAfter(3).run();
    Path state = output.resolve("checkpoints/step-000000003/state.json");
    String text = Files.readString(state);
    JsonNode was = new ObjectMapper().readTree(text).at("/identity/validation_data");
    RunIdentity now =
        new RunIdentity(
            RunConfig.builder(CommandOptions.TRAIN)
                .setAll(new ObjectMapper().readTree(text).get("config").asText(), "state")
                .build(),
            Map.of(RunIdentity.Fact.VALIDATION_DATA, "other"));
    String refusal =
        RunOption.worded(
            assertThrows(
                    InputException.class, () -> now.checkSame(new ObjectMapper().readTree(text)))
                .getMessage());
    assertTrue(refusal.contains("was 0.2 (content " + was.asText() + ")"), refusal);
    assertTrue(refusal.contains("Give --validation-split as it was"), refusal);
  }

  @Test
  void anotherPrecisionOrOptionIsRefused() {
    run().with(RunOption.PRECISION, "bf16").stoppedAfter(3).run();
    refused(resumed(), "precision was bf16 and is now fp32");
    refused(
        resumed().with(RunOption.PRECISION, "bf16").with(RunOption.LEARNING_RATE, "2e-3"),
        "--learning-rate was 1e-3 and is now 2e-3");
    refused(
        resumed().with(RunOption.PRECISION, "bf16").with(RunOption.LORA_R, "4"),
        "--lora-r was 0 and is now 4");
    refused(
        resumed().with(RunOption.PRECISION, "bf16").with(RunOption.EARLY_STOPPING_PATIENCE, "2"),
        "--early-stopping-patience was 0 and is now 2");
    // How often an evaluation runs decides nothing here.
    resumed().with(RunOption.PRECISION, "bf16").with(RunOption.EVAL_STEPS, "2").run();
  }

  /** As in Transformers: weights and moments go on, the rates are those of the longer run. */
  @Test
  void aFinishedRunGoesOnForLongerFromItsLastCheckpoint() throws IOException {
    Path whole = scratch.resolve("whole");
    String[] options = {"constant", "linear"};
    for (String scheduler : options) {
      new RecordedRun(model, train, whole)
          .with(RunOption.VALIDATION_FILE, validation.toString())
          .with(RunOption.LR_SCHEDULER, scheduler)
          .with(RunOption.MAX_STEPS, "12")
          .with(RunOption.OVERWRITE)
          .run();
      run()
          .with(RunOption.LR_SCHEDULER, scheduler)
          .with(RunOption.SAVE_LAST)
          .with(RunOption.OVERWRITE)
          .run();
      assertTrue(Files.isDirectory(output.resolve("checkpoints/step-000000006")));
      RecordedRun longer =
          resumed().with(RunOption.LR_SCHEDULER, scheduler).with(RunOption.MAX_STEPS, "12");
      assertEquals(12, longer.run().training().steps());
      assertTrue(
          longer.notes().stream().anyMatch(note -> note.contains("of 6 steps and is now of 12")),
          longer.notes().toString());
      assertFalse(Files.exists(output.resolve("checkpoints")), "kept no longer than asked for");
      if (scheduler.equals("constant")) {
        assertArrayEquals(weights(whole), weights(output));
      }
      assertEquals(rates(whole).subList(6, 12), rates(output).subList(6, 12));
      assertEquals(12, rates(output).size());
    }
    String again = resumed().with(RunOption.LR_SCHEDULER, "linear").refusal();
    assertTrue(again.contains("--save-last"), again);
  }

  private static List<Double> rates(Path folder) throws IOException {
    List<Double> rates = new ArrayList<>();
    for (String line : Files.readAllLines(folder.resolve("metrics.jsonl"))) {
      JsonNode node = new ObjectMapper().readTree(line);
      if (node.has("learning_rate")) {
        rates.add(node.get("learning_rate").asDouble());
      }
    }
    return rates;
  }

  @Test
  void aRunBecomesLongerAndNotShorter() {
    run().stoppedAfter(3).run();
    refused(
        resumed().with(RunOption.MAX_STEPS, "4"),
        "run of 6 steps",
        "--max-steps was 6 and is now 4: 4 steps");
    // 160 rows make 10 steps a pass.
    refused(
        resumed().with(RunOption.MAX_STEPS, "0").with(RunOption.EPOCHS, "0.5"),
        "--max-steps was 6 and is now 0: 5 steps");
    RecordedRun longer = resumed().with(RunOption.MAX_STEPS, "0").with(RunOption.EPOCHS, "1");
    assertEquals(10, longer.run().training().steps());
  }

  /** With the same length there is nothing left to do but what a kill at the end left undone. */
  @Test
  void aRunThatWasKilledBetweenItsLastCheckpointAndItsModelIsFinished() throws IOException {
    run().with(RunOption.SAVE_LAST).run();
    byte[] finished = weights(output);
    losesItsModel();
    assertEquals(6, resumed().with(RunOption.SAVE_LAST).run().training().steps());
    assertArrayEquals(finished, weights(output));
  }

  /** As a kill between the last checkpoint and the model leaves the folder. */
  private void losesItsModel() throws IOException {
    Files.delete(output.resolve("model.safetensors"));
    Files.delete(output.resolve("config.json"));
    Files.delete(output.resolve("attune.json"));
  }

  /** What a finished model's folder says of its training. */
  private String settings() throws IOException {
    return Files.readString(output.resolve("attune.json"));
  }

  /** No weights take the place of the last ones then, which still are to be measured. */
  @Test
  void aRunThatIsFinishedAfterAKillIsMeasuredWhereItsLastStepIsTheBest() throws IOException {
    Path test = TinyModel.writeData(scratch.resolve("test.csv"), 20, 3);
    RecordedRun begun = run().with(RunOption.SAVE_LAST).with(RunOption.LOAD_BEST_MODEL_AT_END);
    TrainRun.Outcome whole = begun.with(RunOption.TEST_FILE, test.toString()).run();
    assertEquals(6, whole.training().bestStep());
    byte[] finished = weights(output);
    String settings = settings();
    losesItsModel();
    TrainRun.Outcome again =
        resumed()
            .with(RunOption.SAVE_LAST)
            .with(RunOption.LOAD_BEST_MODEL_AT_END)
            .with(RunOption.TEST_FILE, test.toString())
            .run();
    assertTrue(whole.evaluation().containsKey("accuracy"), whole.evaluation().toString());
    assertEquals(whole.evaluation(), again.evaluation());
    assertEquals(whole.training().evaluation(), again.training().evaluation());
    assertEquals(settings, settings());
    assertArrayEquals(finished, weights(output));
  }

  /** Stops early after step 3: at such a rate nothing becomes better than at step 1. */
  private RecordedRun stoppingEarly(RecordedRun run) {
    return run.with(RunOption.SAVE_LAST)
        .with(RunOption.EARLY_STOPPING_PATIENCE, "2")
        .with(RunOption.METRIC_FOR_BEST_MODEL, "accuracy")
        .with(RunOption.EVAL_STEPS, "1")
        .with(RunOption.LEARNING_RATE, "1e-12");
  }

  @Test
  void aRunThatStoppedEarlyIsNotResumedPastItsStop() throws IOException {
    TrainRun.Outcome whole = stoppingEarly(run()).run();
    assertTrue(whole.training().stoppedEarly());
    assertEquals(3, whole.training().steps());
    byte[] finished = weights(output);
    String settings = settings();
    String metrics = Files.readString(output.resolve("metrics.jsonl"));
    losesItsModel();
    TrainRun.Outcome again = stoppingEarly(resumed()).run();
    assertTrue(again.training().stoppedEarly());
    assertEquals(3, again.training().steps());
    assertEquals(1, again.training().bestStep());
    assertEquals(whole.evaluation(), again.evaluation());
    assertEquals(settings, settings());
    assertEquals(metrics, Files.readString(output.resolve("metrics.jsonl")));
    assertArrayEquals(finished, weights(output));
  }

  /** Whoever makes it longer wants it to go on: then the patience begins anew. */
  @Test
  void aRunThatStoppedEarlyGoesOnWhereItIsMadeLonger() {
    stoppingEarly(run()).run();
    RecordedRun longer = stoppingEarly(resumed()).with(RunOption.MAX_STEPS, "12");
    TrainRun.Outcome outcome = longer.run();
    assertEquals(5, outcome.training().steps());
    assertTrue(outcome.training().stoppedEarly());
    assertTrue(
        longer.notes().stream().anyMatch(note -> note.contains("had stopped early after step 3")),
        longer.notes().toString());
    RecordedRun again = stoppingEarly(resumed()).with(RunOption.MAX_STEPS, "12");
    assertEquals(5, again.run().training().steps());
    assertTrue(
        again.notes().stream().noneMatch(note -> note.contains("stopped early")),
        again.notes().toString());
  }

  @Test
  void whatEarlyStoppingSeesStays() {
    run()
        .with(RunOption.EARLY_STOPPING_PATIENCE, "3")
        .with(RunOption.EVAL_STEPS, "1")
        .stoppedAfter(3)
        .run();
    refused(
        resumed().with(RunOption.EARLY_STOPPING_PATIENCE, "3").with(RunOption.EVAL_STEPS, "2"),
        "--eval-steps was 1 and is now 2");
  }

  @Test
  void anAdapterOnAnotherBaseIsRefused() throws IOException {
    RecordedRun begun = run().with(RunOption.LORA_R, "4");
    begun.stoppedAfter(3).run();
    byte[] changed = weights(model);
    changed[changed.length / 2] ^= 1; // frozen: no checkpoint holds it
    Files.write(model.resolve("model.safetensors"), changed);
    refused(resumed().with(RunOption.LORA_R, "4"), "base model was");
  }

  @Test
  void aFinishedRunOfAnyKindIsNeitherResumedNorOverwrittenUnasked() throws IOException {
    run().with(RunOption.LORA_R, "4").run();
    Path adapter = output.resolve("adapter_model.safetensors");
    byte[] before = Files.readAllBytes(adapter);
    String again = resumed().with(RunOption.LORA_R, "4").refusal();
    assertTrue(again.contains("finished"), again);
    String unasked = run().with(RunOption.LORA_R, "4").refusal();
    assertTrue(unasked.contains("already holds a model"), unasked);
    assertArrayEquals(before, Files.readAllBytes(adapter));
  }

  @Test
  void aModelReplacesWhatWasThereWhateverItsKind() throws IOException {
    run().with(RunOption.LORA_R, "4").run();
    Files.writeString(output.resolve("notes.txt"), "mine");
    assertTrue(Files.exists(output.resolve("adapter_config.json")));
    run().with(RunOption.OVERWRITE).run();
    assertEquals(List.of(), present("adapter_config.json", "adapter_model.safetensors"));
    assertEquals(2, present("config.json", "model.safetensors").size());
    assertEquals(0.0, openedDifference(), "the new model is what opens");
    run().with(RunOption.LORA_R, "4").with(RunOption.OVERWRITE).run();
    assertEquals(List.of(), present("config.json", "model.safetensors"));
    assertEquals(2, present("adapter_config.json", "adapter_model.safetensors").size());
    assertEquals("mine", Files.readString(output.resolve("notes.txt")));
  }

  private List<String> present(String... names) {
    return Stream.of(names).filter(name -> Files.exists(output.resolve(name))).toList();
  }

  /** 0 if the folder opens as a whole model. */
  private double openedDifference() {
    try (CpuBackend backend = new CpuBackend(1);
        TrainedModel opened =
            TrainedModel.open(
                output, OpenOptions.DEFAULT, backend, PrecisionOption.FP32.on(backend))) {
      return opened.folder().isAdapter() ? 1 : 0;
    }
  }

  @Test
  void everyOptionOfTrainingSaysWhetherItMayChange() {
    for (RunOption option : CommandOptions.TRAIN) {
      assertNotEquals(OnResume.NOT_OF_TRAINING, option.onResume(), option.option());
    }
  }
}
