package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.store.Segment;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.weights.SafetensorsWriter;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that are stored otherwise than config.json lets expect. */
class StoredWeightsTest {
  private static final Backend BACKEND = Backends.best().findFirst().orElseThrow().backend();
  private static final ObjectMapper JSON = new ObjectMapper();

  @TempDir Path folder;

  /** Tensors as a folder holds them: shape and values. */
  private record Stored(long[] shape, float[] values) {}

  private static Map<String, Stored> read(Path from) {
    Map<String, Stored> tensors = new LinkedHashMap<>();
    try (WeightSource source = WeightFolder.open(from)) {
      for (String name : source.names()) {
        long[] shape = source.info(name).shape();
        FloatBuffer values = FloatBuffer.allocate((int) product(shape));
        source.read(name, values);
        tensors.put(name, new Stored(shape, values.array()));
      }
    }
    return tensors;
  }

  private static long product(long[] shape) {
    long count = 1;
    for (long size : shape) {
      count *= size;
    }
    return count;
  }

  private void write(Map<String, Stored> tensors, UnaryOperator<String> renamed)
      throws IOException {
    SafetensorsWriter writer = new SafetensorsWriter();
    tensors.forEach(
        (name, tensor) ->
            writer.add(
                renamed.apply(name),
                "F32",
                tensor.shape(),
                first -> FloatBuffer.wrap(tensor.values()).position((int) first).slice()));
    writer.write(folder.resolve("model.safetensors"));
  }

  private void tied(boolean tied) throws IOException {
    ObjectNode config = ModelFolder.readConfig(Goldens.own("llama"));
    config.put("tie_word_embeddings", tied);
    Files.writeString(folder.resolve("config.json"), JSON.writeValueAsString(config));
  }

  /** The weight of the last product, as the model that is opened here has it. */
  private float[] vocabulary() {
    ModelFolder opened = ModelFolder.open(folder, null);
    try (Model model =
        Families.create(BACKEND, opened.config(), HeadKind.LANGUAGE_MODEL, 0, null)) {
      ModelWeights.load(folder, model, 1);
      Segment segment = model.parameters().segment("lm_head.weight");
      if (segment == null) {
        segment = model.parameters().segment("model.embed_tokens.weight");
      }
      assertEquals(DType.F32, segment.dtype());
      return Host.floats(model.parameters().weights(), segment.first(), (int) segment.count());
    }
  }

  @Test
  void vocabulariesThatDifferAreNotShared() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("llama"));
    Stored word = tensors.get("model.embed_tokens.weight");
    float[] other = word.values().clone();
    other[other.length - 1] += 0.5f;
    tensors.put("lm_head.weight", new Stored(word.shape(), other));
    write(tensors, name -> name);
    tied(true);
    assertFalse(ModelFolder.open(folder, null).config().get("tie_word_embeddings").asBoolean());
    assertEquals(other[other.length - 1], vocabulary()[other.length - 1]);
  }

  @Test
  void norWhereAllNamesBeginWithModule() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("llama"));
    Stored word = tensors.get("model.embed_tokens.weight");
    float[] other = word.values().clone();
    other[0] += 0.5f;
    tensors.put("lm_head.weight", new Stored(word.shape(), other));
    write(tensors, name -> "module." + name);
    tied(true);
    assertEquals(other[0], vocabulary()[0]);
  }

  @Test
  void vocabulariesThatAreEqualAreShared() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("llama"));
    tensors.put("lm_head.weight", tensors.get("model.embed_tokens.weight"));
    write(tensors, name -> name);
    tied(true);
    assertTrue(ModelFolder.open(folder, null).config().get("tie_word_embeddings").asBoolean());
    assertEquals(tensors.get("lm_head.weight").values()[3], vocabulary()[3]);
  }

  @Test
  void oneOfThemMayBeAbsent() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("llama"));
    tensors.remove("lm_head.weight");
    write(tensors, name -> name);
    tied(true);
    assertEquals(tensors.get("model.embed_tokens.weight").values()[3], vocabulary()[3]);
  }

  /** PyTorch's DataParallel puts "module." before every name. */
  /** With the body's prefix and without: which of the two counts, nobody knows. */
  @Test
  void aTensorThatIsThereTwiceAndDiffersIsRefused() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("llama"));
    Stored norm = tensors.get("model.norm.weight");
    tensors.put("norm.weight", norm);
    write(tensors, name -> name);
    tied(false);
    vocabulary();
    float[] other = norm.values().clone();
    other[0] += 1;
    tensors.put("norm.weight", new Stored(norm.shape(), other));
    write(tensors, name -> name);
    InputException e = assertThrows(InputException.class, this::vocabulary);
    assertTrue(e.getMessage().contains("hold model.norm.weight and norm.weight"), e.getMessage());
  }

  @Test
  void namesMayBeginWithModule() throws IOException {
    Map<String, Stored> tensors = read(Goldens.own("bert"));
    write(tensors, name -> "module." + name);
    Files.copy(Goldens.own("bert").resolve("config.json"), folder.resolve("config.json"));
    ModelFolder opened = ModelFolder.open(folder, null);
    ModelFolder plain = ModelFolder.open(Goldens.own("bert"), null);
    assertEquals(plain.savedOutputs(), opened.savedOutputs());
    int outputs = plain.savedOutputs().orElse(1);
    try (Model model = Families.create(BACKEND, opened.config(), HeadKind.SEQUENCE, outputs, null);
        Model same = Families.create(BACKEND, opened.config(), HeadKind.SEQUENCE, outputs, null)) {
      ModelWeights.Loaded loaded = ModelWeights.load(folder, model, 1);
      ModelWeights.Loaded expected = ModelWeights.load(plain.path(), same, 1);
      assertEquals(expected.created(), loaded.created());
      assertEquals(
          expected.unused().stream().map(name -> "module." + name).toList(), loaded.unused());
      int count = (int) model.parameters().size();
      assertArrayEquals(
          Host.floats(same.parameters().weights(), 0, count),
          Host.floats(model.parameters().weights(), 0, count));
    }
  }
}
