package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class OptionNamesTest {
  @ParameterizedTest
  @CsvSource({
    "num_train_epochs, EPOCHS",
    "per_device_train_batch_size, BATCH_SIZE",
    "Per-Device-Train-Batch-Size, BATCH_SIZE",
    "lr_scheduler_type, LR_SCHEDULER",
    "learning_rate, LEARNING_RATE",
    "label_smoothing_factor, LABEL_SMOOTHING",
    "model_name_or_path, MODEL",
    "overwrite_output_dir, OVERWRITE",
    "lora_rank, LORA_R",
    "test_file, TEST_FILE",
    "load_best_model_at_end, LOAD_BEST_MODEL_AT_END",
  })
  void namesOfTransformersAndUnderscoresAreUnderstood(String name, RunOption option) {
    assertEquals(Optional.of(option), OptionNames.find(name, CommandOptions.TRAIN));
  }

  @Test
  void aNameMeansWhatTheCommandHas() {
    assertEquals(
        Optional.of(RunOption.FILE), OptionNames.find("test_file", CommandOptions.EVALUATE));
    assertEquals(Optional.of(RunOption.OUTPUT), OptionNames.find("output", CommandOptions.PREDICT));
    assertEquals(
        Optional.of(RunOption.OUTPUT_DIR), OptionNames.find("output", CommandOptions.MERGE));
    assertEquals(Optional.empty(), OptionNames.find("num_train_epochs", CommandOptions.MERGE));
    // Beside --test-file it would name the same option, and the two files become one.
    assertEquals(Optional.empty(), OptionNames.find("validation_file", CommandOptions.EVALUATE));
  }

  @Test
  void noOtherNameHidesAnOption() {
    for (RunOption option : RunOption.values()) {
      assertEquals(
          Optional.of(option),
          OptionNames.find(option.option(), Arrays.asList(RunOption.values())));
    }
  }

  @Test
  void aTypoIsAnsweredWithTheNearestName() {
    Map<String, String> nearest =
        Map.of(
            "lerning-rate", "--learning-rate",
            "epoch", "--epochs",
            "seeds", "--seed",
            "max-len", "--max-length",
            "validation", "--validation-file",
            "early-stopping", "--early-stopping-patience");
    nearest.forEach(
        (typed, option) ->
            assertEquals(
                "there is no option '" + typed + "'; did you mean " + option + "?",
                message(typed, CommandOptions.TRAIN)));
    String far = message("quux-frobnicate", CommandOptions.TRAIN);
    assertTrue(far.endsWith("attune help lists those of each command"), far);
  }

  @Test
  void whatTransformersAloneHasIsExplained() {
    assertTrue(message("bf16", CommandOptions.TRAIN).endsWith("say --precision bf16"));
    assertTrue(message("fp16", CommandOptions.TRAIN).contains("--precision bf16"));
    assertTrue(message("do_train", CommandOptions.TRAIN).endsWith("leave it out"));
    assertTrue(message("resume_from_checkpoint", CommandOptions.TRAIN).contains("say --resume"));
  }

  @Test
  void theTaskOfATrainedModelIsNoOption() {
    for (List<RunOption> known : List.of(CommandOptions.EVALUATE, CommandOptions.PREDICT)) {
      assertEquals(
          "there is no option 'task'; the task is what the model's folder says; leave it out",
          message("task", known));
    }
  }

  private static String message(String typed, List<RunOption> known) {
    InputException e = OptionNames.unknown(typed, known, "");
    return RunOption.worded(e.getMessage());
  }
}
