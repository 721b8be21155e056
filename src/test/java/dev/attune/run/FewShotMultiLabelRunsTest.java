package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.Embedder;
import dev.attune.MultiLabelClassifier;
import dev.attune.MultiLabelPrediction;
import dev.attune.Precision;
import dev.attune.folder.LinearHead;
import dev.attune.testkit.Goldens;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Few-shot classification of texts with any number of labels, by a tiny BERT. */
class FewShotMultiLabelRunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** What is spoken of, "none" for nothing. */
  private static final List<String> ROWS =
      List.of(
          "the red cat runs,animal",
          "a blue dog sleeps,animal",
          "the old house,thing",
          "a small old tree,thing",
          "the cat and the house,animal|thing",
          "a dog under the tree,animal|thing",
          "the sun sings,",
          "a new sun,");

  @TempDir Path scratch;

  private Path model;
  private Path train;

  @BeforeEach
  void prepare() throws IOException {
    model = Files.createDirectories(scratch.resolve("model"));
    for (String file : List.of("config.json", "model.safetensors")) {
      Files.copy(Goldens.own("bert").resolve(file), model.resolve(file));
    }
    StringBuilder vocabulary = new StringBuilder();
    Goldens.resource("goldens/sentences.json")
        .get("vocabulary")
        .forEach(w -> vocabulary.append(w.asText()).append('\n'));
    Files.writeString(model.resolve("vocab.txt"), vocabulary);
    train = scratch.resolve("train.csv");
    Files.writeString(train, "text,labels\n" + String.join("\n", ROWS) + "\n");
  }

  private RecordedRun run(String output) {
    return new RecordedRun(model, train, scratch.resolve(output))
        .with(RunOption.TASK, "few-shot-multi-label")
        .with(RunOption.DROPOUT, "0")
        .with(RunOption.BATCH_SIZE, "64");
  }

  @Test
  void learnsAndIsReadByAll() throws IOException {
    TrainRun.Outcome outcome =
        run("out")
            .with(RunOption.MAX_STEPS, "60")
            .with(RunOption.LEARNING_RATE, "1e-3")
            .with(RunOption.HEAD_C, "10")
            .with(RunOption.VALIDATION_FILE, train.toString())
            .run();
    assertTrue(outcome.evaluation().get("f1_micro") > 0.9, outcome.evaluation()::toString);
    Path folder = scratch.resolve("out");
    Map<String, Double> values =
        EvaluateRun.run(
                RunConfig.builder(CommandOptions.EVALUATE)
                    .set(RunOption.MODEL, folder.toString())
                    .set(RunOption.FILE, train.toString())
                    .set(RunOption.PRECISION, "fp32")
                    .build())
            .values();
    outcome
        .evaluation()
        .forEach((name, value) -> assertEquals(value, values.get(name), 1e-6, name));

    LinearHead head = LinearHead.read(folder);
    try (MultiLabelClassifier classifier =
            MultiLabelClassifier.open(folder, o -> o.precision(Precision.FP32));
        MultiLabelClassifier strict =
            MultiLabelClassifier.open(folder, o -> o.precision(Precision.FP32).threshold(1));
        Embedder embedder = Embedder.open(folder.toString(), o -> o.precision(Precision.FP32))) {
      assertEquals(List.of("animal", "thing"), classifier.labels());
      MultiLabelPrediction both = classifier.predict("the cat and the house");
      assertEquals(List.of("animal", "thing"), both.labels());
      assertEquals(List.of(), classifier.predict("a new sun").labels());
      assertEquals(List.of(), strict.predict("the cat and the house").labels());
      float[] logits = head.logits(embedder.embed("the cat and the house"));
      int at = 0;
      for (double score : both.scores().values()) {
        assertEquals(1 / (1 + Math.exp(-logits[at++])), score, 1e-5);
      }
    }
  }

  /** Of 36 pairs of rows, a row with itself among them, 17 have a label in common. */
  @ParameterizedTest
  @CsvSource({"unique,36", "undersampling,34", "oversampling,38"})
  void pairsAreAsManyAsSetFits(String strategy, int pairs) throws IOException {
    TrainRun.Outcome outcome =
        run(strategy)
            .with(RunOption.SAMPLING_STRATEGY, strategy)
            .with(RunOption.BATCH_SIZE, "1")
            .with(RunOption.MAX_STEPS, "0")
            .with(RunOption.EPOCHS, "1")
            .run();
    assertEquals(pairs, outcome.training().steps());
  }

  /** Where no row has two labels, both ways of naming them learn the same from all pairs. */
  @Test
  void oneLabelEachIsLearnedAsByFewShot() throws IOException {
    Files.writeString(
        train, "text,label\nthe red cat,a\na blue dog,a\nthe old house,b\na small tree,b\n");
    run("several").with(RunOption.MAX_STEPS, "2").run();
    run("one").with(RunOption.TASK, "few-shot").with(RunOption.MAX_STEPS, "2").run();
    List<String> one = Files.readAllLines(scratch.resolve("one/metrics.jsonl"));
    List<String> several = Files.readAllLines(scratch.resolve("several/metrics.jsonl"));
    for (int step = 0; step < 2; step++) {
      JsonNode expected = JSON.readTree(one.get(step));
      double loss = expected.get("loss").asDouble();
      assertTrue(loss > 1e-4, "loss " + loss);
      assertEquals(loss, JSON.readTree(several.get(step)).get("loss").asDouble(), 1e-7);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "loss,cosent,--sampling-strategy oversampling",
    "label-names,'animal,thing,person','no row of \"person\"'",
    "tune-thresholds,true,has no meaning for --task few-shot-multi-label",
  })
  void whatMeansNothingIsRefused(String option, String value, String said) {
    String refusal =
        run("refused")
            .with(OptionNames.find(option, CommandOptions.TRAIN).orElseThrow(), value)
            .refusal();
    assertTrue(refusal.contains(said), refusal);
  }

  @Test
  void aLabelOfAllRowsIsRefused() throws IOException {
    Files.writeString(train, "text,labels\nthe cat,a|b\na dog,a\nthe old house,a|b\n");
    String refusal = run("refused").refusal();
    assertTrue(refusal.contains("every row of the training set has \"a\""), refusal);
  }
}
