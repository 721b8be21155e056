package dev.attune.run;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.attune.core.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.InvalidPathException;

/** Fuzz target of config files: options, checked as those of a run, or an InputException. */
class ConfigFuzzTest {
  @FuzzTest
  void yaml(byte[] bytes) {
    try {
      RunConfig config =
          RunConfig.builder(CommandOptions.TRAIN)
              .setAll(new String(bytes, StandardCharsets.UTF_8), "fuzz.yaml")
              .build();
      TrainPlan.of(config);
    } catch (InputException | InvalidPathException e) {
      // It is none, or names what there is not: both end a command with one line.
    }
  }
}
