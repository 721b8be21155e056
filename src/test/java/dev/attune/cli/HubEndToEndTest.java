package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.hub.FakeHub;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.DisabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/** Names of the hub on the command line, from a hub on this machine. */
@DisabledOnOs(OS.WINDOWS)
class HubEndToEndTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path shared;
  private static FakeHub server;
  private static Map<String, byte[]> files;
  private static String commit;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    Path model;
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    Path rows = TinyModel.writeData(shared.resolve("train.csv"), 100, 1);
    server = new FakeHub();
    files = FakeHub.files(model);
    commit = server.model("some-org/tiny").commit("main", files);
    server.dataset("some-org/rows").commit("main", Map.of("train.csv", Files.readAllBytes(rows)));
  }

  @AfterAll
  static void stop() {
    server.close();
  }

  private Ended attune(List<String> variables, String... arguments) {
    List<String> prefix =
        new java.util.ArrayList<>(
            List.of(
                "env",
                "HF_HOME=" + scratch.resolve("home"),
                "HF_ENDPOINT=" + server.address(),
                "NO_PROXY=127.0.0.1,localhost"));
    prefix.addAll(variables);
    return AttuneProcess.start(scratch, prefix, arguments).await();
  }

  @Test
  void anAdapterOfANamedModelIsTrainedAndUsedByNamesAlone() throws IOException {
    Path output = scratch.resolve("adapter");
    String data = "hf://datasets/some-org/rows/train.csv";
    Ended trained =
        attune(
            List.of(),
            "train",
            "--model",
            "some-org/tiny@" + commit,
            "--train-file",
            data,
            "--output-dir",
            output.toString(),
            "--max-steps",
            "2",
            "--lora-r",
            "2");
    assertEquals(0, trained.status(), trained::err);
    assertTrue(trained.out().contains("Fetching the model some-org/tiny@" + commit), trained::out);
    JsonNode adapter = JSON.readTree(output.resolve("adapter_config.json").toFile());
    assertEquals("some-org/tiny", adapter.path("base_model_name_or_path").asText());
    assertEquals(commit, adapter.path("revision").asText());

    Ended pushed =
        attune(
            List.of("HF_TOKEN=hf_right"),
            "push",
            output.toString(),
            "--repo",
            "some-org/adapter",
            "--commit-message",
            "A tiny adapter",
            "--json");
    assertEquals(0, pushed.status(), pushed::err);
    assertFalse((pushed.out() + pushed.err()).contains("hf_right"));
    assertTrue(pushed.json().path("created").asBoolean(), pushed::out);
    assertTrue(pushed.json().path("left_out").has("metrics.jsonl"), pushed::out);
    assertTrue(pushed.json().path("card").asText().contains("base_model: some-org/tiny\n"));
    Ended fetched = attune(List.of(), "hub", "fetch", "some-org/adapter");
    assertEquals(0, fetched.status(), fetched::err);
    Path there = Path.of(fetched.out().strip());
    for (String file : FakeHub.files(there).keySet()) {
      assertEquals(
          -1, Files.mismatch(output.resolve(file), there.resolve(file)), "the same bytes: " + file);
    }

    Ended evaluated =
        attune(List.of(), "evaluate", "--model", "some-org/adapter", "--file", data, "--json");
    assertEquals(0, evaluated.status(), evaluated::err);
    Ended offline =
        attune(
            List.of("HF_HUB_OFFLINE=1"),
            "evaluate",
            "--model",
            output.toString(),
            "--file",
            data,
            "--json");
    assertEquals(0, offline.status(), offline::err);
    for (String metric : List.of("loss", "accuracy", "examples")) {
      assertEquals(evaluated.json().path(metric), offline.json().path(metric), metric);
    }

    Ended onto =
        attune(
            List.of(),
            "train",
            "--model",
            "some-org/adapter",
            "--train-file",
            data,
            "--max-steps",
            "1",
            "--output-dir",
            scratch.resolve("onto").toString());
    assertEquals(0, onto.status(), onto::err);
    JsonNode more = JSON.readTree(scratch.resolve("onto/adapter_config.json").toFile());
    assertEquals("some-org/tiny", more.path("base_model_name_or_path").asText());
    assertEquals(commit, more.path("revision").asText());
  }

  @Test
  void theHubCommandListsFetchesAndPrunes() throws IOException {
    Ended fetched = attune(List.of(), "hub", "fetch", "some-org/tiny");
    assertEquals(0, fetched.status(), fetched::err);
    Path folder = scratch.resolve("home/hub/models--some-org--tiny/snapshots").resolve(commit);
    assertEquals(folder + "\n", fetched.out(), "the folder alone, for scripts");
    assertTrue(Files.exists(folder.resolve("model.safetensors")));
    JsonNode listed = attune(List.of(), "hub", "list", "--json").json();
    JsonNode only = listed.path("repositories").path(0);
    assertEquals("some-org/tiny", only.path("id").asText());
    assertEquals("main", only.path("revisions").path(0).path("refs").path(0).asText());
    assertTrue(only.path("size_bytes").asLong() > 1000);
    Ended pruned = attune(List.of(), "hub", "prune", "--json");
    assertEquals(0, pruned.json().path("files").asInt(), pruned::out);
    Path repository = scratch.resolve("home/hub/models--some-org--tiny");
    Files.delete(repository.resolve("refs/main"));
    Ended spared = attune(List.of(), "hub", "prune");
    assertTrue(spared.out().contains("within the last hour"), spared::out);
    assertTrue(spared.out().contains("removed 0 commits"), spared::out);
    FakeHub.age(repository);
    assertEquals(
        1,
        attune(List.of(), "hub", "prune", "--dry-run", "--json").json().path("revisions").size());
    assertEquals(0, attune(List.of(), "hub", "prune").status());
    assertFalse(Files.exists(repository));
    for (String[] wrong :
        new String[][] {
          {"hub"},
          {"hub", "fetch"},
          {"hub", "none"},
          {"hub", "list", "x"},
          {"train", "x"},
          {"hub", "prune", "some-org/none"},
          {"hub", "list", "--dry-run"}
        }) {
      assertEquals(2, attune(List.of(), wrong).status(), String.join(" ", wrong));
    }
  }

  @Test
  void whatCannotBeHadEndsWithTheRightStatus() {
    Ended none = attune(List.of(), "hub", "fetch", "some-org/none");
    assertEquals(2, none.status(), none::err);
    assertTrue(none.err().contains("model folder some-org/none not found"), none::err);
    assertTrue(none.err().contains("there is no model some-org/none on"), none::err);
    Ended offline = attune(List.of("HF_HUB_OFFLINE=1"), "hub", "fetch", "some-org/tiny");
    assertEquals(2, offline.status(), offline::err);
    Ended data =
        attune(
            List.of(),
            "evaluate",
            "--model",
            "some-org/tiny",
            "--file",
            "hf://datasets/some-org/rows/none.csv");
    assertEquals(2, data.status(), data::err);
    assertTrue(data.err().contains("has no file 'none.csv'"), data::err);
  }

  @Test
  void codeThatAModelBringsIsNeverRun() throws IOException {
    Map<String, byte[]> own = new HashMap<>(files);
    ObjectNode config = (ObjectNode) JSON.readTree(own.get("config.json"));
    config.putObject("auto_map").put("AutoModel", "modeling_own.OwnModel");
    own.put("config.json", config.toString().getBytes(StandardCharsets.UTF_8));
    server.model("some-org/code").commit("main", own);
    Ended known = attune(List.of(), "hub", "fetch", "some-org/code");
    assertEquals(0, known.status(), known::err);
    assertTrue(
        known.err().contains("code of its own (auto_map in config.json), which is never run"),
        known::err);
    config.put("model_type", "own");
    own.put("config.json", config.toString().getBytes(StandardCharsets.UTF_8));
    server.model("some-org/foreign").commit("main", own);
    Ended foreign = attune(List.of(), "hub", "fetch", "some-org/foreign");
    assertEquals(2, foreign.status(), foreign::err);
    assertTrue(foreign.err().contains("model type 'own' is not supported"), foreign::err);
    assertTrue(foreign.err().contains("(auto_map), which is never run here"), foreign::err);
  }

  @Test
  void theDoctorShowsTheHubWithoutTheToken() {
    Ended doctor = attune(List.of("HF_TOKEN=hf_secret"), "doctor", "--json");
    assertEquals(0, doctor.status(), doctor::err);
    assertEquals(server.address(), doctor.json().path("hub").asText());
    assertEquals("set, in HF_TOKEN", doctor.json().path("hub_token").asText());
    assertEquals(scratch.resolve("home/hub").toString(), doctor.json().path("hub_cache").asText());
    assertFalse((doctor.out() + doctor.err()).contains("hf_secret"));
  }
}
