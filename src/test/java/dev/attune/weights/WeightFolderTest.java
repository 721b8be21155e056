package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class WeightFolderTest {
  @TempDir Path folder;

  @Test
  void safetensorsWinsOverTorch() throws Exception {
    write("model.safetensors", "a");
    Files.write(folder.resolve("pytorch_model.bin"), new byte[] {1, 2, 3});
    try (WeightSource source = WeightFolder.open(folder)) {
      assertEquals("[a]", source.names().toString());
    }
  }

  @Test
  void aFolderWithoutWeightsListsWhatIsThere() throws Exception {
    Files.writeString(folder.resolve("config.json"), "{}");
    String message = refusal();
    assertTrue(message.contains("holds no weights") && message.contains("config.json"), message);
    assertThrows(InputException.class, () -> WeightFolder.open(folder.resolve("nowhere")));
    assertThrows(InputException.class, () -> WeightFolder.open(folder.resolve("config.json")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{|not valid JSON",
        "{\"weight_map\":{}}|no \"weight_map\"",
        "{\"weight_map\":{\"a\":\"../one.safetensors\"}}|plain file name",
        "{\"weight_map\":{\"a\":\"/etc/passwd\"}}|plain file name",
        "{\"weight_map\":{\"a\":\"..\"}}|plain file name",
        "{\"weight_map\":{\"a\":7}}|plain file name",
        "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"three.safetensors\"}}|'three.safetensors', which is not in the folder",
        "{\"weight_map\":{\"a\":\"one.safetensors\",\"c\":\"two.safetensors\"}}|'c' is in two.safetensors, but it is in none",
        "{\"weight_map\":{\"a\":\"two.safetensors\",\"b\":\"one.safetensors\"}}|but it is in one.safetensors",
      })
  void aFaultyIndexIsRefused(String index, String reason) throws Exception {
    write("one.safetensors", "a");
    write("two.safetensors", "b");
    Files.writeString(folder.resolve("model.safetensors.index.json"), index);
    assertTrue(refusal().contains(reason), refusal());
  }

  @Test
  void aTensorInTwoShardsIsRefused() throws Exception {
    write("one.safetensors", "a");
    write("two.safetensors", "a", "b");
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    assertTrue(refusal().contains("'a' is in both"), refusal());
  }

  @Test
  void tensorsTheIndexForgotAreServed() throws Exception {
    write("one.safetensors", "a", "extra");
    write("two.safetensors", "b");
    Files.writeString(
        folder.resolve("model.safetensors.index.json"),
        "{\"weight_map\":{\"a\":\"one.safetensors\",\"b\":\"two.safetensors\"}}");
    try (WeightSource source = WeightFolder.open(folder)) {
      assertArrayEquals(new float[] {1}, Resources.read(source, "extra"));
      assertThrows(InputException.class, () -> source.info("c"));
    }
  }

  private String refusal() {
    return assertThrows(InputException.class, () -> WeightFolder.open(folder)).getMessage();
  }

  private void write(String file, String... names) throws Exception {
    SafetensorsWriter writer = new SafetensorsWriter();
    for (String name : names) {
      writer.add(name, "F32", new long[] {1}, FloatBuffer.wrap(new float[] {1}));
    }
    writer.write(folder.resolve(file));
  }
}
