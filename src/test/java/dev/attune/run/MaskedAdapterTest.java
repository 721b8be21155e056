package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.Safetensors;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters of masked language models: trained, read, filled with, trained further and merged. */
class MaskedAdapterTest {
  private static final Compute CPU = new Compute(BackendKind.CPU, PrecisionOption.FP32, 1);

  @TempDir Path scratch;
  private Path body;
  private Path train;
  private Path validation;

  @BeforeEach
  void write() {
    try (CpuBackend backend = new CpuBackend(1)) {
      body = TinyModel.write(scratch.resolve("body"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 40, 2);
  }

  private RecordedRun run(Path model, Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.TASK, "masked-lm")
        .with(RunOption.VALIDATION_FILE, validation.toString());
  }

  private double loss(Path model) {
    RunConfig config =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, model.toString())
            .set(RunOption.FILE, validation.toString())
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.THREADS, "1")
            .build();
    return EvaluateRun.run(config).values().get("loss");
  }

  @Test
  void anAdapterIsTrainedAndUsedAsElsewhere() throws IOException {
    Path model = scratch.resolve("model");
    run(body, model).run();
    Path output = scratch.resolve("adapter");
    RecordedRun adapted = run(model, output).with(RunOption.LORA_R, "4");
    TrainRun.Outcome outcome = adapted.run();
    assertTrue(outcome.isAdapter());
    double loss = outcome.evaluation().get("loss");
    assertTrue(loss < loss(model), loss + " against " + loss(model));
    JsonNode config = new ObjectMapper().readTree(output.resolve("adapter_config.json").toFile());
    assertTrue(config.get("task_type").isNull(), config::toString);
    assertTrue(config.get("modules_to_save").isNull(), "the head is the base's: " + config);
    try (WeightSource source = Safetensors.open(output.resolve("adapter_model.safetensors"))) {
      Set<String> names = source.names();
      assertTrue(names.stream().allMatch(name -> name.contains(".lora_")), names::toString);
      assertTrue(
          names.contains("base_model.model.cls.predictions.transform.dense.lora_A.weight"),
          names::toString);
    }
    assertEquals(loss, loss(output), 1e-6);
    // As PEFT leaves it: nothing but its own two files.
    Files.delete(output.resolve("attune.json"));
    assertEquals(loss, loss(output), 1e-6);
    Path further = scratch.resolve("further");
    run(output, further).run();
    assertTrue(loss(further) < loss, "trained further");
    Path merged = scratch.resolve("merged");
    MergeRun.run(
        RunConfig.builder(CommandOptions.MERGE)
            .set(RunOption.MODEL, output.toString())
            .set(RunOption.OUTPUT_DIR, merged.toString())
            .build());
    assertEquals(loss, loss(merged), 1e-5);
    try (MaskModel adapter = MaskModel.open(output, OpenOptions.DEFAULT, CPU);
        MaskModel whole = MaskModel.open(merged, OpenOptions.DEFAULT, CPU)) {
      List<String> texts = List.of("a [MASK] phone");
      MaskModel.Wanted wanted = new MaskModel.Wanted(3, List.of());
      List<MaskModel.Fill> ours = adapter.fill(texts, wanted, n -> {}).get(0).get(0);
      List<MaskModel.Fill> theirs = whole.fill(texts, wanted, n -> {}).get(0).get(0);
      for (int i = 0; i < 3; i++) {
        assertEquals(theirs.get(i).token(), ours.get(i).token());
        assertEquals(theirs.get(i).score(), ours.get(i).score(), 1e-5);
      }
    }
  }

  @Test
  void aHeadThatIsDrawnAnewIsNotFrozen() {
    Path output = scratch.resolve("out");
    String said = run(body, output).with(RunOption.LORA_R, "4").refusal();
    assertTrue(
        said.startsWith(
            "--lora-r: the model folder has no cls.predictions.transform.dense.weight; frozen beside"
                + " adapters, it would stay as it is drawn at random."),
        said);
    assertTrue(said.contains("--lora-modules-to-save cls.predictions.transform.dense"), said);
    assertFalse(Files.exists(output.resolve("adapter_model.safetensors")));
    RecordedRun whole =
        run(body, output)
            .with(RunOption.LORA_R, "4")
            .with(RunOption.LORA_MODULES_TO_SAVE, "cls.predictions");
    double loss = whole.run().evaluation().get("loss");
    assertEquals(loss, loss(output), 1e-6);
  }
}
