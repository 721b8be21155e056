package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.track.Host;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code attune runs} and {@code attune report}, as they are typed. */
class RunsCommandTest {
  @TempDir private static Path scratch;

  /** What a command printed, and how it ended. */
  private record Said(int status, String out, String err) {
    JsonNode json() throws IOException {
      String[] lines = out.strip().split("\n");
      return new ObjectMapper().readTree(lines[lines.length - 1]);
    }
  }

  private static Said attune(String... words) {
    PrintStream out = System.out;
    PrintStream err = System.err;
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    ByteArrayOutputStream complained = new ByteArrayOutputStream();
    try {
      System.setOut(new PrintStream(said, true, StandardCharsets.UTF_8));
      System.setErr(new PrintStream(complained, true, StandardCharsets.UTF_8));
      int status = Main.run(words);
      System.out.flush();
      return new Said(
          status,
          said.toString(StandardCharsets.UTF_8),
          complained.toString(StandardCharsets.UTF_8));
    } finally {
      System.setOut(out);
      System.setErr(err);
    }
  }

  private static Said runs(String... words) {
    List<String> all = new ArrayList<>(List.of("runs"));
    all.addAll(List.of(words));
    all.addAll(List.of("--run-store", scratch.resolve("runs").toString()));
    return attune(all.toArray(String[]::new));
  }

