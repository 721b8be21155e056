package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What a command line says of its options, once or more often. */
class ArgumentsTest {
  private static final List<RunOption> ALL = List.of(RunOption.values());

  private static RunConfig config(String... words) {
    return Arguments.parse("train", ALL, false, List.of(words)).config();
  }

  private static String refusal(String... words) {
    return RunOption.worded(assertThrows(InputException.class, () -> config(words)).getMessage());
  }

  @Test
  void anOptionOfAnotherCommandIsSaidToBeNoneOfThisOne() {
    InputException e =
        assertThrows(
            InputException.class,
            () ->
                Arguments.parse(
                    "predict", CommandOptions.PREDICT, false, List.of("--batch-size", "1")));
    assertTrue(
        e.getMessage().startsWith("attune predict: there is no option '--batch-size'"),
        e.getMessage());
  }

  @Test
  void aTextWithTheNameOfAFileStandsBehindTwoHyphens(@TempDir Path folder) {
    String name = folder.toString();
    InputException e =
        assertThrows(InputException.class, () -> texts("--model", "m", name, "--", "a"));
    String refusal = RunOption.worded(e.getMessage());
    assertTrue(refusal.contains("' is a folder here; give --file "), refusal);
    assertTrue(refusal.contains("; where it is a text, put it last: -- \"" + name), refusal);
    assertEquals(List.of("a", name), texts("a", "--model", "m", "--", name));
    assertEquals(
        List.of("--json", "-5 degrees", "--", "--max_length"),
        texts("--model=m", "--", "--json", "-5 degrees", "--", "--max_length"));
    InputException hyphen =
        assertThrows(InputException.class, () -> texts("--model", "m", "-5 degrees"));
    assertTrue(hyphen.getMessage().contains("stands last, behind --"), hyphen.getMessage());
  }

  private static List<String> texts(String... words) {
    return Arguments.parse("predict", CommandOptions.PREDICT, true, List.of(words))
        .texts(RunOption.FILE);
  }

  /** Whatever the option: several values of a list stand beside each other, else none counts. */
  @ParameterizedTest
  @EnumSource(RunOption.class)
  void noValueIsPassedOver(RunOption option) {
    String name = "--" + option.option();
    if (option.isFlag()) {
      assertTrue(config(name, name).flag(option), "it says the same twice");
    } else if (option.isList()) {
      assertEquals(List.of("a", "b"), config(name, "a", name, "b").texts(option));
    } else {
      String message = refusal(name, "a", name, "b");
      assertTrue(message.startsWith(name + " is given twice: 'a' and 'b'; give it once"), message);
    }
  }

  @Test
  void allValuesAreNamed() {
    String three = refusal("--seed", "1", "--seed", "2", "--seed=3");
    assertTrue(three.startsWith("--seed is given 3 times: '1', '2' and '3'; give it"), three);
    String alias = refusal("--lr", "1", "--learning_rate", "2");
    assertTrue(alias.startsWith("--learning-rate is given twice: '1' and '2'"), alias);
    String files = refusal("--config", "a.yaml", "--config", "b.yaml");
    assertTrue(files.startsWith("--config is given twice: 'a.yaml' and 'b.yaml'"), files);
    String set = refusal("--set", "epochs=1", "--set", "num_train_epochs=2");
    assertTrue(set.startsWith("--set of --epochs is given twice: '1' and '2'"), set);
  }

  @Test
  void setTakesOneOptionAtATimeAndTheCommandLineOverridesIt() {
    RunConfig config =
        config(
            "--set",
            "epochs=1",
            "--set",
            "seed=7",
            "--seed",
            "8",
            "--set",
            "train-file=a",
            "--set",
            "train-file=b");
    assertEquals("1", config.text(RunOption.EPOCHS));
    assertEquals("8", config.text(RunOption.SEED));
    assertEquals(List.of("a", "b"), config.texts(RunOption.TRAIN_FILE));
  }
}
