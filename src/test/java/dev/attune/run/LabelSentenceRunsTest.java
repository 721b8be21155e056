package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.core.InputException;
import dev.attune.core.OtherVersionException;
import dev.attune.data.Finding;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Few-shot runs that learn sentences of their labels. */
class LabelSentenceRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String[][] TEXTS = {
    {"the good phone is fine", "a lovely book", "my great chair is very fine", "it was happy"},
    {"the bad phone is poor", "a broken book", "my awful chair is very sad", "it was poor"},
    {"this is my phone", "a chair", "the book and the very phone", "it was a book"}
  };

  @TempDir static Path shared;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(shared, backend);
    }
  }

  /** Four rows of each label. */
  private Path data(String... labels) throws IOException {
    List<String> lines = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < TEXTS[0].length; i++) {
      for (int k = 0; k < labels.length; k++) {
        lines.add(TEXTS[k][i] + "," + labels[k]);
      }
    }
    return Files.write(scratch.resolve("train.csv"), lines);
  }

  private RecordedRun run(Path train, String output) {
    return new RecordedRun(shared, train, scratch.resolve(output))
        .with(RunOption.TASK, "few-shot")
        .with(RunOption.BATCH_SIZE, "4")
        .with(RunOption.MAX_STEPS, "0")
        .with(RunOption.EPOCHS, "1");
  }

  /** Eight sequences of each label, beside the rows or their halves, and among what is fitted. */
  @ParameterizedTest
  @ValueSource(strings = {"batch", "halves"})
  void sentencesOfLabelsAreLearnedToo(String strategy) throws IOException {
    Path train = data("good", "bad", "book");
    long[] steps = new long[2];
    byte[][] heads = new byte[2][];
    for (int i = 0; i < 2; i++) {
      String name = strategy + i;
      TrainRun.Outcome outcome =
          run(train, name)
              .with(RunOption.SAMPLING_STRATEGY, strategy)
              .with(RunOption.LABEL_TEMPLATE, i == 0 ? "none" : "the new {}")
              .with(RunOption.LEARNING_RATE, "1e-30")
              .with(RunOption.VALIDATION_FILE, train.toString())
              .run();
      steps[i] = outcome.training().steps();
      heads[i] = Files.readAllBytes(scratch.resolve(name + "/model_head.safetensors"));
      assertTrue(outcome.evaluation().get("accuracy") > 0, outcome.evaluation()::toString);
    }
    assertEquals(steps[0] + 3 * 8 / 4, steps[1]);
    assertFalse(Arrays.equals(heads[0], heads[1]), "the sentences are rows of the regression too");
    JsonNode noted = JSON.readTree(scratch.resolve(strategy + "1/attune.json").toFile());
    assertEquals("the new {}", noted.findValue("label_template").asText());
  }

  /** Where nobody says whether there are sentences, labels that are words have them. */
  @ParameterizedTest
  @CsvSource({"few-shot,good,bad,6", "few-shot,0,1,2", "few-shot-multi-label,good,bad,2"})
  void wordsAreSaidUnlessTheyAreSeveral(String task, String first, String second, long steps)
      throws IOException {
    Path train = data(first, second);
    if (!task.equals("few-shot")) {
      Files.writeString(train, Files.readString(train).replace("text,label", "text,labels"));
    }
    assertEquals(steps, run(train, "words").with(RunOption.TASK, task).run().training().steps());
  }

  /** A report is about the rows of the file, of which one is alone but for its sentences. */
  @Test
  void sentencesAreNoRowsOfTheReport() throws IOException {
    Path train = data("good", "bad");
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.add("the book,book");
    Files.write(train, lines);
    JsonNode[] splits = new JsonNode[2];
    boolean[] isLone = new boolean[2];
    for (int i = 0; i < 2; i++) {
      RecordedRun run = run(train, "reported" + i);
      run.with(RunOption.LABEL_TEMPLATE, i == 0 ? "none" : "this is very very {}").run();
      splits[i] = run.report().toJson(words -> words).path("splits");
      isLone[i] =
          run.report().findings(Finding.Severity.WARNING).stream()
              .anyMatch(finding -> finding.code().equals("lone_rows"));
    }
    assertTrue(splits[0].at("/train/rows").asInt() == 9, splits[0]::toString);
    assertEquals(splits[0], splits[1]);
    assertTrue(isLone[0]);
    assertFalse(isLone[1], "eight sentences are like it");
  }

  @Test
  void aSentenceThatIsCutIsTold() throws IOException {
    RecordedRun run = run(data("good", "bad"), "cut");
    run.with(RunOption.LABEL_TEMPLATE, "{} it is this very very fine book")
        .with(RunOption.MAX_LENGTH, "7")
        .run();
    assertTrue(
        run.notes().contains("the sentence of the label \"bad\" is cut at 7 tokens and loses 3"),
        run.notes()::toString);
    String refusal =
        run(data("good", "bad"), "alike")
            .with(RunOption.LABEL_TEMPLATE, "this is this very very fine book {}")
            .with(RunOption.MAX_LENGTH, "7")
            .refusal();
    assertTrue(refusal.contains("\"bad\" and \"good\" are the same 7 tokens"), refusal);
  }

  /** Whoever has fewer rows than a batch may hold is told where the others come from. */
  @Test
  void aBatchThatSentencesMakeTooLargeIsRefusedWithThem() throws IOException {
    List<String> lines = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < 500; i++) {
      lines.add("the book " + i + (i % 2 == 0 ? ",good" : ",bad"));
    }
    String refusal =
        run(Files.write(scratch.resolve("many.csv"), lines), "many")
            .with(RunOption.BATCH_SIZE, "600")
            .refusal();
    assertTrue(
        refusal.contains(
            "512 at most (16 sentences of labels are among them; --label-template none leaves them"
                + " out). Give"),
        refusal);
  }

  /** Usual sentences are those of a version: the options of a run do not say them. */
  @ParameterizedTest
  @CsvSource({"good,bad,This text is about {}.", "0,1,none"})
  void aRunNotesItsSentences(String first, String second, String template) throws IOException {
    Path train = data(first, second);
    run(train, "noted").with(RunOption.SAVE_STEPS, "1").stoppedAfter(1).run();
    JsonNode state = CheckpointStore.peek(scratch.resolve("noted/checkpoints")).orElseThrow();
    assertEquals(template, state.at("/identity/label_template").asText());
  }

  @Test
  void foldsThatDoNotSayTheirSentencesAreOfAnotherVersion() throws IOException {
    Path train = data("good", "bad");
    assertTrue(folds(train).stoppedAfter(1).crossValidate().interrupted());
    Path begun = OutputFolder.crossValidation(scratch.resolve("folds"));
    String noted = Files.readString(begun);
    ObjectNode older = (ObjectNode) JSON.readTree(noted);
    older.findParent("label_template").remove("label_template");
    Files.writeString(begun, older.toString());
    RecordedRun resumed = folds(train).with(RunOption.RESUME);
    InputException e = assertThrows(OtherVersionException.class, resumed::crossValidate);
    assertTrue(e.getMessage().contains("what the label template was"), e.getMessage());
    Files.writeString(begun, noted);
    assertFalse(folds(train).with(RunOption.RESUME).crossValidate().interrupted());
  }

  private RecordedRun folds(Path train) {
    return run(train, "folds").with(RunOption.K_FOLD, "2").with(RunOption.MAX_STEPS, "2");
  }
}
