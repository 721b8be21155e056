package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;

/** A small model that makes vectors, and data of pairs and more for it. */
abstract class EmbeddingTrial {
  static final List<String> NAMES = List.of("anchor", "positive", "negative_1", "negative_2");

  static final String SENTENCES = "goldens/sentences.json";

  @TempDir static Path shared;
  static JsonNode goldens;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    goldens = Goldens.resource(SENTENCES);
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(Goldens.own("bert").resolve(file), shared.resolve(file));
    }
    StringBuilder vocabulary = new StringBuilder();
    goldens.get("vocabulary").forEach(word -> vocabulary.append(word.asText()).append('\n'));
    Files.writeString(shared.resolve("vocab.txt"), vocabulary);
    Files.writeString(
        shared.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n");
  }

  static Path write(Path file, JsonNode rows, int columns, boolean scored) throws IOException {
    StringBuilder out = new StringBuilder();
    for (int row = 0; row < rows.size(); row++) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      for (int column = 0; column < columns; column++) {
        String name = scored ? "sentence" + (column + 1) : NAMES.get(column);
        line.put(
            columns == 3 && column == 2 ? "negative" : name, rows.get(row).get(column).asText());
      }
      if (scored) {
        line.set("score", goldens.get("scores").get(row));
      }
      out.append(line).append('\n');
    }
    return Files.writeString(file, out);
  }

  RecordedRun run(Path train, String output) {
    return new RecordedRun(shared, train, scratch.resolve(output))
        .with(RunOption.TASK, "embedding")
        .with(RunOption.BATCH_SIZE, "4")
        .with(RunOption.NO_SHUFFLE);
  }

  Path data(int columns, boolean scored) throws IOException {
    String name = columns + (scored ? "-scored" : "") + ".jsonl";
    return write(scratch.resolve(name), goldens.get("rows"), columns, scored);
  }

  static void assertRefused(Runnable call, String... parts) {
    try {
      call.run();
    } catch (InputException e) {
      String message = RunOption.worded(e.getMessage());
      for (String part : parts) {
        assertTrue(message.contains(part), message);
      }
      return;
    }
    throw new AssertionError("it was not refused");
  }
}
