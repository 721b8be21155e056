package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.data.DataReader;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.RowCache;
import dev.attune.task.Classification;
import dev.attune.task.Task;
import dev.attune.task.Tasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rows with two texts for tasks that read one: what is read, and what the advice says. */
class OneTextTest {
  private static final Pattern ADVISED = Pattern.compile("--columns (\\S+)");
  private static final String PAIRS = "premise,hypothesis\na b,c d\n";

  @TempDir Path folder;

  /** Reads and examines as a run does. */
  private Dataset read(String task, String content, String columns) throws IOException {
    Path file = Files.writeString(folder.resolve("nli.csv"), content);
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.TRAIN_FILE, file.toString())
            .set(RunOption.TASK, task);
    if (columns != null) {
      config.set(RunOption.COLUMNS, columns);
    }
    Dataset data = Datasets.read(config.build(), null, false, RowCache.none()).train();
    Task learned = Tasks.named(task).create(null, data, option -> null);
    DataReport.builder(learned).train(data, null).build().throwIfFatal();
    return data;
  }

  @ParameterizedTest
  @ValueSource(strings = {"causal-lm", "masked-lm"})
  void everyAdviceForTwoTextsWorks(String task) {
    for (String given : new String[] {null, "text,text_pair"}) {
      String rows = given == null ? PAIRS : PAIRS.substring(PAIRS.indexOf('\n') + 1);
      String refusal =
          RunOption.worded(
              assertThrows(InputException.class, () -> read(task, rows, given)).getMessage());
      assertTrue(refusal.contains("two texts"), refusal);
      Matcher advised = ADVISED.matcher(refusal);
      assertTrue(advised.find(), refusal);
      do {
        Example row =
            assertDoesNotThrow(() -> read(task, rows, advised.group(1)), advised.group()).get(0);
        assertNull(row.textPair());
        assertEquals("a b", row.text() == null ? row.prompt() : row.text());
      } while (advised.find());
    }
  }

  @Test
  void aSecondTextBesideAPromptIsAnotherColumn() throws IOException {
    Dataset data = read("causal-lm", "prompt,completion,hypothesis\na, b,c\n", null);
    assertEquals("prompt, completion; not used: hypothesis", data.columns());
    assertEquals(" b", data.get(0).completion());
  }

  @Test
  void aQuestionIsReadAloneWhereTheOptionSaysSo() throws IOException {
    String rows = "question,context\nWho?,Bob is here\n";
    String refusal =
        RunOption.worded(
            assertThrows(InputException.class, () -> read("causal-lm", rows, null)).getMessage());
    assertTrue(refusal.contains("--columns text=question"), refusal);
    assertEquals("Who?", read("causal-lm", rows, "text=question").get(0).text());
  }

  @ParameterizedTest
  @CsvSource({"prompt=premise", "text=premise"})
  void promptsAndTextsToEmbedAreOneColumn(String columns) throws IOException {
    Path file = Files.writeString(folder.resolve("nli.csv"), PAIRS);
    RunConfig generate =
        RunConfig.builder(CommandOptions.GENERATE).set(RunOption.COLUMNS, columns).build();
    Example prompt =
        DataReader.read(
                List.of(file.toString()),
                Datasets.options(generate, Tasks.named("causal-lm"), false))
            .get(0);
    assertEquals("a b", prompt.prompt() == null ? prompt.text() : prompt.prompt());
    assertNull(prompt.textPair());
    RunConfig embed =
        RunConfig.builder(CommandOptions.EMBED)
            .set(RunOption.FILE, file.toString())
            .set(RunOption.COLUMNS, columns)
            .build();
    assertNull(Datasets.texts(embed).get(0).textPair());
  }

  /** Where two texts can be read, the second keeps its name's role. */
  @Test
  void pairsThatAreClassifiedKeepTheirSecondText() throws IOException {
    Path file = Files.writeString(folder.resolve("nli.csv"), "a,hypothesis,label\nb c,d e,x\n");
    RunConfig config =
        RunConfig.builder(CommandOptions.PREDICT)
            .set(RunOption.FILE, file.toString())
            .set(RunOption.COLUMNS, "text=a")
            .build();
    assertEquals("d e", Datasets.rows(config, Classification.TYPE).get(0).textPair());
  }
}
