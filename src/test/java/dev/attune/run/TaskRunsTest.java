package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.data.Finding;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.testkit.TinyTasks;
import dev.attune.weights.Safetensors;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Runs of multi-label classification and question answering, and what they refuse to run with. */
class TaskRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String LABELS = "multi-label-classification";
  private static final String ANSWERS = "question-answering";

  @TempDir static Path shared;
  private static Path model;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
  }

  private RecordedRun run(String task, Path train, String output) {
    RecordedRun run =
        new RecordedRun(model, train, scratch.resolve(output)).with(RunOption.TASK, task);
    return task.equals(ANSWERS) ? run.with(RunOption.DOC_STRIDE, "4") : run;
  }

  // ---- accumulation

  /** Batches that end an epoch are smaller; some batches have no row with an answer at all. */
  @ParameterizedTest
  @MethodSource("accumulated")
  void fourSmallBatchesGiveTheStepOfOneLargeBatch(String task, String weights) throws IOException {
    Path train = scratch.resolve("train.jsonl");
    if (task.equals(ANSWERS)) {
      TinyTasks.writeQuestions(train, 30, 3);
    } else {
      TinyTasks.writeLabels(train, 50, 3);
    }
    for (int accumulation : new int[] {1, 4}) {
      RecordedRun run = run(task, train, "by-" + accumulation);
      run.with(RunOption.BATCH_SIZE, Integer.toString(16 / accumulation))
          .with(RunOption.GRADIENT_ACCUMULATION_STEPS, Integer.toString(accumulation))
          .with(RunOption.OPTIMIZER, "sgd")
          .with(RunOption.LEARNING_RATE, "0.1")
          .with(RunOption.DROPOUT, "0")
          .with(RunOption.MAX_STEPS, "9");
      if (weights != null) {
        run.with(RunOption.POS_WEIGHT, weights);
      }
      run.run();
    }
    List<JsonNode> one = steps("by-1");
    List<JsonNode> four = steps("by-4");
    assertEquals(9, one.size());
    for (int i = 0; i < 9; i++) {
      for (String name : List.of("loss", "grad_norm")) {
        double expected = one.get(i).get(name).asDouble();
        assertEquals(
            expected, four.get(i).get(name).asDouble(), 3e-6 * expected, name + " of step " + i);
      }
      assertEquals(one.get(i).get("tokens"), four.get(i).get("tokens"));
    }
    try (Safetensors a = Safetensors.open(scratch.resolve("by-1/model.safetensors"));
        Safetensors b = Safetensors.open(scratch.resolve("by-4/model.safetensors"))) {
      for (String name : a.names()) {
        FloatBuffer x = floats(a, name);
        FloatBuffer y = floats(b, name);
        while (x.hasRemaining()) {
          assertEquals(x.get(), y.get(), 2e-6, name);
        }
      }
    }
  }

  static List<Arguments> accumulated() {
    return List.of(
        Arguments.of(LABELS, null),
        Arguments.of(LABELS, "auto"),
        Arguments.of(LABELS, "praise=3,blame=0.25"),
        Arguments.of(ANSWERS, null));
  }

  private List<JsonNode> steps(String output) throws IOException {
    List<JsonNode> steps = new ArrayList<>();
    for (String line : Files.readAllLines(scratch.resolve(output).resolve("metrics.jsonl"))) {
      JsonNode node = JSON.readTree(line);
      if (node.has("loss")) {
        steps.add(node);
      }
    }
    return steps;
  }

  private static FloatBuffer floats(Safetensors source, String name) {
    FloatBuffer values = FloatBuffer.allocate((int) source.info(name).elements());
    source.read(name, 0, values.duplicate());
    return values;
  }

  // ---- training on

  /** What knows answers, or labels, already is not begun anew. */
  @ParameterizedTest
  @ValueSource(strings = {LABELS, ANSWERS})
  void aHeadIsTrainedFurther(String task) throws IOException {
    Path train = scratch.resolve("train.jsonl");
    if (task.equals(ANSWERS)) {
      TinyTasks.writeQuestions(train, 20, 3);
    } else {
      TinyTasks.writeLabels(train, 20, 3);
    }
    run(task, train, "first").with(RunOption.MAX_STEPS, "3").run();
    RecordedRun second =
        run(task, train, "second")
            .with(RunOption.MODEL, scratch.resolve("first").toString())
            .with(RunOption.MAX_STEPS, "1")
            .with(RunOption.LEARNING_RATE, "1e-30") // no weight moves
            .with(RunOption.WEIGHT_DECAY, "0");
    second.run();
    assertEquals(List.of(), second.notes(), "nothing happened that needs to be said");
    assertArrayEquals(
        Files.readAllBytes(scratch.resolve("first/model.safetensors")),
        Files.readAllBytes(scratch.resolve("second/model.safetensors")));
  }

  // ---- what is refused

  private static final String CONTEXT = "the good book is very good and the chair was bad";

  private static String question(String context, String answers) {
    return "{\"question\": \"good\", \"context\": \""
        + context
        + "\", \"answers\": "
        + answers
        + "}";
  }

  private static String answer(String text, int start) {
    return question(CONTEXT, "{\"text\": [\"" + text + "\"], \"answer_start\": [" + start + "]}");
  }

  static List<Arguments> badQuestions() {
    return List.of(
        Arguments.of(
            answer("good", 3),
            List.of("row 3", "stands \" goo\"", "at answer_start 4", "code points")),
        Arguments.of(answer("bad", 200), List.of("ends beyond the context", "row 3")),
        Arguments.of(answer("lovely", 4), List.of("\"good b\"", "nowhere in the context")),
        Arguments.of(answer("bad", -1), List.of("row 3", "start is -1")),
        Arguments.of(
            question(CONTEXT, "{\"text\": [\"good\"]}"), List.of("more than once", "answer_start")),
        Arguments.of(
            question(CONTEXT, "{\"text\": [\"lovely\"]}"),
            List.of("does not stand in the context")),
        Arguments.of(
            question(CONTEXT, "{\"text\": [\"bad\", \"chair\"], \"answer_start\": [4]}"),
            List.of("row 3", "2 texts of answers and 1 starts")),
        Arguments.of(question(CONTEXT, "\"bad\""), List.of("row 3", "answers are", "not bad")),
        Arguments.of(question(CONTEXT, "null"), List.of("not say the answers", "row 3")),
        Arguments.of(answer("", 4), List.of("row 3", "empty")),
        Arguments.of(
            question("", "{\"text\": [], \"answer_start\": []}"),
            List.of("no question, or no context", "row 3")),
        Arguments.of(
            question(" \u00ad ", "{\"text\": [], \"answer_start\": []}"),
            List.of("the context has no tokens", "row 3")),
        Arguments.of(
            answer("bad", 45).replace("\"good\"", '"' + "good ".repeat(40) + '"'),
            List.of("row 3", "room for 0 tokens of context", "--max-length", "--doc-stride")));
  }

  @ParameterizedTest
  @MethodSource("badQuestions")
  void aBadQuestionIsRefusedWithItsRow(String row, List<String> parts) throws IOException {
    Path train = TinyTasks.writeQuestions(scratch.resolve("train.jsonl"), 4, 3);
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.set(2, row);
    Files.write(train, lines);
    String refusal = run(ANSWERS, train, "out").refusal();
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
  }

  static List<Arguments> badLabels() {
    return List.of(
        Arguments.of("{\"text\": \"good\"}", List.of("row 3", "not say which labels")),
        Arguments.of("{\"text\": \"good\", \"labels\": null}", List.of("not say which labels")),
        Arguments.of("{\"text\": \"\", \"labels\": []}", List.of("empty", "row 3")),
        Arguments.of(
            "{\"text\": \"good\", \"labels\": [[\"praise\"]]}",
            List.of("row 3", "list of strings")),
        Arguments.of(
            "{\"text\": \"good\", \"labels\": [\"praise\", \" \"]}", List.of("row 3", "blank")),
        Arguments.of(
            "{\"text\": \"good\", \"labels\": {\"praise\": 1}}", List.of("row 3", "\"labels\"")));
  }

  @ParameterizedTest
  @MethodSource("badLabels")
  void aBadListOfLabelsIsRefusedWithItsRow(String row, List<String> parts) throws IOException {
    Path train = TinyTasks.writeLabels(scratch.resolve("train.jsonl"), 20, 3);
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.set(2, row);
    Files.write(train, lines);
    String refusal = run(LABELS, train, "out").refusal();
    for (String part : parts) {
      assertTrue(refusal.contains(part), "no '" + part + "' in: " + refusal);
    }
  }

  @Test
  void aLabelThatTrainingLacksAndWeightsOfUnknownLabelsAreRefused() throws IOException {
    Path train = TinyTasks.writeLabels(scratch.resolve("train.jsonl"), 20, 3);
    Path other =
        Files.writeString(
            scratch.resolve("other.jsonl"),
            "{\"text\": \"good\", \"labels\": [\"joy\", \"praise\"]}");
    String refusal =
        run(LABELS, train, "out").with(RunOption.VALIDATION_FILE, other.toString()).refusal();
    for (String part : List.of("other.jsonl", "\"joy\"", "\"blame\", \"praise\"", "row 1")) {
      assertTrue(refusal.contains(part), refusal);
    }
    for (String weights : List.of("joy=2", "praise", "praise=-1", "praise=0", "praise=x")) {
      refusal = run(LABELS, train, "out").with(RunOption.POS_WEIGHT, weights).refusal();
      assertTrue(refusal.contains("--pos-weight is '" + weights + "'"), refusal);
      String says =
          switch (weights) {
            case "joy=2" -> "weights of the labels \"blame\", \"praise\"";
            case "praise" -> "it is auto, or NAME=WEIGHT,NAME=WEIGHT";
            default -> "a weight is above 0 and at most 1000000, not '";
          };
      assertTrue(refusal.contains(says), refusal);
    }
  }

  // ---- what is allowed, and counted

  private Finding finding(String task, Path train, String code) {
    RecordedRun run = run(task, train, "out-" + code).with(RunOption.MAX_STEPS, "1");
    run.run();
    return run.report().findings().stream()
        .filter(f -> f.code().equals(code))
        .findFirst()
        .orElseThrow(() -> new AssertionError("no " + code + ": " + run.report().findings()));
  }

  @Test
  void rowsWithoutLabelsAndRepeatedLabelsAreCounted() throws IOException {
    Path train =
        Files.writeString(
            scratch.resolve("train.csv"),
            "text,label\ngood,praise\nbad,blame\nthe chair,\na book,\ngood good,praise|praise\n");
    assertEquals(List.of(4, 5), finding(LABELS, train, "no_label").rows());
    Finding repeated = finding(LABELS, train, "repeated_label");
    assertEquals(List.of(6), repeated.rows());
    assertTrue(repeated.message().contains("counts once"), repeated.message());
  }

  @Test
  void answersThatNoWindowHoldsAreCounted() throws IOException {
    String longAnswer = "very good ".repeat(15).strip();
    Path train = TinyTasks.writeQuestions(scratch.resolve("train.jsonl"), 8, 3);
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.set(
        2,
        question(
            "the " + longAnswer + " book",
            "{\"text\": [\"" + longAnswer + "\"], \"answer_start\": [4]}"));
    Files.write(train, lines);
    Finding lost = finding(ANSWERS, train, "unsupervised_rows");
    assertEquals(List.of(3), lost.rows());
    assertTrue(lost.message().contains("fits in no window"), lost.message());
  }

  @Test
  void anAnswerThatDiffersInCaseOrSpacesIsLearnedAsItStands() throws IOException {
    Path train = TinyTasks.writeQuestions(scratch.resolve("train.jsonl"), 8, 3);
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.set(2, answer("Good", 4));
    Files.write(train, lines);
    assertEquals(List.of(3), finding(ANSWERS, train, "different_answer").rows());
  }
}
