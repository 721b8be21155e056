package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.Classifier;
import dev.attune.Embedder;
import dev.attune.Generator;
import dev.attune.InvalidInputException;
import dev.attune.ModelOptions;
import dev.attune.Precision;
import dev.attune.Trainer;
import dev.attune.WeightFormat;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.hub.Hub;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.store.Segment;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Models that are opened for products of integers: what they say, and what cannot be had so. */
class Int8RunsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir static Path shared;
  private static Path tiny;
  private static Path decoder;
  private static Path data;
  private static Path trained;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      tiny = TinyModel.write(shared.resolve("tiny"), backend);
      decoder = TinyDecoder.write(Files.createDirectory(shared.resolve("decoder")), backend, 32);
    }
    data = TinyModel.writeData(shared.resolve("data.csv"), 60, 3);
    trained = shared.resolve("trained");
    new RecordedRun(tiny, data, trained).with(RunOption.MAX_STEPS, "30").run();
  }

  private static RunConfig.Builder predict(Path model, Path file, Path output, String precision) {
    return RunConfig.builder(CommandOptions.PREDICT)
        .set(RunOption.MODEL, model.toString())
        .set(RunOption.FILE, file.toString())
        .set(RunOption.OUTPUT, output.toString())
        .set(RunOption.PRECISION, precision);
  }

  private List<JsonNode> rows(Path model, Path file, String precision) throws IOException {
    Path output = scratch.resolve(precision + ".jsonl");
    PredictRun.run(predict(model, file, output, precision).build());
    List<JsonNode> rows = new ArrayList<>();
    for (String line : Files.readAllLines(output)) {
      rows.add(JSON.readTree(line));
    }
    return rows;
  }

  /** A fine-tuned MiniLM says of customers' reviews what it says in fp32. */
  @Test
  void labelsAreThoseOfFp32OnNearlyAllRows() throws IOException {
    Path examples = Path.of(System.getProperty("basedir", ".")).resolve("examples/reviews");
    Path model = scratch.resolve("reviews");
    new RecordedRun(Hub.resolve("minilm", note -> {}), examples.resolve("train.csv"), model)
        .with(RunOption.THREADS, "0")
        .with(RunOption.PRECISION, "fp32") // nearly the same model on every processor
        .with(RunOption.LEARNING_RATE, "1e-4")
        .with(RunOption.MAX_STEPS, "60")
        .run();
    List<JsonNode> whole = rows(model, examples.resolve("test.csv"), "fp32");
    List<JsonNode> rounded = rows(model, examples.resolve("test.csv"), "int8");
    assertEquals(whole.size(), rounded.size());
    Map<String, Integer> labels = new TreeMap<>();
    int same = 0;
    double farthest = 0;
    for (int i = 0; i < whole.size(); i++) {
      String label = whole.get(i).get("predicted_label").asText();
      labels.merge(label, 1, Integer::sum);
      same += label.equals(rounded.get(i).get("predicted_label").asText()) ? 1 : 0;
      for (Map.Entry<String, JsonNode> score : whole.get(i).get("scores").properties()) {
        double other = rounded.get(i).get("scores").get(score.getKey()).asDouble();
        farthest = Math.max(farthest, Math.abs(score.getValue().asDouble() - other));
      }
    }
    assertTrue(labels.size() > 1, "a model that says one thing proves nothing: " + labels);
    assertTrue(same >= 0.97 * whole.size(), same + " of " + whole.size());
    assertTrue(farthest > 0, "the scores are those of fp32: nothing was rounded");
  }

  /** Sums of integers do not depend on who adds them. */
  @Test
  void predictionsAreTheSameBytesWhateverTheThreads() throws IOException {
    Path one = scratch.resolve("one.jsonl");
    Path three = scratch.resolve("three.jsonl");
    PredictRun.run(predict(trained, data, one, "int8").set(RunOption.THREADS, "1").build());
    PredictRun.run(predict(trained, data, three, "int8").set(RunOption.THREADS, "3").build());
    assertArrayEquals(Files.readAllBytes(one), Files.readAllBytes(three));
  }

  /** libtorch computes the same products. */
  @Test
  void libtorchSaysTheSame() throws IOException {
    List<JsonNode> ours = rows(trained, data, "int8");
    Path output = scratch.resolve("torch.jsonl");
    PredictRun.run(predict(trained, data, output, "int8").set(RunOption.BACKEND, "torch").build());
    List<String> lines = Files.readAllLines(output);
    for (int i = 0; i < lines.size(); i++) {
      JsonNode theirs = JSON.readTree(lines.get(i));
      assertEquals(
          ours.get(i).get("scores").get("positive").asDouble(),
          theirs.get("scores").get("positive").asDouble(),
          1e-3);
    }
  }

  /** The weights of the layers' products, and nothing else. */
  @Test
  void theLayersAloneAreHeldInInt8() {
    RunConfig config = predict(trained, data, scratch.resolve("x.jsonl"), "int8").build();
    try (Session session = Session.open(config);
        TrainedModel opened = TrainedModel.open(config, session)) {
      assertEquals(DType.F32, session.precision());
      Map<DType, List<String>> names =
          opened.model().parameters().segments().stream()
              .filter(segment -> segment.shape().length == 2)
              .collect(
                  Collectors.groupingBy(
                      Segment::dtype, Collectors.mapping(Segment::name, Collectors.toList())));
      assertEquals(12, names.get(DType.CHANNEL_INT8).size(), names.toString());
      names
          .get(DType.CHANNEL_INT8)
          .forEach(name -> assertTrue(name.contains("encoder.layer."), name));
      names.get(DType.F32).forEach(name -> assertTrue(!name.contains("encoder.layer."), name));
      assertTrue(names.get(DType.F32).contains("classifier.weight"), names.toString());
      assertTrue(names.get(DType.F32).contains("bert.pooler.dense.weight"), names.toString());
    }
  }

  /** An adapter's base is held in int8, what it adds in f32. */
  @Test
  void anAdapterStandsOnIntegers() throws IOException {
    Path adapter = scratch.resolve("adapter");
    new RecordedRun(tiny, data, adapter)
        .with(RunOption.LORA_R, "4")
        .with(RunOption.MAX_STEPS, "30")
        .run();
    List<JsonNode> whole = rows(adapter, data, "fp32");
    List<JsonNode> rounded = rows(adapter, data, "int8");
    for (int i = 0; i < whole.size(); i++) {
      assertEquals(
          whole.get(i).get("scores").get("positive").asDouble(),
          rounded.get(i).get("scores").get("positive").asDouble(),
          0.05);
    }
  }

  @Test
  void vectorsPointWhereThoseOfFp32Do() {
    List<String> texts =
        List.of(
            "A dog runs over the meadow.",
            "Interest rates are expected to stay where they are until the autumn.",
            "How do I replace the gasket of the pump?");
    try (Embedder whole = Embedder.open("minilm", precision(Precision.FP32));
        Embedder rounded = Embedder.open("minilm", precision(Precision.INT8))) {
      for (String text : texts) {
        double cosine = 0;
        float[] a = whole.embed(text);
        float[] b = rounded.embed(text);
        for (int i = 0; i < a.length; i++) {
          cosine += (double) a[i] * b[i];
        }
        assertTrue(cosine > 0.98 && cosine < 1 - 1e-7, text + ": " + cosine);
      }
    }
  }

  /** One text in a batch has the bits that it has alone. */
  @Test
  void aTextIsTheSameAloneAndAmongOthers() {
    List<String> texts = List.of("the book is lovely", "a broken phone", "this chair was very sad");
    try (Classifier classifier = Classifier.open(trained, precision(Precision.INT8))) {
      List<Map<String, Double>> together = new ArrayList<>();
      classifier.predict(texts).forEach(said -> together.add(said.scores()));
      for (int i = 0; i < texts.size(); i++) {
        assertEquals(classifier.predict(texts.get(i)).scores(), together.get(i));
      }
    }
  }

  private static Consumer<ModelOptions> precision(Precision precision) {
    return options -> options.precision(precision);
  }

  // ---- refusals

  private static String refusal(RunConfig config) {
    return RunOption.worded(
        assertThrows(InputException.class, () -> PredictRun.run(config)).getMessage());
  }

  @Test
  void trainingRefusesItBeforeAnythingIsRead() {
    String said =
        new RecordedRun(tiny, scratch.resolve("none.csv"), scratch.resolve("out"))
            .with(RunOption.PRECISION, "int8")
            .refusal();
    assertTrue(said.startsWith("--precision int8 is for models that read texts"), said);
    InvalidInputException refused =
        assertThrows(
            InvalidInputException.class,
            () ->
                Trainer.classification(tiny.toString())
                    .train(data)
                    .precision(Precision.INT8)
                    .saveTo(scratch.resolve("out")));
    assertTrue(refused.getMessage().contains("Training needs gradients"), refused.getMessage());
  }

  @Test
  void generationRefusesIt() {
    InvalidInputException refused =
        assertThrows(
            InvalidInputException.class, () -> Generator.open(decoder, precision(Precision.INT8)));
    assertTrue(refused.getMessage().contains("is a language model"), refused.getMessage());
  }

  @Test
  void twoFormsOfTheWeightsAreOneTooMany() {
    RunConfig.Builder both = predict(trained, data, scratch.resolve("x.jsonl"), "int8");
    String said = refusal(both.set(RunOption.LOAD_IN_8BIT, "true").build());
    assertTrue(
        said.startsWith("--precision int8 holds the weights of the layers in 8 bits already"),
        said);
    InvalidInputException refused =
        assertThrows(
            InvalidInputException.class,
            () ->
                Classifier.open(
                    trained, o -> o.precision(Precision.INT8).weights(WeightFormat.NF4)));
    assertTrue(refused.getMessage().contains("leave"), refused.getMessage());
  }

  @Test
  void aWeightDecomposedAdapterIsToBeMergedFirst() {
    Path adapter = scratch.resolve("dora");
    new RecordedRun(tiny, data, adapter)
        .with(RunOption.LORA_R, "4")
        .with(RunOption.USE_DORA)
        .with(RunOption.MAX_STEPS, "1")
        .run();
    String said = refusal(predict(adapter, data, scratch.resolve("x.jsonl"), "int8").build());
    assertTrue(said.contains("weight-decomposed adapter"), said);
    assertTrue(said.endsWith("attune merge --model " + adapter), said);
  }

  @Test
  void aDeviceRefusesIt() {
    RunConfig.Builder config = predict(trained, data, scratch.resolve("x.jsonl"), "int8");
    String said = refusal(config.set(RunOption.BACKEND, "cuda").build());
    assertTrue(said.startsWith("--precision int8 has products on the CPU alone"), said);
  }

  @Test
  void masksAreFilledInIntegersNearlyAsInFp32() {
    Path masked = scratch.resolve("masked");
    new RecordedRun(tiny, data, masked)
        .with(RunOption.TASK, "masked-lm")
        .with(RunOption.MAX_STEPS, "20")
        .run();
    List<String> notes = new ArrayList<>();
    double farthest = 0;
    List<List<List<MaskModel.Fill>>> whole = fill(masked, "fp32", notes);
    List<List<List<MaskModel.Fill>>> rounded = fill(masked, "int8", notes);
    for (int text = 0; text < whole.size(); text++) {
      Map<Integer, Double> scores = new TreeMap<>();
      whole.get(text).get(0).forEach(fill -> scores.put(fill.token(), fill.score()));
      for (MaskModel.Fill fill : rounded.get(text).get(0)) {
        farthest = Math.max(farthest, Math.abs(fill.score() - scores.get(fill.token())));
      }
    }
    assertTrue(farthest > 0 && farthest < 0.02, "off by " + farthest + "; " + notes);
  }

  private static List<List<List<MaskModel.Fill>>> fill(
      Path model, String precision, List<String> notes) {
    return MaskFill.run(
        List.of("the phone is [MASK]", "a [MASK] book"),
        RunConfig.builder(CommandOptions.FILL)
            .set(RunOption.MODEL, model.toString())
            .set(RunOption.PRECISION, precision)
            .set(RunOption.TOP_K, "22")
            .build(),
        notes::add);
  }
}
