package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a run needs is known before it begins. */
class TrainEstimateTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;

  @BeforeEach
  void makeModelAndData() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
      TinyDecoder.write(scratch.resolve("decoder"), backend, 32);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
  }

  private static RecordedRun with(RecordedRun run, String options) {
    for (String pair : options.split("; ")) {
      String[] parts = pair.split(" ", 2);
      run.with(RunOption.valueOf(parts[0]), parts[1]);
    }
    return run;
  }

  private static TrainEstimate estimate(RecordedRun run) {
    return TrainEstimate.of(run.config(), null, run);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "BATCH_SIZE 16",
        "BATCH_SIZE 16; PRECISION bf16",
        "BATCH_SIZE 16; LORA_R 4",
        "BATCH_SIZE 16; LORA_R 4; GRADIENT_CHECKPOINTING true",
        "BATCH_SIZE 4; GRADIENT_ACCUMULATION_STEPS 2",
        "BATCH_SIZE 2; VALIDATION_SPLIT 0.2; EVAL_STEPS 3",
      })
  void aRunTakesWhatWasSaidAndNotMuchLess(String options) {
    RecordedRun run = with(new RecordedRun(model, train, scratch.resolve("out")), options);
    TrainEstimate estimate = estimate(run);
    assertFalse(Files.exists(scratch.resolve("out")), "the rehearsal left something");
    long taken = run.run().training().arenaBytes();
    long said = estimate.need().activationBytes();
    assertTrue(taken <= said && said <= 2 * taken, options + ": said " + said + ", took " + taken);
    assertTrue(estimate.need().weightBytes() > 0 && estimate.need().optimizerBytes() > 0);
    assertEquals(6, estimate.steps());
    assertEquals(160, estimate.rows());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "masked-lm | {\"text\": \"the phone is very good and fine %d\"}",
        "embedding | {\"anchor\": \"the phone is good %d\", \"positive\": \"a fine book %d\"}",
        "few-shot | {\"text\": \"the phone is good %d\", \"label\": \"%d\"}",
        "regression | {\"text\": \"the phone is good %d\", \"label\": %d.5}",
        "multi-label-classification | {\"text\": \"the phone %d\", \"labels\": [\"a%d\"]}",
        "token-classification | {\"tokens\": [\"the\", \"phone\"], \"tags\": [\"O\", \"B-X\"]}",
        "question-answering | {\"question\": \"is it\", \"context\": \"it is a book\","
            + " \"answers\": {\"text\": [\"book\"], \"answer_start\": [8]}}",
        "dpo | {\"prompt\": \"the phone is\", \"chosen\": \" good %d\", \"rejected\": \" bad\"}",
      })
  void everyTaskCanBeRehearsed(String task, String row) throws IOException {
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      rows.append(row.replace("%d", Integer.toString(i % 4))).append('\n');
    }
    Path file = Files.writeString(scratch.resolve("rows.jsonl"), rows);
    RecordedRun run =
        new RecordedRun(
                task.equals("dpo") ? scratch.resolve("decoder") : model,
                file,
                scratch.resolve("out"))
            .with(RunOption.TASK, task)
            .with(RunOption.BATCH_SIZE, "4");
    TrainEstimate estimate = estimate(run);
    long taken = run.run().training().arenaBytes();
    long said = estimate.need().activationBytes();
    assertTrue(taken <= said && said <= 3 * taken, task + ": said " + said + ", took " + taken);
  }

  /** The gradients' own memory would hold much of these activations, if it were free. */
  @ParameterizedTest
  @ValueSource(strings = {"GRADIENT_ACCUMULATION_STEPS 2", "LORA_R 64"})
  void memoryThatCannotBeBorrowedIsCounted(String options) {
    Path wide = decoder(128);
    RecordedRun run =
        with(new RecordedRun(wide, train, scratch.resolve("out")), "BATCH_SIZE 2; " + options)
            .with(RunOption.TASK, "causal-lm");
    long said = estimate(run).need().activationBytes();
    long taken;
    try (TrainGroup group = new TrainGroup()) {
      taken =
          (options.startsWith("LORA_R")
                  ? group.start(List.of(run.asked())).get(0).outcome()
                  : run.run())
              .training()
              .arenaBytes();
    }
    assertTrue(taken <= said && said <= 2 * taken, options + ": said " + said + ", took " + taken);
  }

  @Test
  void theCopyThatALargeStateIsSavedFromIsCounted() {
    RecordedRun run =
        new RecordedRun(decoder(1024), train, scratch.resolve("out"))
            .with(RunOption.TASK, "causal-lm")
            .with(RunOption.BATCH_SIZE, "1")
            .with(RunOption.MAX_STEPS, "2");
    TrainEstimate.Need need = estimate(run).need();
    long moments = need.optimizerBytes(); // two thirds of a state
    assertTrue(need.copyBytes() > moments && need.copyBytes() < 2 * moments, need::toString);
    TrainEstimate.Need shortest = estimate(run.with(RunOption.MAX_STEPS, "1")).need();
    assertEquals(0, shortest.copyBytes(), "its only step ends it");
    assertEquals(need.bytes() - need.copyBytes(), shortest.bytes());
    assertEquals(0, estimate(new RecordedRun(model, train, scratch)).need().copyBytes());
  }

  private Path decoder(int hidden) {
    try (CpuBackend backend = new CpuBackend(1)) {
      return TinyDecoder.write(scratch.resolve("decoder-" + hidden), backend, hidden);
    }
  }

  @Test
  void adaptersNeedLessThanTheWholeModel() {
    Path out = scratch.resolve("out");
    TrainEstimate whole = estimate(new RecordedRun(model, train, out));
    TrainEstimate adapters =
        estimate(new RecordedRun(model, train, out).with(RunOption.LORA_R, "2"));
    assertTrue(
        adapters.need().optimizerBytes() * 4 < whole.need().optimizerBytes(), whole.toString());
  }

  @Test
  void wrongRowsAreCountedAndTheFirstAreTold() throws IOException {
    Files.writeString(train, "only text\nno label,\n", StandardOpenOption.APPEND);
    TrainEstimate estimate = estimate(new RecordedRun(model, train, scratch.resolve("out")));
    assertEquals(2, estimate.wrongRowCount(), estimate.wrongRows()::toString);
    assertTrue(estimate.wrongRows().get(0).contains("row 162 has 1 field instead of 2"));
    assertTrue(estimate.wrongRows().get(1).contains("row 163"), estimate.wrongRows()::toString);
    assertEquals(162, estimate.rows());
  }

  @Test
  void theBatchSizeMayFollowFromTheRows() {
    RecordedRun run =
        new RecordedRun(model, train, scratch.resolve("out")).with(RunOption.MAX_STEPS, "0");
    TrainEstimate estimate = TrainEstimate.of(run.config(), rows -> rows / 20, run);
    assertEquals(8, estimate.batchSize());
    assertEquals(3 * 20, estimate.steps());
  }

  @Test
  void whatTheRunWouldRefuseIsRefused() {
    RecordedRun run =
        new RecordedRun(scratch.resolve("decoder"), train, scratch.resolve("out"))
            .with(RunOption.TASK, "token-classification");
    String message = "";
    try {
      estimate(run);
    } catch (InputException e) {
      message = e.getMessage();
    }
    assertEquals(run.refusal(), RunOption.worded(message));
  }
}
