package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.data.Finding;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Cross-validation: every row is predicted once, by a model that did not learn it. */
class CrossValidationTest extends CrossValidationTrial {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static List<JsonNode> lines(Path file) throws IOException {
    List<JsonNode> lines = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      lines.add(JSON.readTree(line));
    }
    return lines;
  }

  @Test
  void everyRowIsPredictedOnceByAModelThatDidNotLearnIt() throws IOException {
    Heard heard = new Heard(99);
    CrossValidation.Outcome outcome = run(options(output), heard);
    assertEquals(3, outcome.folds().size());
    assertEquals(ROWS, outcome.folds().stream().mapToInt(f -> f.rows()).sum());
    assertEquals(1, heard.reports, "the data are reported once");
    List<JsonNode> predictions = lines(outcome.predictions());
    assertEquals(ROWS, predictions.size());
    List<String> csv = Files.readAllLines(train);
    int[] right = new int[4];
    for (int i = 0; i < ROWS; i++) {
      JsonNode row = predictions.get(i);
      assertEquals(i + 2, row.get("row").asInt(), "the line of the file");
      assertEquals(csv.get(i + 1), row.get("text").asText() + "," + row.get("label").asText());
      if (row.get("predicted_label").equals(row.get("label"))) {
        right[row.get("fold").asInt()]++;
      }
    }
    for (CrossValidation.FoldResult fold : outcome.folds()) {
      double accuracy = right[fold.number()] / (double) fold.rows();
      assertEquals(accuracy, fold.metrics().get("accuracy"), 1e-12);
      assertFalse(Files.exists(output.resolve("fold-" + fold.number() + "/model.safetensors")));
      assertTrue(Files.exists(output.resolve("fold-" + fold.number() + "/metrics.jsonl")));
      assertFalse(Files.exists(output.resolve("fold-" + fold.number() + "/checkpoints")));
    }
    JsonNode summary = JSON.readTree(output.resolve("cross_validation.json").toFile());
    double[] loss = new double[3];
    double mean = 0;
    for (int i = 0; i < 3; i++) {
      loss[i] = summary.at("/folds/" + i + "/eval/loss").asDouble();
      mean += loss[i] / 3;
    }
    double variance = 0;
    for (double value : loss) {
      variance += (value - mean) * (value - mean) / 2;
    }
    assertEquals(mean, outcome.mean().get("loss"), 1e-12);
    assertEquals(Math.sqrt(variance / 3), outcome.standardError().get("loss"), 1e-12);
    assertEquals(mean, summary.at("/eval/loss").asDouble(), 1e-12);
  }

  /** The run of a fold is the run on the other rows: nothing of the fold is in it. */
  @Test
  void aFoldIsTheRunOnTheOtherRows() throws IOException {
    CrossValidation.Outcome outcome =
        run(options(output).set(RunOption.KEEP_FOLD_MODELS, "true"), new Heard(99));
    StringBuilder others = new StringBuilder("text,label\n");
    StringBuilder held = new StringBuilder("text,label\n");
    for (JsonNode row : lines(outcome.predictions())) {
      (row.get("fold").asInt() == 2 ? held : others)
          .append(row.get("text").asText() + "," + row.get("label").asText() + "\n");
    }
    RunConfig alone =
        options(scratch.resolve("alone"))
            .set(RunOption.K_FOLD, "0")
            .set(
                RunOption.TRAIN_FILE,
                Files.writeString(scratch.resolve("others.csv"), others).toString())
            .set(
                RunOption.VALIDATION_FILE,
                Files.writeString(scratch.resolve("held.csv"), held).toString())
            .build();
    TrainRun.Outcome single = new TrainRun(alone, new Heard(99), () -> false).run();
    assertEquals(single.evaluation(), outcome.folds().get(1).metrics());
    assertEquals(
        -1,
        Files.mismatch(
            scratch.resolve("alone/model.safetensors"),
            output.resolve("fold-2/model.safetensors")));
  }

  @Test
  void itGoesOnInTheFoldInWhichItWasStopped() throws IOException {
    Path whole = scratch.resolve("whole");
    run(options(whole), new Heard(99));
    Heard first = new Heard(10); // in the midst of the third fold
    CrossValidation.Outcome stopped = run(options(output), first);
    assertTrue(stopped.interrupted());
    assertEquals(2, stopped.folds().size());
    assertNull(stopped.predictions());
    assertTrue(first.left.contains("fold 3 of 3 was prepared, with 2 done"), first.left);
    assertTrue(first.left.endsWith("with the same command and --resume"), first.left);
    String unasked =
        RunOption.worded(
            assertThrows(InputException.class, () -> run(options(output), new Heard(99)))
                .getMessage());
    assertTrue(unasked.contains("already holds a cross-validation"), unasked);
    String other =
        RunOption.worded(
            assertThrows(
                    InputException.class,
                    () ->
                        run(
                            options(output)
                                .set(RunOption.RESUME, "true")
                                .set(RunOption.K_FOLD, "4"),
                            new Heard(99)))
                .getMessage());
    assertTrue(other.contains("--k-fold was 3 and is now 4"), other);
    Heard second = new Heard(99);
    run(options(output).set(RunOption.RESUME, "true"), second);
    assertEquals(2, second.steps, "of the third fold");
    assertTrue(second.notes.contains("fold 2 of 3 is done already"), second.notes.toString());
    assertEquals(
        -1,
        Files.mismatch(whole.resolve("predictions.jsonl"), output.resolve("predictions.jsonl")));
    Files.writeString(train, Files.readString(train).replace("phone", "book"));
    String changed =
        RunOption.worded(
            assertThrows(
                    InputException.class,
                    () -> run(options(output).set(RunOption.RESUME, "true"), new Heard(99)))
                .getMessage());
    assertTrue(changed.contains("training data"), changed);
    run(options(output).set(RunOption.OVERWRITE, "true").set(RunOption.K_FOLD, "2"), second);
    assertFalse(Files.exists(output.resolve("fold-3")));
  }

  private String refusal(RunConfig.Builder options) {
    return RunOption.worded(
        assertThrows(
                InputException.class,
                () -> run(options.set(RunOption.RESUME, "true"), new Heard(99)))
            .getMessage());
  }

  /** All folds are measured in one way, or their mean says nothing. */
  @Test
  void whatWouldMeasureOtherFoldsOtherwiseIsRefused() throws IOException {
    assertTrue(run(options(output).set(RunOption.ISA, "portable"), new Heard(5)).interrupted());
    String precision = refusal(options(output).set(RunOption.PRECISION, "bf16"));
    assertTrue(precision.contains("the precision was fp32 and is now bf16"), precision);
    String level = refusal(options(output).set(RunOption.ISA, "avx2"));
    assertTrue(level.contains("was cpu, portable and is now cpu, avx2"), level);
    String names = refusal(options(output).set(RunOption.LABEL_NAMES, "positive,negative"));
    assertTrue(names.contains("label names was not given"), names);
    String evaluations = refusal(options(output).set(RunOption.EVAL_STEPS, "2"));
    assertTrue(evaluations.contains("--eval-steps was 0 and is now 2"), evaluations);
    Path vocabulary = model.resolve("vocab.txt");
    Files.writeString(vocabulary, Files.readString(vocabulary) + "more\n");
    String tokenizer = refusal(options(output));
    assertTrue(tokenizer.contains("the tokenizer was "), tokenizer);
  }

  /** Whatever is the fastest where it goes on. */
  @Test
  void foldsThatFollowComputeAsTheFirstDid() throws IOException {
    Path whole = scratch.resolve("whole");
    run(options(whole).set(RunOption.ISA, "portable"), new Heard(99));
    assertTrue(run(options(output).set(RunOption.ISA, "portable"), new Heard(5)).interrupted());
    run(
        options(output).set(RunOption.PRECISION, "auto").set(RunOption.RESUME, "true"),
        new Heard(99));
    assertEquals(
        -1,
        Files.mismatch(whole.resolve("predictions.jsonl"), output.resolve("predictions.jsonl")));
    assertTrue(
        Files.readString(output.resolve("fold-3/run.yaml")).contains("isa: \"portable\""),
        "the fold's run, used again, computes the same");
  }

  @Test
  void aRowOfSeveralFilesIsToldWithItsFile() throws IOException {
    List<String> csv = Files.readAllLines(train);
    Path first = Files.write(scratch.resolve("z.csv"), csv.subList(0, 41));
    List<String> rest = new ArrayList<>(csv.subList(41, csv.size()));
    rest.add(0, csv.get(0));
    Path second = Files.write(scratch.resolve("a.csv"), rest);
    RunConfig.Builder options =
        options(output).set(RunOption.TRAIN_FILE, List.of(first.toString(), second.toString()));
    CrossValidation.Outcome outcome = run(options, new Heard(99));
    List<JsonNode> predictions = lines(outcome.predictions());
    assertEquals(ROWS, predictions.size());
    for (int i = 0; i < ROWS; i++) {
      JsonNode row = predictions.get(i);
      Path file = Path.of(row.get("file").asText());
      assertEquals(i < 40 ? first : second, file, "in the order of the files");
      assertEquals(
          Files.readAllLines(file).get(row.get("row").asInt() - 1),
          row.get("text").asText() + "," + row.get("label").asText());
    }
    for (JsonNode row : lines(output.resolve("fold-1/predictions.jsonl"))) {
      assertTrue(predictions.contains(row), row::toString);
    }
  }

  @Test
  void aClassThatAFoldHoldsWholeIsStillKnown() throws IOException {
    Files.writeString(train, Files.readString(train) + "it is a very odd chair,rare\n");
    Heard heard = new Heard(99);
    CrossValidation.Outcome outcome = run(options(output), heard);
    assertEquals(ROWS + 1, lines(outcome.predictions()).size());
    assertTrue(
        lines(outcome.predictions()).get(0).get("scores").has("rare"), "every head has all labels");
    assertTrue(
        heard.report.findings(Finding.Severity.WARNING).stream()
            .anyMatch(finding -> finding.message().contains("\"rare\" (1)")),
        heard.report.toString());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "K_FOLD 1: --k-fold is 1; it must be at least 2",
        "K_FOLD 90: ",
        "VALIDATION_FILE x.csv: --k-fold and --validation-file are both given",
        "VALIDATION_SPLIT 0.2: --k-fold and --validation-split are both given",
        "TEST_SPLIT 0.2: --k-fold and --test-split are both given",
        "TEST_FILE x.csv: --k-fold and --test-file are both given",
        "RESUME true: --resume: "
      })
  void whatDoesNotGoWithFoldsIsRefused(String text) {
    String[] parts = text.split(": ", 2);
    String[] option = parts[0].split(" ");
    RunConfig.Builder options = options(output).set(RunOption.valueOf(option[0]), option[1]);
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> run(options, new Heard(99))).getMessage());
    assertTrue(message.startsWith(parts[1]), message);
    assertEquals(option[1].equals("90"), message.contains("too few for 90 folds"), message);
  }

  /** What the data of a fold lack is known before any fold is trained. */
  @Test
  void aClassThatAFoldHoldsWholeIsRefusedWhereTheRestCannotBeLearned() throws IOException {
    Path few = scratch.resolve("few.csv");
    StringBuilder rows = new StringBuilder("text,label\n");
    for (int i = 0; i < 30; i++) {
      rows.append("a good chair number " + i + ",positive\n");
    }
    Files.writeString(few, rows + "a bad table,negative\n");
    Heard heard = new Heard(99);
    String message =
        RunOption.worded(
            assertThrows(
                    InputException.class,
                    () -> run(options(output).set(RunOption.TRAIN_FILE, few.toString()), heard))
                .getMessage());
    assertTrue(
        message.matches(
            "--k-fold 3: the class \"negative\" has 1 row, all in fold [123], so that .*"
                + "at least 2 of them \\(3 for each fold to measure it\\), or leave the class out"),
        message);
    assertEquals(0, heard.steps, heard.notes::toString);
    Files.writeString(few, rows + "a bad table,negative\n".repeat(2) + "so so,neutral\n");
    String weighted =
        refusalAnew(
            options(output)
                .set(RunOption.TRAIN_FILE, few.toString())
                .set(RunOption.CLASS_WEIGHTS, "balanced"));
    assertTrue(weighted.startsWith("--k-fold 3: the class \"ne"), weighted);
    assertTrue(weighted.contains("all in fold "), weighted);
  }

  /** Then its results are written: there is no checkpoint to be spoken of. */
  @Test
  void aRequestAfterTheLastStepOfAFoldStopsBehindIt() {
    Heard heard = new Heard(4);
    CrossValidation.Outcome outcome = run(options(output), heard);
    assertTrue(outcome.interrupted());
    assertEquals(1, outcome.folds().size());
    assertEquals(1, heard.trained);
  }

  /** What has nothing to do with the folds is said as it is. */
  @Test
  void anotherReasonIsNotCalledAClass() throws IOException {
    Path few = scratch.resolve("few.csv");
    StringBuilder rows = new StringBuilder("text,label\n");
    for (int i = 0; i < 30; i++) {
      rows.append("a good chair number " + i + ",positive\n");
    }
    Files.writeString(few, rows + "a bad table,negative\n");
    String refusal =
        refusalAnew(
            options(scratch.resolve("other"))
                .set(RunOption.TRAIN_FILE, few.toString())
                .set(RunOption.CLASS_WEIGHTS, "neutral=2"));
    assertTrue(refusal.startsWith("--class-weights is 'neutral=2'"), refusal);
  }
}
