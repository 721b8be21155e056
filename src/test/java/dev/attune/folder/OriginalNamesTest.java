package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.testkit.Goldens;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Folders with the names of the program that made a model first, as Transformers saves NomicBERT,
 * hold the weights that folders with the names of Transformers' class hold.
 */
class OriginalNamesTest {
  private static final String BODY = "nomic_bert.";

  @TempDir private Path scratch;

  private static Map<String, float[]> load(Path folder) {
    Map<String, float[]> values = new TreeMap<>();
    try (Backend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 5, null)) {
      ModelWeights.Loaded loaded = ModelWeights.load(folder, model, 0);
      assertEquals(List.of(), loaded.created());
      assertEquals(List.of(), loaded.unused());
      Parameters parameters = model.parameters();
      for (Segment segment : parameters.segments()) {
        values.put(segment.name(), ModelWeights.folderValues(parameters, segment).array());
      }
    }
    return values;
  }

  /** A copy of a folder, whose tensors are called otherwise. */
  private Path renamed(Path source, UnaryOperator<String> names) throws IOException {
    Path folder = Files.createDirectories(scratch.resolve("renamed"));
    Files.copy(source.resolve("config.json"), folder.resolve("config.json"));
    SafetensorsWriter writer = new SafetensorsWriter();
    try (WeightSource weights = WeightFolder.open(source)) {
      for (String name : weights.names()) {
        FloatBuffer values = FloatBuffer.allocate((int) weights.info(name).elements());
        weights.read(name, values);
        writer.add(names.apply(name), "F32", weights.info(name).shape(), values.flip());
      }
      writer.write(folder.resolve("model.safetensors"));
    }
    return folder;
  }

  private static void assertSame(Map<String, float[]> expected, Map<String, float[]> actual) {
    assertEquals(expected.keySet(), actual.keySet());
    expected.forEach((name, values) -> assertArrayEquals(values, actual.get(name), name));
  }

  /**
   * The original program's, a body alone, and one of DataParallel; the pooler is not of the former.
   */
  @ParameterizedTest
  @ValueSource(strings = {"bert.", "", "module.nomic_bert."})
  void prefixesOfTheBodyAreKnown(String prefix) throws IOException {
    Path golden = Goldens.own("nomic_bert");
    String outside = prefix.startsWith("module.") ? "module." : "";
    Path folder =
        renamed(
            golden,
            name ->
                name.startsWith(BODY) && !(name.contains("pooler") && prefix.equals("bert."))
                    ? prefix + name.substring(BODY.length())
                    : outside + name);
    assertSame(load(golden), load(folder));
  }

  @Test
  void whatIsWrittenHasTheNamesOfTransformersClass() throws IOException {
    Path golden = Goldens.own("nomic_bert");
    Path folder = Files.createDirectories(scratch.resolve("written"));
    Files.copy(golden.resolve("config.json"), folder.resolve("config.json"));
    try (Backend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(golden), HeadKind.SEQUENCE, 5, null)) {
      ModelWeights.load(golden, model, 0);
      ModelWeights.write(folder.resolve("model.safetensors"), model);
    }
    try (WeightSource before = WeightFolder.open(golden);
        WeightSource after = WeightFolder.open(folder)) {
      assertTrue(before.names().contains(BODY + "encoder.layers.0.attn.Wqkv.weight"));
      assertTrue(after.names().contains(BODY + "layers.0.self_attn.k_proj.weight"));
      assertFalse(after.names().stream().anyMatch(name -> name.contains("Wqkv")));
    }
    assertSame(load(golden), load(folder));
  }

  /** One that cannot be parted evenly is named as the folder has it. */
  @Test
  void aTensorOfAnotherShapeIsNamed() throws IOException {
    Path golden = Goldens.own("nomic_bert");
    Path folder = Files.createDirectories(scratch.resolve("odd"));
    Files.copy(golden.resolve("config.json"), folder.resolve("config.json"));
    SafetensorsWriter writer = new SafetensorsWriter();
    try (WeightSource weights = WeightFolder.open(golden)) {
      for (String name : weights.names()) {
        long[] shape = weights.info(name).shape();
        if (name.contains("Wqkv")) {
          shape[0]++;
        }
        int count = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
        writer.add(name, "F32", shape, FloatBuffer.allocate(count));
      }
      writer.write(folder.resolve("model.safetensors"));
    }
    String message = assertThrows(InputException.class, () -> load(folder)).getMessage();
    assertTrue(message.contains("encoder.layers.0.attn.Wqkv.weight has shape [49, 16]"), message);
  }

  /** What PyTorch puts around a model that is saved from inside, compiled or in parallel. */
  @ParameterizedTest
  @ValueSource(strings = {"module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."})
  void whatIsAroundAllNamesIsTakenOff(String wrapper) throws IOException {
    Path golden = Goldens.own("bert");
    assertSame(load(golden), load(renamed(golden, name -> wrapper + name)));
  }

  /** Another one is somebody's own: it is named, with what helps. */
  @ParameterizedTest
  @ValueSource(strings = {"model.", "bert."})
  void whatElseIsBeforeNamesIsNamed(String prefix) throws IOException {
    Path folder = renamed(Goldens.own("bert"), name -> prefix + name);
    String message = assertThrows(InputException.class, () -> load(folder)).getMessage();
    assertTrue(
        message.endsWith(
            "the weights lack the tensor bert.embeddings.word_embeddings.weight [80, 16]; they hold"
                + " it as "
                + prefix
                + "bert.embeddings.word_embeddings.weight. Take '"
                + prefix
                + "' off the names that begin with it"),
        message);
  }

  /** Of another program's names the nearest is shown. */
  @Test
  void whatIsThereInPlaceOfATensorIsNamed() throws IOException {
    Path folder =
        renamed(
            Goldens.own("bert"), name -> name.replace("self.query.weight", "self.qkv_proj.weight"));
    String message = assertThrows(InputException.class, () -> load(folder)).getMessage();
    assertTrue(
        message.endsWith(
            "config.json does not describe these weights, which hold"
                + " bert.encoder.layer.0.attention.self.qkv_proj.weight"),
        message);
  }

  /** Transformers takes one of the two, and which is not said. */
  @Test
  void aTensorUnderAnOldNameTooIsRefusedWhereItDiffers() throws IOException {
    Path golden = Goldens.own("bert");
    Path folder = Files.createDirectories(scratch.resolve("twice"));
    Files.copy(golden.resolve("config.json"), folder.resolve("config.json"));
    SafetensorsWriter writer = new SafetensorsWriter();
    try (WeightSource weights = WeightFolder.open(golden)) {
      for (String name : weights.names()) {
        long[] shape = weights.info(name).shape();
        FloatBuffer values = FloatBuffer.allocate((int) weights.info(name).elements());
        weights.read(name, values);
        writer.add(name, "F32", shape, values.flip());
        if (name.equals("bert.embeddings.LayerNorm.weight")) {
          String old = name.replace("weight", "gamma");
          writer.add(old, "F32", shape, FloatBuffer.allocate((int) weights.info(name).elements()));
        }
      }
      writer.write(folder.resolve("model.safetensors"));
    }
    String message = assertThrows(InputException.class, () -> load(folder)).getMessage();
    assertTrue(
        message.endsWith(
            "the weights hold bert.embeddings.LayerNorm.weight and"
                + " bert.embeddings.LayerNorm.gamma, which mean the same and differ; take one of"
                + " the two out"),
        message);
  }
}
