package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.cli.AttuneProcess.Ended;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Several configs on one command line, from outside. */
class GroupedTrainingTest {
  @TempDir static Path shared;
  private static Path model;
  private static Path train;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 100, 1);
  }

  private Path config(String name, String more) throws IOException {
    return Files.writeString(
        scratch.resolve(name + ".yaml"),
        """
        model: %s
        train-file: %s
        output-dir: %s
        lora-r: 4
        max-steps: 3
        batch-size: 8
        threads: 1
        run-store: none
        %s
        """
            .formatted(model, train, scratch.resolve(name), more));
  }

  @Test
  void eachConfigIsARunAndOneThatFailsIsNamed() throws IOException {
    Path first = config("first", "seed: 1");
    Path bad = config("bad", "columns: text=nothing");
    Path second = config("second", "lora-targets: query,value");
    Ended ended =
        AttuneProcess.run(
            scratch,
            "train",
            "--config",
            first.toString(),
            "--config",
            bad.toString(),
            "--config",
            second.toString(),
            "--precision",
            "fp32",
            "--json");
    assertEquals(ExitStatus.BAD_INPUT, ended.status(), ended.err());
    JsonNode runs = ended.json().get("runs");
    assertEquals(3, runs.size());
    assertEquals(3, runs.get(0).get("steps").asInt());
    assertEquals(scratch.resolve("first").toString(), runs.get(0).get("output_dir").asText());
    assertTrue(runs.get(1).get("error").asText().contains("nothing"), ended.out());
    assertEquals(3, runs.get(2).get("steps").asInt());
    assertTrue(ended.err().contains(scratch.resolve("second") + "  step 3/3"), ended.err());
    Path alone = scratch.resolve("alone");
    Ended again =
        AttuneProcess.run(
            scratch,
            "train",
            "--config",
            second.toString(),
            "--precision",
            "fp32",
            "--output-dir",
            alone.toString());
    assertEquals(0, again.status(), again.err());
    String weights = "adapter_model.safetensors";
    assertArrayEquals(
        Files.readAllBytes(alone.resolve(weights)),
        Files.readAllBytes(scratch.resolve("second").resolve(weights)));
  }

  @Test
  void whatDiffersIsNamedBeforeAnythingBegins() throws IOException {
    Ended ended =
        AttuneProcess.run(
            scratch,
            "train",
            "--config",
            config("first", "precision: fp32").toString(),
            "--config",
            config("second", "precision: bf16").toString());
    assertEquals(ExitStatus.BAD_INPUT, ended.status(), ended.err());
    assertTrue(ended.err().contains("--precision is fp32 for"), ended.err());
    assertTrue(Files.notExists(scratch.resolve("first")), "a folder was made");
  }
}
