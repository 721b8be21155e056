package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.Embedder;
import dev.attune.InvalidInputException;
import dev.attune.Precision;
import dev.attune.ZeroShotClassifier;
import dev.attune.core.InputException;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Labels that a model has not learned: see {@code tools/make_zero_shot_goldens.py}. */
class ZeroShotRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final double TOLERANCE = 1e-4;

  @TempDir static Path shared;
  private static JsonNode golden;
  private static List<String> labels;
  private static Path entailment;
  private static Path vectors;
  private static Path language;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    golden = json("zero_shot.json");
    labels = new ArrayList<>();
    golden.get("labels").forEach(label -> labels.add(label.asText()));
    entailment = bert("entailment", "BertForSequenceClassification");
    vectors = bert("vectors", "BertModel");
    language = folder("language", "gpt2", json("gpt2/config.json"));
    Files.writeString(language.resolve("tokenizer.json"), golden.get("tokenizer").toString());
  }

  private static Path bert(String name, String architecture) throws IOException {
    ObjectNode config = json("bert/config.json");
    config.putArray("architectures").add(architecture);
    ObjectNode names = config.putObject("id2label");
    for (int id = 0; id < golden.get("names").size(); id++) {
      names.put(Integer.toString(id), golden.get("names").get(id).asText());
    }
    Path folder = folder(name, "bert", config);
    StringBuilder vocabulary = new StringBuilder();
    json("sentences.json").get("vocabulary").forEach(w -> vocabulary.append(w.asText() + "\n"));
    Files.writeString(folder.resolve("vocab.txt"), vocabulary);
    Files.writeString(
        folder.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n");
    return folder;
  }

  private static Path folder(String name, String weights, JsonNode config) throws IOException {
    Path folder = Files.createDirectory(shared.resolve(name));
    Files.writeString(folder.resolve("config.json"), config.toString());
    Files.copy(
        Goldens.own(weights).resolve("model.safetensors"), folder.resolve("model.safetensors"));
    return folder;
  }

  private static ObjectNode json(String name) {
    return (ObjectNode) Goldens.resource("goldens/" + name);
  }

  private static ZeroShotClassifier open(Path folder, JsonNode one) {
    return ZeroShotClassifier.open(
        folder,
        labels,
        o -> o.precision(Precision.FP32).hypothesisTemplate(one.get("template").asText()));
  }

  private static void assertScores(JsonNode expected, Map<String, Double> scores) {
    assertEquals(expected.get("scores").size(), scores.size());
    expected
        .get("scores")
        .properties()
        .forEach(
            score ->
                assertEquals(
                    score.getValue().asDouble(),
                    scores.get(score.getKey()),
                    TOLERANCE,
                    () -> expected.toString()));
  }

  @Test
  void entailmentIsTransformersPipeline() {
    for (JsonNode one : golden.get("entailment")) {
      String text = one.get("text").asText();
      try (ZeroShotClassifier classifier = open(entailment, one)) {
        assertTrue(classifier.method().startsWith("by entailment"), classifier.method());
        assertScores(
            one,
            one.get("multi_label").asBoolean()
                ? classifier.predictEach(List.of(text)).get(0).scores()
                : classifier.predict(text).scores());
      }
    }
  }

  /** One batch of several texts of several lengths gives each the scores that it has alone. */
  @Test
  void likelihoodIsThatOfTheLabelsTokensCalibrated() {
    for (int first = 0; first < golden.get("likelihood").size(); first += 4) {
      JsonNode one = golden.get("likelihood").get(first);
      try (ZeroShotClassifier classifier = open(language, one)) {
        assertTrue(classifier.method().startsWith("by the likelihood"), classifier.method());
        List<String> texts = new ArrayList<>();
        for (int i = first; i < first + 4; i++) {
          texts.add(golden.get("likelihood").get(i).get("text").asText());
          assertScores(
              golden.get("likelihood").get(i), classifier.predict(texts.get(i - first)).scores());
        }
        for (int i = 0; i < 4; i++) {
          assertScores(
              golden.get("likelihood").get(first + i), classifier.predict(texts).get(i).scores());
        }
      }
    }
  }

  @Test
  void vectorsAreComparedByCosine() {
    String text = "the red cat runs";
    String description = "a small cat sleeps";
    try (ZeroShotClassifier classifier =
            ZeroShotClassifier.open(
                vectors,
                labels,
                o ->
                    o.precision(Precision.FP32)
                        .hypothesisTemplate("the {} sings")
                        .labelDescription("cat", description));
        Embedder embedder = Embedder.open(vectors.toString(), o -> o.precision(Precision.FP32))) {
      assertTrue(classifier.method().startsWith("by cosine"), classifier.method());
      Embedder unit = embedder.normalized();
      float[] own = unit.embed(text);
      double[] weights = new double[labels.size()];
      double sum = 0;
      for (int k = 0; k < weights.length; k++) {
        float[] other = unit.embed(k == 0 ? description : "the " + labels.get(k) + " sings");
        double cosine = 0;
        for (int i = 0; i < own.length; i++) {
          cosine += own[i] * other[i];
        }
        weights[k] = Math.exp(cosine / 0.05);
        sum += weights[k];
      }
      Map<String, Double> scores = classifier.predict(text).scores();
      for (int k = 0; k < weights.length; k++) {
        assertEquals(weights[k] / sum, scores.get(labels.get(k)), TOLERANCE);
      }
      InvalidInputException e =
          assertThrows(InvalidInputException.class, () -> classifier.predictEach(List.of(text)));
      assertTrue(e.getMessage().contains("needs a classifier of entailment"), e.getMessage());
    }
  }

  private Path file() throws IOException {
    return Files.write(
        scratch.resolve("rows.csv"),
        List.of("text,label", "the red cat runs,cat", "a small old tree,old tree", "a sun,cat"));
  }

  @ParameterizedTest
  @CsvSource({"entailment", "vectors", "language"})
  void filesAreMeasuredAndPredicted(String name) throws IOException {
    Path folder = shared.resolve(name);
    EvaluateRun.Outcome measured = EvaluateRun.run(config(CommandOptions.EVALUATE, folder).build());
    Path output = scratch.resolve("out.jsonl");
    PredictRun.Outcome predicted =
        PredictRun.run(
            config(CommandOptions.PREDICT, folder)
                .set(RunOption.OUTPUT, output.toString())
                .build());
    assertEquals(measured.method(), predicted.method());
    List<String> lines = Files.readAllLines(output);
    int right = 0;
    for (String line : lines) {
      JsonNode row = JSON.readTree(line);
      double sum = 0;
      for (JsonNode score : row.get("scores")) {
        sum += score.asDouble();
      }
      assertEquals(1, sum, 1e-6);
      right += row.get("label").equals(row.get("predicted_label")) ? 1 : 0;
    }
    assertEquals(3, lines.size());
    assertEquals(right / 3.0, measured.values().get("accuracy"), 1e-9);
  }

  private RunConfig.Builder config(List<RunOption> options, Path folder) throws IOException {
    return RunConfig.builder(options)
        .set(RunOption.MODEL, folder.toString())
        .set(RunOption.FILE, file().toString())
        .set(RunOption.PRECISION, "fp32")
        .set(RunOption.ZERO_SHOT, "true")
        .set(RunOption.LABELS, String.join(",", labels));
  }

  /** A text that is too long loses its end, not what asks for the label. */
  @Test
  void longTextsAreCutBeforeALanguageModelIsAsked() throws IOException {
    Path rows =
        Files.write(
            scratch.resolve("rows.csv"), List.of("text", "the red cat runs ".repeat(20).strip()));
    Path output = scratch.resolve("out.jsonl");
    PredictRun.Outcome outcome =
        PredictRun.run(
            RunConfig.builder(CommandOptions.PREDICT)
                .set(RunOption.MODEL, language.toString())
                .set(RunOption.FILE, rows.toString())
                .set(RunOption.OUTPUT, output.toString())
                .set(RunOption.ZERO_SHOT, "true")
                .set(RunOption.HYPOTHESIS_TEMPLATE, "the {}")
                .set(RunOption.LABELS, "cat,tree")
                .build());
    // 80 words, of which 24 positions leave room for 22 beside "the" and the label.
    assertEquals(80 - 22, outcome.truncated());
    String cut = "the red cat runs ".repeat(5) + "the red";
    try (ZeroShotClassifier classifier =
        ZeroShotClassifier.open(
            language, List.of("cat", "tree"), o -> o.hypothesisTemplate("the {}"))) {
      assertEquals(
          classifier.predict(cut).scores().get("cat"),
          JSON.readTree(Files.readString(output)).at("/scores/cat").asDouble(),
          1e-9);
    }
  }

  @Test
  void rowsOfSeveralLabelsAreRefusedWithoutAnAdviceToTrain() throws IOException {
    Path several =
        Files.writeString(
            scratch.resolve("several.jsonl"),
            "{\"text\": \"red\", \"labels\": [\"cat\", \"dog\"]}\n");
    RunConfig config =
        config(CommandOptions.EVALUATE, vectors)
            .set(RunOption.LABELS, "cat,dog")
            .set(RunOption.FILE, several.toString())
            .build();
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage());
    assertTrue(
        message.contains("1 label is missing; these rows have several labels, and the model gives"),
        message);
    assertFalse(message.contains("--task"), message);
  }

  @Test
  void oneLabelHoldsOrNotByItself() {
    String text = "the red cat runs";
    try (ZeroShotClassifier one = ZeroShotClassifier.open(entailment, List.of("cat"));
        ZeroShotClassifier two = ZeroShotClassifier.open(entailment, List.of("cat", "tree"))) {
      assertEquals(
          two.predictEach(List.of(text)).get(0).scores().get("cat"),
          one.predictEach(List.of(text)).get(0).scores().get("cat"),
          1e-6);
      String message =
          assertThrows(InvalidInputException.class, () -> one.predict(text)).getMessage();
      assertTrue(message.contains("one label, \"cat\""), message);
    }
    assertThrows(
        InvalidInputException.class, () -> ZeroShotClassifier.open(vectors, List.of("cat")));
  }

  @Test
  void aLabelThatIsNotNamedIsSaidToLackThere() throws IOException {
    RunConfig config =
        config(CommandOptions.EVALUATE, vectors).set(RunOption.LABELS, "cat,dog").build();
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage());
    assertTrue(
        message.contains(
            "1 row has a label that --labels lacks (\"old tree\"). Known labels: \"cat\", \"dog\";"
                + " correct the row, or add its label to --labels"),
        message);
  }

  @ParameterizedTest
  @CsvSource({"entailment,true", "vectors,false", "language,false"})
  void oneLabelByItselfIsOfferedWhereItCanBeAsked(String name, boolean offered) throws IOException {
    RunConfig config =
        config(CommandOptions.EVALUATE, shared.resolve(name)).set(RunOption.LABELS, "cat").build();
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage());
    assertTrue(message.contains("--labels has one label, \"cat\""), message);
    assertEquals(offered, message.contains("--multi-label"), message);
  }

  /** As a classifier predicts them: counted; what is measured has to have texts. */
  @ParameterizedTest
  @CsvSource({"entailment", "vectors", "language"})
  void emptyTextsAreCounted(String name) throws IOException {
    Path rows =
        Files.write(
            scratch.resolve("empty.csv"), List.of("text,label", "a cat,cat", ",cat", "\" \",cat"));
    Path folder = shared.resolve(name);
    PredictRun.Outcome outcome =
        PredictRun.run(
            config(CommandOptions.PREDICT, folder)
                .set(RunOption.FILE, rows.toString())
                .set(RunOption.OUTPUT, scratch.resolve("out.jsonl").toString())
                .build());
    assertEquals(3, outcome.data().size());
    assertEquals(2, outcome.emptyTexts());
    RunConfig measured =
        config(CommandOptions.EVALUATE, folder).set(RunOption.FILE, rows.toString()).build();
    String message =
        assertThrows(InputException.class, () -> EvaluateRun.run(measured)).getMessage();
    assertTrue(message.contains("2 texts are empty"), message);
  }

  @ParameterizedTest
  @CsvSource({
    "entailment,labels,cat,'one label, \"cat\"'",
    "entailment,labels,'cat,sun,cat','\"cat\" twice'",
    "entailment,labels,'cat,,sun',empty name",
    "entailment,hypothesis-template,This example.,needs {} once",
    "entailment,hypothesis-template,'{} {}',needs {} once",
    "entailment,temperature,0.5,has no meaning for a choice by entailment",
    "language,temperature,0.5,has no meaning for a choice by likelihood",
    "vectors,temperature,0,above 0",
    "vectors,multi-label,true,needs a classifier of entailment",
    "language,multi-label,true,needs a classifier of entailment",
    "vectors,label-descriptions,absent.txt,--label-descriptions absent.txt: there is no such file",
    "vectors,zero-shot,false,--labels needs --zero-shot",
  })
  void whatCannotBeIsRefused(String name, String option, String value, String said)
      throws IOException {
    RunConfig config =
        config(CommandOptions.EVALUATE, shared.resolve(name))
            .set(OptionNames.find(option, CommandOptions.EVALUATE).orElseThrow(), value)
            .build();
    String message =
        RunOption.worded(
            assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage());
    assertTrue(message.contains(said), message);
  }

  @Test
  void aClassifierOfSomethingElseIsRefused() throws IOException {
    Path folder = Files.createDirectory(scratch.resolve("topics"));
    for (String file : List.of("model.safetensors", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(entailment.resolve(file), folder.resolve(file));
    }
    Files.writeString(folder.resolve("config.json"), json("bert/config.json").toString());
    RunConfig config = config(CommandOptions.EVALUATE, folder).build();
    String message = assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage();
    assertTrue(message.contains("was trained for classification into"), message);
    assertTrue(message.contains("a classifier of entailment (NLI"), message);
  }

  @Test
  void namesWithCommasAreLabelsOfTheApiAndOfFiles() throws IOException {
    List<String> names = List.of("cat, dog", "tree");
    try (ZeroShotClassifier classifier = ZeroShotClassifier.open(vectors, names)) {
      assertEquals(names, classifier.labels());
      assertEquals(2, classifier.predict("a cat").scores().size());
    }
    Path file = Files.write(scratch.resolve("labels.txt"), names);
    Path output = scratch.resolve("out.jsonl");
    PredictRun.run(
        config(CommandOptions.PREDICT, vectors)
            .set(RunOption.LABELS, file.toString())
            .set(RunOption.OUTPUT, output.toString())
            .build());
    assertTrue(JSON.readTree(Files.readAllLines(output).get(0)).get("scores").has("cat, dog"));
    assertThrows(
        InvalidInputException.class, () -> ZeroShotClassifier.open(vectors, List.of("a", " ")));
    assertThrows(InvalidInputException.class, () -> ZeroShotClassifier.open(vectors, List.of()));
  }

  private String refusedDescriptions(String lines) throws IOException {
    Path file = Files.writeString(scratch.resolve("descriptions.txt"), lines);
    RunConfig config =
        config(CommandOptions.EVALUATE, vectors)
            .set(RunOption.HYPOTHESIS_TEMPLATE, "the {}")
            .set(RunOption.LABEL_DESCRIPTIONS, file.toString())
            .build();
    return RunOption.worded(
        assertThrows(InputException.class, () -> EvaluateRun.run(config)).getMessage());
  }

  @Test
  void descriptionsThatCannotBeAreRefused() throws IOException {
    String form = refusedDescriptions("cat\n");
    assertTrue(form.contains("'cat' is not of the form NAME=TEXT"), form);
    String other = refusedDescriptions("dog=a dog\n");
    assertTrue(other.contains("none of the labels"), other);
    String all = refusedDescriptions("cat=a cat\n\nold tree=a tree\nthe big sun=a sun\n");
    assertTrue(
        all.contains("--hypothesis-template has no meaning for vectors where every label"), all);
  }

  @Test
  void aLabelMayHoldWhatAFileOfDescriptionsDividesBy() {
    List<String> names = List.of("a=b", "tree");
    try (ZeroShotClassifier classifier =
        ZeroShotClassifier.open(vectors, names, o -> o.labelDescription("a=b", "a red cat"))) {
      assertEquals(
          "by cosine with \"This text is about {}.\", and descriptions of a=b, temperature 0.05",
          classifier.method());
      assertEquals("a=b", classifier.predict("a red cat").label());
    }
    InvalidInputException e =
        assertThrows(
            InvalidInputException.class, () -> ZeroShotClassifier.open(vectors, List.of("tree")));
    assertTrue(e.getMessage().startsWith("the list of labels has one label"), e.getMessage());
    assertTrue(e.getMessage().endsWith("give at least two"), e.getMessage());
    for (Executable call :
        List.<Executable>of(
            () -> ZeroShotClassifier.open(vectors, Arrays.asList("a", null)),
            () -> ZeroShotClassifier.open("minilm", Arrays.asList("a", null)))) {
      assertEquals("label", assertThrows(NullPointerException.class, call).getMessage());
    }
    try (ZeroShotClassifier classifier = ZeroShotClassifier.open(vectors, names)) {
      assertEquals(
          "text",
          assertThrows(NullPointerException.class, () -> classifier.predict((String) null))
              .getMessage());
    }
  }
}
