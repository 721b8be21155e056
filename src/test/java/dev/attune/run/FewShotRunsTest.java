package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.Classifier;
import dev.attune.Embedder;
import dev.attune.Precision;
import dev.attune.Prediction;
import dev.attune.core.InputException;
import dev.attune.folder.LinearHead;
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
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Few-shot classification of a tiny BERT: what is learned, what is left, what is refused. */
class FewShotRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String[][] TEXTS = {
    {"the red cat runs", "a blue dog sleeps", "the big cat sleeps", "a small dog runs"},
    {"the old house", "a new tree", "the big house", "a small old tree"},
    {"the sun sings", "a new sun", "the red sun sings", "the old sun sings"}
  };

  @TempDir static Path shared;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(Goldens.own("bert").resolve(file), shared.resolve(file));
    }
    StringBuilder vocabulary = new StringBuilder();
    Goldens.resource("goldens/sentences.json")
        .get("vocabulary")
        .forEach(w -> vocabulary.append(w.asText()).append('\n'));
    Files.writeString(shared.resolve("vocab.txt"), vocabulary);
    Files.writeString(
        shared.resolve("tokenizer_config.json"),
        "{\"tokenizer_class\": \"BertTokenizer\", \"do_lower_case\": true}\n");
  }

  private Path data(int classes) throws IOException {
    List<String> lines = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < TEXTS[0].length; i++) {
      for (int k = 0; k < classes; k++) {
        lines.add(TEXTS[k][i] + ",class " + (char) ('a' + k));
      }
    }
    return Files.write(scratch.resolve("train" + classes + ".csv"), lines);
  }

  private RecordedRun run(Path train, String output) {
    return new RecordedRun(shared, train, scratch.resolve(output))
        .with(RunOption.TASK, "few-shot")
        .with(RunOption.LABEL_TEMPLATE, "none")
        .with(RunOption.DROPOUT, "0")
        .with(RunOption.BATCH_SIZE, "64");
  }

  private JsonNode step(String output, int number) throws IOException {
    return JSON.readTree(
        Files.readAllLines(scratch.resolve(output + "/metrics.jsonl")).get(number - 1));
  }

  /** Listed with those of a row with itself, which have no loss, they are more and mean less. */
  @Test
  void allPairsOfABatchHaveTheLossOfTheSamePairsListed() throws IOException {
    Path train = data(3);
    run(train, "batch").with(RunOption.LOSS, "cosine-similarity").run();
    run(train, "listed")
        .with(RunOption.SAMPLING_STRATEGY, "unique")
        .with(RunOption.BATCH_SIZE, "100")
        .run();
    double share = 11.0 / 13;
    for (String value : List.of("loss", "grad_norm")) {
      double listed = step("listed", 1).get(value).asDouble();
      double batch = step("batch", 1).get(value).asDouble();
      assertTrue(batch > 1e-3, value + " " + batch);
      assertEquals(share * batch, listed, 1e-5 * batch, value);
    }
  }

  /** As many of each kind as SetFit lists of 4 rows of each of 3 classes. */
  @ParameterizedTest
  @CsvSource({"oversampling,96", "undersampling,60", "unique,78"})
  void pairsAreAsManyAsSetFits(String strategy, int pairs) throws IOException {
    TrainRun.Outcome outcome =
        run(data(3), strategy)
            .with(RunOption.SAMPLING_STRATEGY, strategy)
            .with(RunOption.BATCH_SIZE, "1")
            .with(RunOption.MAX_STEPS, "0")
            .with(RunOption.EPOCHS, "1")
            .run();
    assertEquals(pairs, outcome.training().steps());
  }

  /** Three sequences of each text of four words, one of each of three. */
  @Test
  void halvesOfTextsAreRowsOfTheirLabelsToo() throws IOException {
    Path train = data(3);
    long words =
        Arrays.stream(TEXTS).flatMap(Arrays::stream).filter(t -> t.split(" ").length > 3).count();
    assertTrue(words > 0 && words < 12, "both kinds");
    TrainRun.Outcome outcome =
        run(train, "halves")
            .with(RunOption.SAMPLING_STRATEGY, "halves")
            .with(RunOption.BATCH_SIZE, "2")
            .with(RunOption.MAX_STEPS, "0")
            .with(RunOption.EPOCHS, "1")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .run();
    assertEquals((12 + 2 * words + 1) / 2, outcome.training().steps());
    assertTrue(outcome.evaluation().get("accuracy") > 0, outcome.evaluation()::toString);
  }

  /** Halves are the same as rows that hold them. */
  @Test
  void halvesLearnWhatRowsOfThemWould() throws IOException {
    List<String> whole = new ArrayList<>(List.of("text,label"));
    List<String> cut = new ArrayList<>(List.of("text,label"));
    for (int k = 0; k < 2; k++) {
      for (String text : TEXTS[k]) {
        whole.add(text + ",class " + k);
        cut.add(text + ",class " + k);
        String[] words = text.split(" ");
        for (int from = 0; words.length > 3 && from < words.length; from += words.length / 2) {
          cut.add(words[from] + " " + words[from + 1] + ",class " + k);
        }
      }
    }
    run(Files.write(scratch.resolve("whole.csv"), whole), "implied")
        .with(RunOption.SAMPLING_STRATEGY, "halves")
        .run();
    run(Files.write(scratch.resolve("cut.csv"), cut), "written").run();
    assertArrayEquals(
        Files.readAllBytes(scratch.resolve("written/model.safetensors")),
        Files.readAllBytes(scratch.resolve("implied/model.safetensors")));
  }

  /** A text of four words of which the last two are no tokens is its first half alone. */
  @Test
  void halvesWithoutTokensAreNoRows() throws IOException {
    List<String> whole = new ArrayList<>(List.of("text,label"));
    List<String> cut = new ArrayList<>(List.of("text,label"));
    for (int k = 0; k < 2; k++) {
      for (String text : TEXTS[k]) {
        String begin = text.split(" ")[0] + " " + text.split(" ")[1];
        whole.add(begin + " \u200b \u200b,class " + k);
        cut.add(begin + " \u200b \u200b,class " + k);
        cut.add(begin + ",class " + k);
      }
    }
    run(Files.write(scratch.resolve("whole.csv"), whole), "implied")
        .with(RunOption.SAMPLING_STRATEGY, "halves")
        .run();
    run(Files.write(scratch.resolve("cut.csv"), cut), "written").run();
    assertArrayEquals(
        Files.readAllBytes(scratch.resolve("written/model.safetensors")),
        Files.readAllBytes(scratch.resolve("implied/model.safetensors")));
  }

  /** What is not cut counts once: texts of few words, or of a script without spaces. */
  @Test
  void batchesOfTextsThatAreNotCutMayBeAsLargeAsOthers() throws IOException {
    List<String> lines = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < 200; i++) {
      lines.add("the cat,class " + i % 2);
    }
    RecordedRun run =
        run(Files.write(scratch.resolve("short.csv"), lines), "short")
            .with(RunOption.SAMPLING_STRATEGY, "halves")
            .with(RunOption.BATCH_SIZE, "600")
            .with(RunOption.MAX_STEPS, "1");
    assertEquals(1, run.run().training().steps());
    List<String> longer = new ArrayList<>(lines);
    for (int i = 1; i < lines.size(); i++) {
      longer.set(i, "the cat the dog,class " + i % 2);
    }
    String refusal =
        run(Files.write(scratch.resolve("long.csv"), longer), "long")
            .with(RunOption.SAMPLING_STRATEGY, "halves")
            .with(RunOption.BATCH_SIZE, "600")
            .refusal();
    assertTrue(refusal.contains("512 at most"), refusal);
  }

  @Test
  void iterationsListPairsForEachRow() throws IOException {
    TrainRun.Outcome outcome =
        run(data(3), "iterations")
            .with(RunOption.SAMPLING_STRATEGY, "oversampling")
            .with(RunOption.NUM_ITERATIONS, "5")
            .with(RunOption.BATCH_SIZE, "1")
            .with(RunOption.MAX_STEPS, "0")
            .with(RunOption.EPOCHS, "1")
            .run();
    assertEquals(2 * 5 * 12, outcome.training().steps());
  }

  @ParameterizedTest
  @CsvSource({"2,cosent", "3,cosent", "3,cosine-similarity"})
  void learnsAndIsReadByAll(int classes, String loss) throws IOException {
    Path train = data(classes);
    TrainRun.Outcome outcome =
        run(train, "out")
            .with(RunOption.LOSS, loss)
            .with(RunOption.MAX_STEPS, "40")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .run();
    assertTrue(outcome.evaluation().get("accuracy") > 0.9, outcome.evaluation()::toString);
    Path folder = scratch.resolve("out");

    RunConfig evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, folder.toString())
            .set(RunOption.FILE, train.toString())
            .set(RunOption.PRECISION, "fp32")
            .build();
    Map<String, Double> values = EvaluateRun.run(evaluation).values();
    assertEquals(outcome.evaluation().keySet(), values.keySet());
    outcome
        .evaluation()
        .forEach((name, value) -> assertEquals(value, values.get(name), 1e-6, name));

    // What is given to Python: vectors as sentence-transformers makes them, and a head.
    LinearHead head = LinearHead.read(folder);
    try (Classifier classifier = Classifier.open(folder, o -> o.precision(Precision.FP32));
        Embedder embedder = Embedder.open(folder.toString(), o -> o.precision(Precision.FP32))) {
      for (int k = 0; k < classes; k++) {
        Prediction prediction = classifier.predict(TEXTS[k][0]);
        assertEquals("class " + (char) ('a' + k), prediction.label());
        float[] logits = head.logits(embedder.embed(TEXTS[k][0]));
        double sum = 0;
        for (float logit : logits) {
          sum += Math.exp(logit);
        }
        int at = 0;
        for (Map.Entry<String, Double> score : prediction.scores().entrySet()) {
          assertEquals(Math.exp(logits[at++]) / sum, score.getValue(), 1e-5);
        }
      }
    }
  }

  /** The head is fitted before every evaluation: the best weights can be kept by its accuracy. */
  @Test
  void isEvaluatedOnTheWay() throws IOException {
    Path train = data(3);
    TrainRun.Outcome outcome =
        run(train, "evaluated")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .with(RunOption.EVAL_STEPS, "2")
            .with(RunOption.METRIC_FOR_BEST_MODEL, "accuracy")
            .run();
    List<String> lines = Files.readAllLines(scratch.resolve("evaluated/metrics.jsonl"));
    assertEquals(3, lines.stream().filter(line -> line.contains("f1")).count());
    assertTrue(outcome.evaluation().get("accuracy") > 0.5, outcome.evaluation()::toString);
  }

  /** With sentences of labels too, and where another number of threads goes on. */
  @ParameterizedTest
  @ValueSource(strings = {"none", "the new {}"})
  void aStoppedRunEndsInTheSameBytes(String template) throws IOException {
    Path train = data(2);
    said(train, "whole", template).run();
    said(train, "stopped", template).stoppedAfter(3).run();
    said(train, "stopped", template).with(RunOption.RESUME).with(RunOption.THREADS, "2").run();
    for (String file : List.of("model.safetensors", "model_head.safetensors")) {
      assertArrayEquals(
          Files.readAllBytes(scratch.resolve("whole").resolve(file)),
          Files.readAllBytes(scratch.resolve("stopped").resolve(file)),
          file);
    }
    try (Classifier classifier = Classifier.open(scratch.resolve("stopped"))) {
      assertEquals(2, classifier.predict(TEXTS[0][0]).scores().size());
    }
  }

  private RecordedRun said(Path train, String output, String template) {
    return run(train, output)
        .with(RunOption.LABEL_TEMPLATE, template)
        .with(RunOption.THREADS, "1")
        .with(RunOption.SAVE_STEPS, "1");
  }

  @Test
  void adaptersHaveAHeadToo() throws IOException {
    Path train = data(3);
    run(train, "adapter")
        .with(RunOption.LORA_R, "4")
        .with(RunOption.MAX_STEPS, "30")
        .with(RunOption.LEARNING_RATE, "1e-2")
        .run();
    try (Classifier classifier = Classifier.open(scratch.resolve("adapter"))) {
      assertEquals(List.of("class a", "class b", "class c"), classifier.labels());
      assertEquals("class c", classifier.predict(TEXTS[2][0]).label());
    }
    MergeRun.run(
        RunConfig.builder(CommandOptions.MERGE)
            .set(RunOption.MODEL, scratch.resolve("adapter").toString())
            .set(RunOption.OUTPUT_DIR, scratch.resolve("merged").toString())
            .build());
    try (Classifier classifier = Classifier.open(scratch.resolve("merged"))) {
      assertEquals(List.of("class a", "class b", "class c"), classifier.labels());
      assertEquals("class c", classifier.predict(TEXTS[2][0]).label());
    }
  }

  /** Ten times over rows, or once over pairs; the rate is its own too, unless adapters have one. */
  @ParameterizedTest
  @CsvSource({
    "sampling-strategy,batch,10,32,5e-5",
    "sampling-strategy,halves,10,32,5e-5",
    "sampling-strategy,oversampling,1,16,2e-5",
    "learning-rate,1e-3,10,32,1e-3",
    "lora-r,8,10,32,2e-4",
    "task,classification,3,32,2e-5",
  })
  void defaultsAreItsOwn(String option, String value, String epochs, String batch, String rate) {
    RunConfig config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.TASK, "few-shot")
            .set(OptionNames.find(option, CommandOptions.TRAIN).orElseThrow(), value)
            .build();
    assertEquals(epochs, config.text(RunOption.EPOCHS));
    assertEquals(batch, config.text(RunOption.BATCH_SIZE));
    assertEquals(rate, config.text(RunOption.LEARNING_RATE));
  }

  @ParameterizedTest
  @CsvSource({
    "loss,triplet,allowed are cosent and cosine-similarity",
    "sampling-strategy,all,'batch, halves, oversampling, undersampling, unique'",
    "num-iterations,5,--sampling-strategy oversampling",
    "head-c,0,it must be above 0",
    "label-template,This text is about it.,it needs {} once",
    "label-names,'class a,class b,class c,class d','no row of \"class d\"'",
    "head-learning-rate,1e-3,no head of their own",
    "label-smoothing,0.1,has no meaning",
    "metric-for-best-model,loss,accuracy",
    "class-weights,balanced,has no meaning for --task few-shot",
  })
  void whatMeansNothingIsRefused(String option, String value, String said) throws IOException {
    Path train = data(3);
    RecordedRun run =
        run(train, "refused")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .with(OptionNames.find(option, CommandOptions.TRAIN).orElseThrow(), value);
    String refusal = run.refusal();
    assertTrue(refusal.contains(said), refusal);
  }

  @Test
  void aHeadThatIsMissingIsNamed() throws IOException {
    run(data(3), "out").run();
    Files.delete(scratch.resolve("out/model_head.safetensors"));
    RunConfig evaluation =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, scratch.resolve("out").toString())
            .set(RunOption.FILE, data(3).toString())
            .build();
    String refusal = "";
    try {
      EvaluateRun.run(evaluation);
    } catch (dev.attune.core.InputException e) {
      refusal = e.getMessage();
    }
    assertTrue(refusal.contains("has no model_head.safetensors"), refusal);
  }

  /** Whose vectors would fill the memory. */
  @Test
  void aBatchOfTooManyPairsIsRefusedBeforeTheFirstStep() throws IOException {
    List<String> lines = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < 600; i++) {
      lines.add("the cat " + i + ",class " + i % 2);
    }
    Path train = Files.write(scratch.resolve("many.csv"), lines);
    String refusal = run(train, "many").with(RunOption.BATCH_SIZE, "50000").refusal();
    assertTrue(
        refusal.contains(
            "--batch-size is 50000; all pairs of the rows of a batch are compared, of"
                + " which there may be 512 at most"),
        refusal);
    // Texts of four words are cut in two: 200 rows are 600.
    List<String> longer = new ArrayList<>(List.of("text,label"));
    for (int i = 0; i < 200; i++) {
      longer.add("the cat sat " + i + ",class " + i % 2);
    }
    Path fewer = Files.write(scratch.resolve("fewer.csv"), longer);
    refusal =
        run(fewer, "halved")
            .with(RunOption.SAMPLING_STRATEGY, "halves")
            .with(RunOption.BATCH_SIZE, "50000")
            .refusal();
    assertTrue(refusal.contains("512 at most. Give"), refusal);
  }

  @Test
  void aCrossValidationGoesOnWithTheSettingsOfTheVectorsAlone() throws IOException {
    Path base = scratch.resolve("base");
    Files.createDirectories(base.resolve("1_Pooling"));
    for (String file :
        List.of("config.json", "model.safetensors", "vocab.txt", "tokenizer_config.json")) {
      Files.copy(shared.resolve(file), base.resolve(file));
    }
    Files.writeString(
        base.resolve("modules.json"),
        """
        [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"},
         {"idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling"}]
        """);
    Path pooling = base.resolve("1_Pooling/config.json");
    int width = JSON.readTree(base.resolve("config.json").toFile()).path("hidden_size").asInt();
    String form = "{\"word_embedding_dimension\": " + width + ", \"pooling_mode_%s\": true}";
    Files.writeString(pooling, form.formatted("mean_tokens"));
    Path train = data(2);
    RecordedRun begun = folds(base, train).stoppedAfter(1);
    assertTrue(begun.crossValidate().interrupted());
    Files.writeString(pooling, form.formatted("cls_token"));
    RecordedRun resumed = folds(base, train).with(RunOption.RESUME);
    InputException e = assertThrows(InputException.class, resumed::crossValidate);
    assertTrue(e.getMessage().contains("the base model was "), e.getMessage());
    Files.writeString(pooling, form.formatted("mean_tokens"));
    assertFalse(folds(base, train).with(RunOption.RESUME).crossValidate().interrupted());
  }

  private RecordedRun folds(Path base, Path train) {
    return new RecordedRun(base, train, scratch.resolve("folds"))
        .with(RunOption.TASK, "few-shot")
        .with(RunOption.K_FOLD, "2")
        .with(RunOption.MAX_STEPS, "2");
  }
}
