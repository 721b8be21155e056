package dev.attune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EmbedderTest {
  @TempDir private Path folder;

  @Test
  void vectorsAreThoseOfSentenceTransformers() throws IOException {
    JsonNode goldens = Goldens.resource("embeddings/minilm.json");
    List<String> texts = new ArrayList<>();
    goldens.forEach(golden -> texts.add(golden.get("text").asText()));
    try (Embedder embedder = Embedder.open("minilm")) {
      assertEquals(384, embedder.dimension());
      List<float[]> together = embedder.embed(texts);
      for (int i = 0; i < texts.size(); i++) {
        float[] expected = new float[384];
        for (int k = 0; k < 384; k++) {
          expected[k] = (float) goldens.get(i).get("vector").get(k).asDouble();
        }
        assertArrayEquals(expected, together.get(i), 1e-5f, texts.get(i));
        assertArrayEquals(expected, embedder.embed(texts.get(i)), 1e-5f, texts.get(i));
      }
      assertEquals(List.of(), embedder.embed(List.of()));
    }
  }

  @Test
  void theFolderSaysHowVectorsArePooled() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      TinyModel.write(folder, backend);
      TinyDecoder.write(folder.resolve("llama"), backend, 32);
    }
    float[] mean;
    try (Embedder embedder = Embedder.open(folder)) {
      mean = embedder.embed("good book");
      assertTrue(Math.abs(length(mean) - 1) > 1e-3, "not normalised unless the folder says so");
    }
    Files.createDirectories(folder.resolve("1_Pooling"));
    Path pooling = folder.resolve("1_Pooling/config.json");
    Files.writeString(
        folder.resolve("modules.json"),
        """
        [{"path": "", "type": "sentence_transformers.models.Transformer"},
         {"path": "1_Pooling", "type": "sentence_transformers.models.Pooling"},
         {"path": "2_Normalize", "type": "sentence_transformers.models.Normalize"}]
        """);
    Files.writeString(pooling, "{\"pooling_mode_mean_tokens\": true}");
    try (Embedder embedder = Embedder.open(folder)) {
      float[] unit = embedder.embed("good book");
      assertEquals(1, length(unit), 1e-6);
      for (int k = 0; k < unit.length; k++) {
        assertEquals(mean[k] / length(mean), unit[k], 1e-6);
      }
    }
    Files.writeString(pooling, "{\"pooling_mode_cls_token\": true}");
    try (Embedder embedder = Embedder.open(folder)) {
      assertTrue(Math.abs(embedder.embed("good book")[0] - mean[0] / length(mean)) > 1e-4);
    }
    Files.writeString(pooling, "{\"pooling_mode_max_tokens\": true}");
    InvalidInputException e =
        assertThrows(InvalidInputException.class, () -> Embedder.open(folder));
    assertTrue(e.getMessage().contains("pooling_mode_max_tokens"), e.getMessage());
    assertThrows(InvalidInputException.class, () -> Embedder.open(folder.resolve("llama")));
    assertThrows(InvalidInputException.class, () -> Embedder.open("no-such-model"));
  }

  @Test
  void whatAnEmbedderHasNoUseForIsRefused() {
    try (Backend backend = new CpuBackend(1)) {
      TinyModel.write(folder, backend);
    }
    Map<String, Consumer<ModelOptions>> useless =
        Map.of(
            "weights", o -> o.weights(WeightFormat.BF16),
            "threshold", o -> o.threshold(0.3));
    useless.forEach(
        (name, options) -> {
          InvalidInputException e =
              assertThrows(InvalidInputException.class, () -> Embedder.open(folder, options));
          assertTrue(e.getMessage().startsWith(name), e.getMessage());
        });
  }

  private static double length(float[] vector) {
    double sum = 0;
    for (float value : vector) {
      sum += value * value;
    }
    return Math.sqrt(sum);
  }
}
