package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.GoldAnswer;
import dev.attune.metrics.AnswerMetrics;
import dev.attune.task.QuestionAnswering.Candidate;
import dev.attune.task.QuestionAnswering.Predicted;
import dev.attune.testkit.Goldens;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Contexts are cut and answers found as Transformers' {@code run_qa.py} does both; made by
 * tools/make_answer_goldens.py.
 */
class AnswerDecodingTest {
  private static JsonNode golden;

  @BeforeAll
  static void read() {
    golden = Goldens.resource("metrics/decoding.json");
  }

  /** Logits of every row of every window, as the goldens' generator makes them. */
  private record Made(EncodedDataset data, Batch batch) implements ModelOutput {
    @Override
    public FloatBuffer logits() {
      FloatBuffer out = FloatBuffer.allocate(2 * batch.rows());
      for (int b = 0; b < batch.sequences(); b++) {
        int sequence = batch.exampleIndex()[b];
        int question = data.source(sequence);
        int first = sequence;
        while (first > 0 && data.source(first - 1) == question) {
          first--;
        }
        long state = 1000L * question + sequence - first;
        int length = batch.cuSeqlens()[b + 1] - batch.cuSeqlens()[b];
        for (int i = 0; i < 2 * length; i++) {
          state = (state * 1103515245L + 12345) % (1L << 31);
          out.put((((state >> 16) % 32 - 16) * 512 + i / 2) / 1024f);
        }
      }
      return out.flip();
    }

    @Override
    public int rows() {
      return batch.rows();
    }

    @Override
    public int cols() {
      return 2;
    }

    @Override
    public double loss() {
      return Double.NaN;
    }

    @Override
    public float[] losses() {
      return new float[0];
    }

    @Override
    public int right() {
      return 0;
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"electra", "modernbert", "xlm_roberta"})
  void windowsAndAnswersAreThoseOfTransformers(String name) {
    JsonNode rows = null;
    for (JsonNode tokenizer : golden.get("decoding")) {
      rows = tokenizer.get("tokenizer").asText().equals(name) ? tokenizer.get("rows") : rows;
    }
    Dataset questions = questions(Objects.requireNonNull(rows, name));
    Path folder = Goldens.unpacked("tokenizers/" + name);
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      EncodedDataset data =
          new Encoder(
                  new AnswerWindows(
                      tokenizer,
                      golden.get("max_length").asInt(),
                      golden.get("stride").asInt(),
                      true),
                  1)
              .encode(questions);
      int sequence = 0;
      for (int row = 0; row < rows.size(); row++) {
        for (JsonNode window : rows.get(row).get("windows")) {
          String where = name + ", question " + row + ", sequence " + sequence;
          assertEquals(row, data.source(sequence), where);
          assertArrayEquals(ints(window.get("ids")), ids(data, sequence), where);
          assertEquals(window.get("start").asInt(), data.labels().get(2 * sequence), where);
          assertEquals(window.get("end").asInt(), data.labels().get(2 * sequence + 1), where);
          sequence++;
        }
      }
      assertEquals(data.size(), sequence);
      for (int setting = 0; setting < golden.get("settings").size(); setting++) {
        checkAnswers(questions, data, rows, setting);
      }
    }
  }

  private static void checkAnswers(
      Dataset questions, EncodedDataset data, JsonNode rows, int setting) {
    JsonNode chosen = golden.get("settings").get(setting);
    QuestionAnswering task =
        new QuestionAnswering(
            new QuestionAnswering.Settings(
                golden.get("stride").asInt(),
                chosen.get("longest").asInt(),
                chosen.get("n_best").asInt(),
                chosen.get("may_be_none").asBoolean(),
                chosen.get("threshold").asDouble(),
                false));
    List<Predicted> found = new ArrayList<>();
    Reading reading =
        task.reading(questions, data, (example, given) -> found.add((Predicted) given));
    // Small batches: the windows of a question meet in more than one.
    try (BatchStream batches = BatchStream.evaluationBatches(data, 150, 3, 0)) {
      while (batches.hasNext()) {
        Batch batch = batches.next();
        reading.add(batch, new Made(data, batch));
      }
    }
    reading.end();
    assertEquals(rows.size(), found.size());
    for (int row = 0; row < rows.size(); row++) {
      JsonNode expected = rows.get(row).get("decoded").get(setting);
      String where = "question " + row + ", " + chosen;
      assertEquals(expected.get("answer").asText(), found.get(row).best().text(), where);
      List<Candidate> nBest = found.get(row).nBest();
      assertEquals(expected.get("nbest").size(), nBest.size(), where);
      for (int i = 0; i < nBest.size(); i++) {
        JsonNode one = expected.get("nbest").get(i);
        Candidate candidate = nBest.get(i);
        assertEquals(one.get("text").asText(), candidate.text(), where);
        assertEquals(one.get("score").asDouble(), candidate.score(), 1e-12, where);
        boolean isNone = one.get("end").asInt() == 0;
        assertEquals(isNone ? -1 : one.get("start").asInt(), candidate.start(), where);
        assertEquals(isNone ? -1 : one.get("end").asInt(), candidate.end(), where);
      }
    }
  }

  private static Dataset questions(JsonNode rows) {
    List<Example> examples = new ArrayList<>();
    for (JsonNode row : rows) {
      List<GoldAnswer> answers =
          row.get("answer").isNull()
              ? List.of()
              : List.of(
                  new GoldAnswer(row.get("answer").asText(), row.get("answer_start").asInt()));
      examples.add(
          Example.ofQuestion(
              examples.size() + 1,
              row.get("question").asText(),
              golden.get("contexts").get(row.get("context").asInt()).asText(),
              answers,
              Map.of()));
    }
    return new Dataset(Path.of("questions.jsonl"), examples, "");
  }

  private static int[] ids(EncodedDataset data, int sequence) {
    return Arrays.copyOfRange(
        data.ids().toArray(), data.offsets().get(sequence), data.offsets().get(sequence + 1));
  }

  private static int[] ints(JsonNode list) {
    int[] out = new int[list.size()];
    for (int i = 0; i < out.length; i++) {
      out[i] = list.get(i).asInt();
    }
    return out;
  }

  /** {@code find_best_thresh} of the official script finds no better one. */
  @Test
  void theThresholdOfNoAnswerIsAsGoodAsTheOfficialScripts() throws IOException {
    JsonNode thresholds = Goldens.resource("metrics/answers.json").get("thresholds");
    NullThreshold tuning = new NullThreshold();
    for (JsonNode row : thresholds.get("rows")) {
      tuning.add(
          row.get("difference").asDouble(),
          AnswerMetrics.bestF1(answers(row), row.get("prediction").asText()),
          AnswerMetrics.bestF1(answers(row), ""));
    }
    AnswerMetrics metrics = new AnswerMetrics(true);
    for (JsonNode row : thresholds.get("rows")) {
      boolean isNone = row.get("difference").asDouble() > tuning.best();
      metrics.add(answers(row), isNone ? "" : row.get("prediction").asText());
    }
    assertEquals(thresholds.get("best_f1").asDouble(), metrics.values().get("f1"), 1e-9);
  }

  private static List<String> answers(JsonNode row) {
    List<String> out = new ArrayList<>();
    row.get("answers").forEach(answer -> out.add(answer.asText()));
    return out;
  }
}