  @BeforeAll
  static void train() {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(scratch.resolve("model"), backend);
    }
    Path data = TinyModel.writeData(scratch.resolve("train.csv"), 80, 1);
    for (String rate : List.of("1e-3", "1e-2")) {
      Said said =
          attune(
              "train",
              "--model",
              scratch.resolve("model").toString(),
              "--train-file",
              data.toString(),
              "--validation-file",
              data.toString(),
              "--output-dir",
              scratch.resolve("rate-" + rate).toString(),
              "--learning-rate",
              rate,
              "--max-steps",
              "8",
              "--batch-size",
              "16",
              "--threads",
              "1",
              "--run-store",
              scratch.resolve("runs").toString());
      assertEquals(0, said.status(), said.err());
    }
  }

  @Test
  void runsAreListedAndFiltered() throws IOException {
    Said all = runs("list");
    assertTrue(all.out().contains("rate-1e-3") && all.out().contains("rate-1e-2"), all.out());
    assertTrue(all.out().contains("finished") && all.out().contains("eval/loss"), all.out());
    assertTrue(all.out().endsWith("2 runs\n"), all.out());
    JsonNode json = runs("list", "--json").json();
    assertEquals("rate-1e-2", json.path("runs").get(0).path("name").asText(), "the newest first");
    assertEquals(8, json.path("runs").get(0).path("step").asInt());
    assertEquals(0, runs("list", "--status", "failed", "--json").json().path("runs").size());
    assertEquals(2, runs("list", "--task", "classification", "--json").json().path("runs").size());
    Said metric = runs("list", "--metric", "eval/accuracy,train/loss");
    assertTrue(metric.out().lines().findFirst().orElse("").contains("eval/accuracy"), metric.out());
  }

  @Test
  void oneIsShownAndTwoAreCompared() throws IOException {
    JsonNode one = runs("show", "rate-1e-3", "--json").json();
    assertEquals("1e-3", one.path("config").path("learning-rate").asText());
    assertTrue(one.path("reproduction").path("command").asText().contains("--learning-rate 1e-3"));
    Said shown = runs("show", scratch.resolve("rate-1e-3").toString());
    assertTrue(shown.out().contains("--learning-rate 1e-3"), shown.out());
    Said compared = runs("compare", "rate-1e-3", "rate-1e-2");
    assertTrue(compared.out().contains("learning-rate"), compared.out());
    assertFalse(compared.out().contains("weight-decay"), "that is the same in both");
    JsonNode json = runs("compare", "rate-1e-3", "rate-1e-2", "--json").json();
    assertEquals(2, json.path("differing").path("learning-rate").size());
    assertFalse(json.path("differing").has("training_data (content)"));
  }

  @Test
  void curvesAreDrawnAndNumbersExported() throws IOException {
    Said plot = runs("plot", "rate-1e-3", "rate-1e-2", "--metric", "train/loss");
    assertTrue(plot.out().startsWith("train/loss\n"), plot.out());
    assertTrue(plot.out().contains("rate-1e-2"), plot.out());
    Path file = scratch.resolve("runs.csv");
    assertEquals(0, runs("export", "all", "--output", file.toString()).status());
    List<String> lines = Files.readAllLines(file);
    assertEquals("run,name,series,step,time,value", lines.get(0));
    assertEquals(16, lines.stream().filter(line -> line.contains(",train/loss,")).count());
    assertTrue(runs("export", "rate-1e-3").out().startsWith("run,name,series"));
  }

  @Test
  void aReportIsWritten() {
    String page = scratch.resolve("page.html").toString();
    String store = scratch.resolve("runs").toString();
    Said said = attune("report", "rate-1e-3", "--output", page, "--run-store", store);
    assertEquals(0, said.status(), said.err());
    assertTrue(Files.exists(Path.of(page)));
  }

  @Test
  void whatIsWrittenNeverTakesTheStoresPlace() throws IOException {
    Path store = scratch.resolve("runs");
    for (String name : List.of("runs.db", "runs.db-wal", "runs.db-shm", "runs.db-journal")) {
      String file = scratch.resolve("model/../runs").resolve(name).toString();
      Said exported = runs("export", "all", "--output", file);
      assertEquals(2, exported.status(), exported.err());
      assertTrue(exported.err().contains("belongs to the run store itself"), exported.err());
      Said report =
          attune("report", "rate-1e-3", "--output", file, "--run-store", store.toString());
      assertEquals(2, report.status(), report.err());
    }
    Path link = Files.createSymbolicLink(scratch.resolve("link.csv"), store.resolve("runs.db"));
    assertEquals(2, runs("export", "all", "--output", link.toString()).status());
    assertTrue(runs("list").out().contains("rate-1e-3"));
    Said dot = attune("report", "rate-1e-3", "--output", scratch + "", "--run-store", store + "");
    assertEquals(2, dot.status(), dot.err());
    assertTrue(dot.err().contains("--output is " + scratch + ", which is a folder"), dot.err());
  }

  @Test
  void oneRunIsNotComparedWithItself() {
    Said same = runs("compare", "rate-1e-3", "rate-1e-3");
    assertEquals(2, same.status());
    assertTrue(
        same.err().contains("at least 2 runs, and rate-1e-3 and rate-1e-3 is one"), same.err());
  }

  @Test
  void aStoreOfAnotherVersionAndOddValuesAreShown() throws Exception {
    Path store = Files.createDirectories(scratch.resolve("odd"));
    Files.copy(scratch.resolve("runs/runs.db"), store.resolve("runs.db"));
    String name = "x\ny\t" + "n".repeat(5000);
    try (Connection db = DriverManager.getConnection("jdbc:sqlite:" + store.resolve("runs.db"));
        PreparedStatement set =
            db.prepareStatement(
                "UPDATE runs SET status = 'PAUSED', name = ?, created = ?, ended = ?"
                    + " WHERE number = 1")) {
      set.setString(1, name);
      set.setLong(2, -(1L << 62));
      set.setLong(3, 1L << 62);
      set.executeUpdate();
    }
    String[] at = {"--run-store", store.toString()};
    Said list = attune("runs", "list", at[0], at[1]);
    assertEquals(0, list.status(), list.err());
    assertTrue(list.out().contains("x\\ny\\tnnn") && list.out().contains(" unknown "), list.out());
    assertTrue(list.out().contains("another version of Attune wrote a status"), list.out());
    assertEquals(5, list.out().lines().count(), list.out());
    Said show = attune("runs", "show", name, at[0], at[1]);
    assertEquals(0, show.status(), show.err());
    assertTrue(show.out().lines().findFirst().orElse("").endsWith("nnn  (unknown)"), show.out());
    Said compared = attune("runs", "compare", name, "rate-1e-2", at[0], at[1]);
    assertTrue(compared.out().lines().anyMatch(l -> l.startsWith("name") && l.contains("\\n")));
    Said gone = attune("runs", "delete", name, "--dry-run", at[0], at[1]);
    assertEquals(1, gone.out().lines().count(), gone.out());
    assertTrue(gone.out().length() < 500, gone.out());
  }

  @Test
  void aRunIsForgottenAndItsModelStays() throws IOException {
    Path output = scratch.resolve("gone");
    Path data = scratch.resolve("train.csv");
    attune(
        "train",
        "--model",
        scratch.resolve("model").toString(),
        "--train-file",
        data.toString(),
        "--output-dir",
        output.toString(),
        "--max-steps",
        "2",
        "--threads",
        "1",
        "--run-store",
        scratch.resolve("deleted").toString());
    String store = scratch.resolve("deleted").toString();
    Said would = attune("runs", "delete", "gone", "--dry-run", "--run-store", store);
    assertTrue(would.out().startsWith("would delete "), would.out());
    assertEquals(0, attune("runs", "delete", "gone", "--run-store", store).status());
    assertEquals(2, attune("runs", "show", "gone", "--run-store", store).status());
    assertTrue(Files.exists(output.resolve("model.safetensors")));
  }

  @Test
  void aRunThatGoesOnDoesNotKeepTheOthers() throws Exception {
    Path store = Files.createDirectories(scratch.resolve("going-on"));
    Files.copy(scratch.resolve("runs/runs.db"), store.resolve("runs.db"));
    try (Connection db = DriverManager.getConnection("jdbc:sqlite:" + store.resolve("runs.db"));
        PreparedStatement set =
            db.prepareStatement(
                "UPDATE runs SET status = 'RUNNING', ended = NULL, host = ?, pid = ?,"
                    + " process_started = ?, seen = ? WHERE number = 1")) {
      ProcessHandle self = ProcessHandle.current();
      set.setString(1, Host.name());
      set.setLong(2, self.pid());
      set.setLong(3, self.info().startInstant().orElseThrow().toEpochMilli());
      set.setLong(4, System.currentTimeMillis());
      set.executeUpdate();
    }
    String[] at = {"--run-store", store.toString()};
    Said delete = attune("runs", "delete", "all", at[0], at[1]);
    assertEquals(2, delete.status(), delete.out());
    assertTrue(delete.err().contains("1 run is not deleted: run "), delete.err());
    assertTrue(delete.err().contains(" is running; stop it first"), delete.err());
    assertTrue(delete.out().lines().allMatch(l -> l.startsWith("deleted ")), delete.out());
    assertTrue(delete.out().lines().count() > 0);
    String left = attune("runs", "list", at[0], at[1]).out();
    assertEquals(1, left.lines().filter(l -> l.contains(" running ")).count(), left);
    assertEquals(0, left.lines().filter(l -> l.contains(" finished ")).count(), left);
  }

  @Test
  void whatMakesNoSenseIsRefused() {
    Said nothing = attune("runs");
    assertEquals(2, nothing.status());
    assertTrue(nothing.err().contains("say what to do"), nothing.err());
    assertTrue(runs("compare", "rate-1e-3").err().contains("at least 2 runs, not 1"));
    assertTrue(runs("list", "--output", "x").err().contains("--output is for attune runs export"));
    assertTrue(
        runs("list", "--status", "dead").err().contains("--status is 'dead'; it is running"));
    Said metric = runs("plot", "rate-1e-3", "--metric", "train/los");
    assertTrue(metric.err().contains("there are eval/accuracy"), metric.err());
    Said filtered = runs("delete", "rate-1e-3", "--status", "failed");
    assertEquals(2, filtered.status());
    assertTrue(filtered.err().contains("--status chooses among all runs"), filtered.err());
    assertTrue(runs("list").out().contains("rate-1e-3"), "it is there still");
    String store = scratch.resolve("runs").toString();
    String page = scratch.resolve("no-folder/page.html").toString();
    Said unwritten = attune("report", "rate-1e-3", "--output", page, "--run-store", store);
    assertTrue(unwritten.err().contains("cannot be written: NoSuchFile "), unwritten.err());
    String none = scratch.resolve("nowhere").toString();
    Said missing = attune("runs", "list", "--run-store", none);
    assertEquals(2, missing.status());
    assertTrue(missing.err().contains("--run-store names another folder"), missing.err());
    assertTrue(attune("report").err().contains("takes one run, not 0"));
  }
}
