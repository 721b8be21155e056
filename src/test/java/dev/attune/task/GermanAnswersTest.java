package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.Answer;
import dev.attune.Precision;
import dev.attune.QuestionAnswerer;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.GoldAnswer;
import dev.attune.testkit.Goldens;
import dev.attune.text.SharedFolders;
import dev.attune.text.TextTokenizer;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.StreamSupport;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Questions of XQuAD in German on contexts of several windows: ids, offsets over umlauts and other
 * letters, targets and the answer of a tiny model are those of Transformers; made by
 * tools/make_xquad_goldens.py.
 */
class GermanAnswersTest {
  private static final Path GOLDENS = Path.of("src/test/resources/goldens/xquad_de");

  @TempDir private Path folder;
  private JsonNode golden;
  private List<Example> questions;

  @BeforeEach
  void read() throws IOException {
    Path file = SharedFolders.data("datasets/xquad/xquad.de.json");
    golden = Goldens.json(GOLDENS.resolve("golden.json"));
    List<Example> all = new ArrayList<>();
    for (JsonNode article : new ObjectMapper().readTree(file.toFile()).get("data")) {
      for (JsonNode paragraph : article.get("paragraphs")) {
        for (JsonNode asked : paragraph.get("qas")) {
          JsonNode answer = asked.get("answers").get(0);
          all.add(
              Example.ofQuestion(
                  all.size() + 1,
                  asked.get("question").asText(),
                  paragraph.get("context").asText(),
                  List.of(
                      new GoldAnswer(
                          answer.get("text").asText(), answer.get("answer_start").asInt())),
                  Map.of()));
        }
      }
    }
    questions = new ArrayList<>();
    for (JsonNode row : golden.get("rows")) {
      questions.add(all.get(row.get("number").asInt()));
    }
    for (String name :
        List.of("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")) {
      byte[] packed = Files.readAllBytes(GOLDENS.resolve(name + ".gz"));
      try (GZIPInputStream in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
        Files.write(folder.resolve(name), in.readAllBytes());
      }
    }
  }

  @Test
  void windowsAndTargetsEqualTransformers() {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      AnswerWindows windows =
          new AnswerWindows(
              tokenizer, golden.get("max_length").asInt(), golden.get("stride").asInt(), true);
      EncodedDataset data =
          new Encoder(windows, 1).encode(new Dataset(Path.of("xquad.de.json"), questions, ""));
      List<AnswerWindows.Window> notes = data.notes(AnswerWindows.Notes.class).windows();
      int sequence = 0;
      for (int row = 0; row < questions.size(); row++) {
        for (JsonNode window : golden.get("rows").get(row).get("windows")) {
          String where = questions.get(row).text() + ", window " + sequence;
          assertEquals(row, data.source(sequence), where);
          assertArrayEquals(
              ints(window.get("ids")),
              Arrays.copyOfRange(
                  data.ids().toArray(),
                  data.offsets().get(sequence),
                  data.offsets().get(sequence + 1)),
              where);
          assertArrayEquals(ints(window.get("offsets")), notes.get(sequence).offsets(), where);
          assertEquals(window.get("start").asInt(), data.labels().get(2 * sequence), where);
          assertEquals(window.get("end").asInt(), data.labels().get(2 * sequence + 1), where);
          sequence++;
        }
      }
      assertEquals(data.size(), sequence);
      assertTrue(sequence > 2 * questions.size(), "contexts are long: " + sequence + " windows");
    }
  }

  @Test
  void answersEqualTransformers() {
    try (QuestionAnswerer answerer =
        QuestionAnswerer.open(folder, options -> options.precision(Precision.FP32))) {
      for (int row = 0; row < questions.size(); row++) {
        Example asked = questions.get(row);
        JsonNode expected = golden.get("rows").get(row);
        Answer found =
            answerer
                .answer(
                    asked.text(),
                    asked.textPair(),
                    options -> options.docStride(golden.get("stride").asInt()))
                .best();
        assertEquals(expected.get("text").asText(), found.text(), asked.text());
        // Answers count UTF-16 units, as Java's strings do; the golden counts code points.
        assertEquals(
            expected.get("start").asInt(),
            asked.textPair().codePointCount(0, found.start()),
            asked.text());
        assertEquals(
            expected.get("end").asInt(),
            asked.textPair().codePointCount(0, found.end()),
            asked.text());
        assertEquals(expected.get("score").asDouble(), found.score(), 1e-4, asked.text());
      }
    }
  }

  private static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::asInt).toArray();
  }
}
