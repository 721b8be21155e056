package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Texts that are predicted as they are typed, in place of a file. */
class TypedTextsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final List<String> TEXTS = List.of("a good book", "a sad and broken book");

  @TempDir Path scratch;
  private Path model;

  @BeforeEach
  void makeModel() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
  }

  /** The model with a head of another kind, as Transformers would have saved it. */
  private void makeIt(String architecture, String... labels) throws IOException {
    ObjectNode config = ModelFolder.readConfig(model);
    config.putArray("architectures").add(architecture);
    ObjectNode names = config.putObject("id2label");
    for (int k = 0; k < labels.length; k++) {
      names.put(Integer.toString(k), labels[k]);
    }
    JSON.writeValue(model.resolve("config.json").toFile(), config);
  }

  private RunConfig.Builder options() {
    return RunConfig.builder(CommandOptions.PREDICT).set(RunOption.MODEL, model.toString());
  }

  private String refusal(List<String> texts, RunConfig config) {
    return RunOption.worded(
        assertThrows(InputException.class, () -> PredictRun.run(texts, config)).getMessage());
  }

  @Test
  void theyAreWhatRowsOfAFileWouldBe() throws IOException {
    makeIt("BertForSequenceClassification", "bad", "good");
    Path file = scratch.resolve("texts.txt");
    Files.write(file, TEXTS);
    Path output = scratch.resolve("out.jsonl");
    PredictRun.run(
        options()
            .set(RunOption.FILE, file.toString())
            .set(RunOption.FORMAT, "lines")
            .set(RunOption.OUTPUT, output.toString())
            .build());
    List<ObjectNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      ObjectNode row = (ObjectNode) JSON.readTree(line);
      row.remove("text");
      rows.add(row);
    }
    PredictRun.TextOutcome typed = PredictRun.run(TEXTS, options().build());
    assertEquals(rows, JSON.readTree(typed.predictions().toString()).valueStream().toList());
    assertEquals(0, typed.truncated());
  }

  @Test
  void spacesPartWordsThatAreTagged() throws IOException {
    makeIt("BertForTokenClassification", "O", "B-X");
    ObjectNode predicted =
        PredictRun.run(List.of("a  good\tbook"), options().build()).predictions().get(0);
    assertEquals(3, ((ArrayNode) predicted.get("predicted_tags")).size());
  }

  @Test
  void aTextThatIsNoRowIsRefused() throws IOException {
    makeIt("BertForSequenceClassification", "bad", "good");
    assertEquals(
        "there is nothing to predict of an empty text",
        refusal(List.of("a book", " "), options().build()));
    TaskType answering = Tasks.named("question-answering");
    InputException question =
        assertThrows(InputException.class, () -> answering.typed(1, "who wrote it?"));
    assertTrue(question.getMessage().contains("{\"question\": \"…\", \"context\": \"…\"}"));
  }

  @Test
  void optionsOfFilesAreRefused() {
    assertEquals(
        "--file is of the rows of a file; leave it out, or the texts beside it",
        refusal(TEXTS, options().set(RunOption.FILE, "x.csv").build()));
    assertEquals(
        "--worst is of the rows of a file; leave it out, or the texts beside it",
        refusal(TEXTS, options().set(RunOption.WORST, "3").build()));
  }
}
