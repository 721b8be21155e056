package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What generation_config.json says decides on metrics where evaluations generate. */
class GenerationIdentityTest {
  @TempDir Path scratch;

  private RecordedRun run(Path model, Path data) {
    return new RecordedRun(model, data, scratch.resolve("out"))
        .with(RunOption.TASK, "causal-lm")
        .with(RunOption.VALIDATION_FILE, data.toString())
        .with(RunOption.MAX_STEPS, "4")
        .with(RunOption.EVAL_STEPS, "2")
        .with(RunOption.SAVE_STEPS, "1");
  }

  @Test
  void anotherGenerationConfigIsNotResumedWhereItCounts() throws IOException {
    Path model;
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyDecoder.write(scratch.resolve("model"), backend, 16);
    }
    Path data = scratch.resolve("data.jsonl");
    Files.writeString(data, "{\"prompt\": \"one two\", \"completion\": \" three\"}\n".repeat(3));
    Path settings = model.resolve("generation_config.json");
    Files.writeString(settings, "{\"repetition_penalty\": 1.1}");
    assertTrue(run(model, data).stoppedAfter(1).run().training().interrupted());
    Files.writeString(settings, "{\"repetition_penalty\": 1.4}");
    assertEquals(4, run(model, data).with(RunOption.RESUME).run().training().steps());
    Files.writeString(settings, "{\"repetition_penalty\": 1.1}");
    RecordedRun begun =
        run(model, data)
            .with(RunOption.EVALUATE_WITH, "generate")
            .with(RunOption.MAX_NEW_TOKENS, "3")
            .with(RunOption.OVERWRITE);
    assertTrue(begun.stoppedAfter(1).run().training().interrupted());
    Files.writeString(settings, "{\"repetition_penalty\": 1.4}");
    String refusal =
        run(model, data)
            .with(RunOption.EVALUATE_WITH, "generate")
            .with(RunOption.MAX_NEW_TOKENS, "3")
            .with(RunOption.RESUME)
            .refusal();
    assertTrue(refusal.contains("generation_config.json of the base model was"), refusal);
  }
}
