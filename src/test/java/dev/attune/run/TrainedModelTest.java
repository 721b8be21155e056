package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.Segment;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How the weights of a language model are held that texts are generated with. */
class TrainedModelTest {
  private static final String WEIGHTS = "model.safetensors";

  @TempDir Path scratch;

  private Path original; // f32
  private Path narrow; // the same, rounded to bf16
  private Path widened; // the values of `narrow` in f32

  @BeforeEach
  void writeFolders() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      original = TinyDecoder.write(Files.createDirectory(scratch.resolve("f32")), backend, 32);
      narrow = TinyDecoder.write(Files.createDirectory(scratch.resolve("bf16")), backend, 32);
      rewrite(backend, narrow, narrow, "BF16");
      widened = TinyDecoder.write(Files.createDirectory(scratch.resolve("wide")), backend, 32);
      rewrite(backend, narrow, widened, "F32");
    }
  }

  private static void rewrite(Backend backend, Path from, Path to, String dtype)
      throws IOException {
    try (Model model =
        Families.create(backend, ModelFolder.readConfig(from), HeadKind.LANGUAGE_MODEL, 1, null)) {
      ModelWeights.load(from, model, 0);
      ModelWeights.write(to.resolve(WEIGHTS), model, dtype);
    }
  }

  private static RunConfig config(Path folder, String... flags) {
    RunConfig.Builder builder =
        RunConfig.builder(CommandOptions.GENERATE)
            .set(RunOption.MODEL, folder.toString())
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.THREADS, "2")
            .set(RunOption.MAX_NEW_TOKENS, "40");
    for (String flag : flags) {
      builder.set(builder.option(flag, "test"), "true");
    }
    return builder.build();
  }

  /** The types of the model's matrices. */
  private static List<DType> matrices(RunConfig config) {
    try (Session session = Session.open(config);
        TrainedModel opened = TrainedModel.open(config, session)) {
      return opened.model().parameters().segments().stream()
          .filter(segment -> segment.shape().length == 2)
          .map(Segment::dtype)
          .distinct()
          .toList();
    }
  }

  private static String text(RunConfig config) {
    try (GenerateRun run = GenerateRun.open(config)) {
      return run.generate(run.prompt("Once upon a time"), null).text();
    }
  }

  private static InputException refusal(Path folder) {
    return assertThrows(InputException.class, () -> matrices(config(folder)));
  }

  /** Weights are of another model: what their loading tells. */
  private static void breakWeights(Path folder) throws IOException {
    Path file = folder.resolve("config.json");
    ObjectNode config = (ObjectNode) ModelFolder.readConfig(folder);
    config.put("intermediate_size", 2 * config.get("intermediate_size").asInt());
    Files.writeString(file, config.toString());
  }

  /** As training says it: a number that comes of a part of the weights looks like any other. */
  @Test
  void tensorsThatAreNotUsedAreNamed() throws IOException {
    List<String> notes = new ArrayList<>();
    GenerateRun.open(config(original), notes::add).close();
    assertEquals(List.of(), notes);
    ObjectNode config = (ObjectNode) ModelFolder.readConfig(original);
    int layers = config.get("num_hidden_layers").asInt();
    config.put("num_hidden_layers", layers - 1);
    Files.writeString(original.resolve("config.json"), config.toString());
    GenerateRun.open(config(original), notes::add).close();
    assertEquals(1, notes.size(), notes.toString());
    assertTrue(notes.get(0).startsWith("tensors of the folder that are not used: "), notes.get(0));
    assertTrue(notes.get(0).contains("model.layers." + (layers - 1) + "."), notes.get(0));
  }

  @Test
  void weightsOfAnotherModelAreRefusedWhenTheyAreLoaded() throws IOException {
    breakWeights(original);
    InputException refusal = refusal(original);
    assertTrue(refusal.getMessage().contains("mlp"), refusal.getMessage());
    assertEquals(0, refusal.getSuppressed().length);
  }

  /** Weights may take minutes to load. */
  @Test
  void aMissingTokenizerIsToldBeforeWeightsAreRead() throws IOException {
    Files.delete(original.resolve("merges.txt"));
    breakWeights(original);
    InputException refusal = refusal(original);
    assertTrue(refusal.getMessage().contains("merges.txt is missing"), refusal.getMessage());
  }

  /** Which is told first is a matter of which was seen first. */
  @Test
  void ofABrokenTokenizerAndBrokenWeightsBothAreTold() throws IOException {
    Files.writeString(original.resolve("tokenizer.json"), "{\"model\": ");
    breakWeights(original);
    InputException refusal = refusal(original);
    assertTrue(
        Stream.concat(Stream.of(refusal), Stream.of(refusal.getSuppressed()))
            .anyMatch(each -> each.getMessage().contains("tokenizer.json")),
        refusal.toString());
  }

  @Test
  void matricesOfABf16FolderStayInBf16() {
    assertTrue(ModelWeights.hasBf16Matrices(narrow));
    assertFalse(ModelWeights.hasBf16Matrices(original));
    assertEquals(List.of(DType.BF16), matrices(config(narrow)));
    assertEquals(List.of(DType.F32), matrices(config(widened)));
  }

  @Test
  void heldInBf16TheyGiveTheSameTextAsWidened() {
    String text = text(config(widened));
    assertFalse(text.isEmpty());
    assertEquals(text, text(config(narrow)));
    assertEquals(text, text(config(original, "load-in-bf16")));
  }
}
