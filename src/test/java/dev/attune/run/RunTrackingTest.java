package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.track.Documents;
import dev.attune.track.Point;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import dev.attune.train.DivergedException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a training run leaves in the run store and elsewhere. */
class RunTrackingTest {
  @TempDir private Path scratch;
  private Path model;
  private Path train;
  private Path validation;
  private Path store;

  @BeforeEach
  void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 20, 2);
    store = scratch.resolve("runs");
  }

  private RecordedRun run(String output) {
    return new RecordedRun(model, train, scratch.resolve(output))
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .with(RunOption.RUN_STORE, store.toString());
  }

  private static List<Double> values(RunStore runs, StoredRun run, String series) {
    return runs.points(run, series, Long.MIN_VALUE).stream().map(Point::value).toList();
  }

  @Test
  void aRunIsThereWithAllThatIsKnownOfIt() throws IOException {
    RecordedRun run = run("out").with(RunOption.TEST_FILE, validation.toString());
    TrainRun.Outcome outcome = run.run();
    try (RunStore runs = RunStore.open(store)) {
      StoredRun stored = runs.find(scratch.resolve("out").toString());
      assertEquals(RunStatus.FINISHED, stored.status());
      assertEquals("out", stored.name());
      assertEquals(6, stored.step());
      assertEquals(6, stored.totalSteps());
      assertEquals(6, values(runs, stored, "train/loss").size());
      Map<String, Double> last = runs.last(stored);
      assertEquals(outcome.evaluation().get("accuracy"), last.get("eval/accuracy"));
      assertEquals(outcome.test().get("accuracy"), last.get("test/accuracy"));
      JsonNode config = runs.document(stored, Documents.CONFIG);
      assertEquals("1e-3", config.path("learning-rate").asText());
      assertEquals("0.01", config.path("weight-decay").asText(), "a default");
      JsonNode reproduction = runs.document(stored, Documents.REPRODUCTION);
      String command = reproduction.path("command").asText();
      assertTrue(command.startsWith("attune train --model "), command);
      assertTrue(command.contains(" --max-steps 6"), command);
      assertFalse(command.contains("weight-decay"), "that is a default");
      assertFalse(reproduction.path("fingerprints").path("training_data").asText().isEmpty());
      assertEquals("fp32", runs.document(stored, Documents.ENVIRONMENT).path("precision").asText());
      JsonNode confusion = runs.document(stored, Documents.CONFUSION);
      assertEquals(2, confusion.path("labels").size());
      int rows = 0;
      for (JsonNode counts : confusion.path("counts")) {
        for (JsonNode count : counts) {
          rows += count.asInt();
        }
      }
      assertEquals(20, rows);
      assertEquals(20, runs.document(stored, Documents.MISTAKES).path("compared").asInt());
      assertTrue(
          runs.document(stored, Documents.ARTIFACTS).toString().contains("model.safetensors"));
      assertEquals(
          160, runs.document(stored, Documents.DATA_REPORT).at("/splits/train/rows").asInt());
    }
  }

  @Test
  void aResumedRunIsOneRunWithTheCurvesOfAnUnbrokenOne() throws IOException {
    run("whole").run();
    run("out").stoppedAfter(3).run();
    String id;
    try (RunStore runs = RunStore.open(store)) {
      StoredRun stored = runs.find("out");
      assertEquals(RunStatus.INTERRUPTED, stored.status());
      assertEquals(3, stored.step());
      id = stored.id();
    }
    run("out").with(RunOption.RESUME).run();
    try (RunStore runs = RunStore.open(store)) {
      StoredRun stored = runs.find("out");
      assertEquals(id, stored.id());
      assertEquals(RunStatus.FINISHED, stored.status());
      for (String series : List.of("train/loss", "train/learning_rate", "eval/loss")) {
        assertEquals(
            values(runs, runs.find("whole"), series), values(runs, stored, series), series);
      }
    }
    run("out").with(RunOption.OVERWRITE).run();
    try (RunStore runs = RunStore.open(store)) {
      assertEquals(3, runs.runs().size(), "a run that begins anew is another");
    }
  }

  @Test
  void aRunThatFailsSaysWhy() throws IOException {
    train = scratch.resolve("scores.csv");
    Files.writeString(train, "text,label\n" + "very good,1\nso bad,1e30\n".repeat(8));
    RecordedRun diverging =
        new RecordedRun(model, train, scratch.resolve("out"))
            .with(RunOption.TASK, "regression")
            .with(RunOption.RUN_STORE, store.toString());
    assertThrows(DivergedException.class, diverging::run);
    try (RunStore runs = RunStore.open(store)) {
      StoredRun stored = runs.runs().get(0);
      assertEquals(RunStatus.FAILED, stored.status());
      String error = runs.document(stored, Documents.ERROR).path("message").asText();
      assertTrue(error.contains("Try a lower --learning-rate"), error);
    }
  }

  @Test
  void aStoreThatCannotBeWrittenCostsAWarningNotTheRun() throws IOException {
    Files.writeString(store, "a file in its place");
    RecordedRun run = run("out");
    TrainRun.Outcome outcome = run.run();
    assertEquals(6, outcome.training().steps());
    List<String> said = run.notes().stream().filter(n -> n.contains("run store")).toList();
    assertTrue(said.get(0).contains("cannot be written"), said::toString);
    assertTrue(said.get(said.size() - 1).contains("numbers of the run are not in"), said::toString);
    assertEquals(2, said.size(), said::toString);
  }

  @Test
  void recordingChangesNothingInTheModel() throws IOException {
    run("recorded").run();
    new RecordedRun(model, train, scratch.resolve("plain"))
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .run();
    assertArrayEquals(
        Files.readAllBytes(scratch.resolve("plain/model.safetensors")),
        Files.readAllBytes(scratch.resolve("recorded/model.safetensors")));
  }

  @Test
  void aReportAndEventFilesAreLeftWhereTheyAreAskedFor() throws IOException {
    RecordedRun run =
        run("out").with(RunOption.REPORT).with(RunOption.REPORT_TO, "tensorboard,openmetrics");
    run.run();
    String page = Files.readString(scratch.resolve("out/report.html"));
    assertTrue(page.contains("Confusion matrix, validation data"), "without test data");
    assertTrue(page.contains("--max-steps 6"));
    assertTrue(Files.readString(scratch.resolve("out/curves.svg")).startsWith("<svg "));
    try (Stream<Path> files = Files.list(scratch.resolve("out/tensorboard"))) {
      assertEquals(1, files.count());
    }
    String metrics = Files.readString(scratch.resolve("out/metrics.prom"));
    assertTrue(metrics.contains("attune_running{run=\"out\"} 0.0"), metrics);
    run("out").with(RunOption.OVERWRITE).run();
    assertFalse(Files.exists(scratch.resolve("out/report.html")), "it is of another run");
  }

  @Test
  void whatCannotBeDoneIsRefusedBeforeAnythingIs() {
    String place = run("out").with(RunOption.REPORT_TO, "wandb").refusal();
    assertEquals(
        "--report-to is 'wandb'; it is a list of tensorboard, mlflow and openmetrics, or none",
        place);
    String port = run("out").with(RunOption.METRICS_PORT, "9090").refusal();
    assertEquals("--metrics-port needs --report-to openmetrics", port);
    String report = run("out").with(RunOption.RUN_STORE, "none").with(RunOption.REPORT).refusal();
    assertTrue(report.startsWith("--report is made of what --run-store has"), report);
    assertFalse(Files.exists(scratch.resolve("out")));
  }

  @Test
  void aModelThatLearnsNothingIsSpokenOf() {
    RecordedRun run =
        run("out")
            .with(RunOption.LEARNING_RATE, "1e-9")
            .with(RunOption.MAX_STEPS, "40")
            .with(RunOption.TEST_FILE, validation.toString());
    run.run();
    assertTrue(
        run.notes().stream().anyMatch(note -> note.startsWith("underfitting: ")),
        run.notes()::toString);
  }
}
