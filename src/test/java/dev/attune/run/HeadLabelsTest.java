package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.folder.ModelFolder;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.Safetensors;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A head that is trained further keeps the meaning of its outputs. */
class HeadLabelsTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path output;

  @BeforeEach
  void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 60, 1);
    output = scratch.resolve("out");
  }

  /** Gives the model's head, of two outputs, names. */
  private void named(String architecture, String... labels) throws IOException {
    ObjectNode config = ModelFolder.readConfig(model);
    config.putArray("architectures").add(architecture);
    ObjectNode names = config.putObject("id2label");
    for (int id = 0; id < labels.length; id++) {
      names.put(Integer.toString(id), labels[id]);
    }
    JSON.writeValue(model.resolve("config.json").toFile(), config);
  }

  /** A step so small that no weight moves. */
  private RecordedRun standing() {
    return new RecordedRun(model, train, output)
        .with(RunOption.MAX_STEPS, "1")
        .with(RunOption.LEARNING_RATE, "1e-30")
        .with(RunOption.WEIGHT_DECAY, "0")
        .with(RunOption.OVERWRITE);
  }

  private float[] head(Path folder) {
    try (Safetensors source = Safetensors.open(folder.resolve("model.safetensors"))) {
      float[] values = new float[(int) source.info("classifier.weight").elements()];
      source.read("classifier.weight", FloatBuffer.wrap(values));
      return values;
    }
  }

  private List<String> labels(Path folder) {
    return ModelFolder.open(folder, null).labelNames();
  }

  private static void says(RecordedRun run, String part) {
    assertTrue(
        run.notes().stream().anyMatch(note -> note.contains(part)),
        "no '" + part + "' in " + run.notes());
  }

  @Test
  void theFoldersOrderRules() throws IOException {
    named("BertForSequenceClassification", "positive", "negative");
    RecordedRun run = standing();
    run.run();
    assertEquals(List.of("positive", "negative"), labels(output));
    assertArrayEquals(head(model), head(output));
    assertEquals(List.of(), run.notes(), "nothing happened that needs to be said");
  }

  @Test
  void outputsWithoutNamesGetThoseOfTheData() throws IOException {
    for (boolean written : new boolean[] {false, true}) {
      if (written) {
        named("BertForSequenceClassification", "LABEL_0", "LABEL_1");
      }
      RecordedRun run = standing();
      run.run();
      assertEquals(List.of("negative", "positive"), labels(output));
      assertArrayEquals(head(model), head(output));
      says(run, "outputs without names");
    }
  }

  @Test
  void asManyLabelsOfOtherNamesAreRefusedWithBothLists() throws IOException {
    named("BertForSequenceClassification", "good", "bad");
    String refusal = standing().refusal();
    for (String part : List.of("\"good\", \"bad\"", "\"negative\", \"positive\"", "--new-head")) {
      assertTrue(refusal.contains(part), refusal);
    }
    RecordedRun asked = standing().with(RunOption.NEW_HEAD);
    asked.run();
    assertEquals(List.of("negative", "positive"), labels(output));
    says(asked, "new weights: classifier.weight, classifier.bias");
    assertTrue(!java.util.Arrays.equals(head(model), head(output)));
  }

  @Test
  void labelsThatTheHeadLacksGetANewOneSaidAloud() throws IOException {
    named("BertForSequenceClassification", "good", "bad");
    Files.writeString(train, Files.readString(train).replaceFirst("positive", "neutral"));
    RecordedRun run = standing();
    run.run();
    assertEquals(List.of("negative", "neutral", "positive"), labels(output));
    says(run, "a new one is made");
  }

  @Test
  void fewerLabelsThanTheHeadHasKeepIt() throws IOException {
    Files.writeString(train, Files.readString(train).replaceFirst("positive", "neutral"));
    standing().run();
    Path three = scratch.resolve("three");
    Files.move(output, three);
    model = three;
    train = TinyModel.writeData(scratch.resolve("two.csv"), 60, 1);
    standing().run();
    assertEquals(List.of("negative", "neutral", "positive"), labels(output));
    assertArrayEquals(head(model), head(output));
  }

  @Test
  void aHeadForAnotherTaskIsNotKeptThoughItFits() throws IOException {
    named("BertForTokenClassification", "positive", "negative");
    RecordedRun run = standing();
    run.run();
    assertEquals(List.of("negative", "positive"), labels(output));
    says(run, "new weights: classifier.weight, classifier.bias");
  }

  /** An adapter made elsewhere names its labels nowhere of ours. */
  @Test
  void anAdaptersLabelsComeFromWhereItsFilesHaveThem() throws IOException {
    named("BertForSequenceClassification", "positive", "negative");
    standing().with(RunOption.LORA_R, "2").run();
    assertEquals(List.of("positive", "negative"), labels(output));
    Files.delete(output.resolve("attune.json"));
    assertEquals(List.of("positive", "negative"), labels(output), "the base's");
    Path config = output.resolve("adapter_config.json");
    ObjectNode json = (ObjectNode) JSON.readTree(config.toFile());
    json.putObject("id2label").put("0", "x").put("1", "y");
    JSON.writeValue(config.toFile(), json);
    assertEquals(List.of("x", "y"), labels(output), "adapter_config.json's");
    Files.writeString(
        output.resolve("config.json"), "{\"id2label\": {\"0\": \"p\", \"1\": \"q\"}}");
    assertEquals(List.of("p", "q"), labels(output), "config.json's");
    Files.delete(output.resolve("config.json"));
    json.remove("id2label");
    JSON.writeValue(config.toFile(), json);
    named("BertForSequenceClassification", "a", "b", "c");
    try (CpuBackend backend = new CpuBackend(1);
        TrainedModel opened =
            TrainedModel.open(output, OpenOptions.DEFAULT, backend, Precision.FP32.on(backend))) {
      // The base's names are not as many as the saved head has outputs.
      assertEquals(List.of("LABEL_0", "LABEL_1"), opened.labels().names());
    }
  }
}
