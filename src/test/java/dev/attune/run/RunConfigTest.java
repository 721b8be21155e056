package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Options with several values. */
class RunConfigTest {
  private static RunConfig read(String yaml) {
    return RunConfig.builder(CommandOptions.TRAIN).setAll(yaml, "run.yaml").build();
  }

  @Test
  void severalFilesComeBackFromWhatIsWritten() {
    List<String> files = List.of("a, b.csv", "c\"d\\e.csv", "-");
    RunConfig config =
        RunConfig.builder(CommandOptions.TRAIN).set(RunOption.TRAIN_FILE, files).build();
    assertEquals(files, config.texts(RunOption.TRAIN_FILE));
    assertEquals(files, read(config.toYaml()).texts(RunOption.TRAIN_FILE));
    assertEquals(files, read(config.toCommentedYaml()).texts(RunOption.TRAIN_FILE));
    assertTrue(config.agrees(read(config.toYaml()), RunOption.TRAIN_FILE));
    assertEquals(List.of(), config.texts(RunOption.TEST_FILE));
  }

  @Test
  void oneFileStaysOneValue() {
    RunConfig config = read("train-file: a.csv\n");
    assertEquals(List.of("a.csv"), config.texts(RunOption.TRAIN_FILE));
    assertTrue(config.toYaml().contains("train-file: \"a.csv\"\n"), config.toYaml());
    assertEquals(List.of("a.csv"), read("train-file: [a.csv]\n").texts(RunOption.TRAIN_FILE));
  }

  @Test
  void otherOptionsTakeNoList() {
    for (String yaml : List.of("epochs: [1, 2]\n", "train-file: []\n", "train-file: {a: 1}\n")) {
      InputException e = assertThrows(InputException.class, () -> read(yaml));
      assertTrue(e.getMessage().contains("has no plain value"), e::getMessage);
    }
  }
}
