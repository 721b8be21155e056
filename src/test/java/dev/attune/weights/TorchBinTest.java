package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TorchBinTest {
  @TempDir Path folder;

  /** As PyTorch has saved them since 1.6, and as it did before. */
  @ParameterizedTest
  @ValueSource(strings = {"state.bin", "state_old.bin"})
  void everyTensorOfAStateDictionaryEqualsPyTorchs(String name) throws Exception {
    try (TorchBin file = TorchBin.open(Resources.file(folder, name));
        Safetensors expected = Safetensors.open(Resources.file(folder, "state_f32.safetensors"))) {
      assertEquals(expected.names(), file.names());
      for (String tensor : file.names()) {
        assertArrayEquals(expected.info(tensor).shape(), file.info(tensor).shape(), tensor);
        if (tensor.equals("ids")) {
          assertThrows(InputException.class, () -> Resources.read(file, "ids"));
        } else {
          assertArrayEquals(Resources.read(expected, tensor), Resources.read(file, tensor), tensor);
        }
      }
    }
  }

  @Test
  void aRangeOfAStridedTensorIsThePartOfTheWhole() throws Exception {
    try (TorchBin file = TorchBin.open(Resources.file(folder, "state.bin"))) {
      float[] whole = Resources.read(file, "transposed");
      FloatBuffer part = FloatBuffer.allocate(5);
      file.read("transposed", 6, part);
      for (int i = 0; i < 5; i++) {
        assertEquals(whole[6 + i], part.get(i));
      }
    }
  }

  @Test
  void aFolderWithOnlyATorchFileOpens() throws Exception {
    Files.write(folder.resolve("pytorch_model.bin"), Resources.bytes("state.bin"));
    try (WeightSource source = WeightFolder.open(folder)) {
      assertEquals("BF16", source.info("bf16").dtype());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "nested.bin|entry 'model' is a dictionary",
        "calls.bin|not a tensor",
        "types.safetensors|neither in the ZIP format"
      })
  void otherFilesAreRefusedWithTheReason(String name, String reason) throws Exception {
    Path path = Resources.file(folder, name);
    String message = assertThrows(InputException.class, () -> TorchBin.open(path)).getMessage();
    assertTrue(message.contains(reason), message);
  }

  @Test
  void aFileOfTheOlderFormatThatEndsEarlyIsRefused() throws Exception {
    byte[] whole = Resources.bytes("state_old.bin");
    for (int length : new int[] {15, 16, 200, whole.length / 2, whole.length - 1}) {
      Path path = Files.write(folder.resolve("cut.bin"), Arrays.copyOf(whole, length));
      assertThrows(InputException.class, () -> TorchBin.open(path), () -> length + " bytes");
    }
  }

  /** Small on disk, gigabytes in memory: lists and dictionaries in a pickle that is compressed. */
  @Test
  void aCompressedPickleIsRefused() throws Exception {
    Path path = folder.resolve("bomb.bin");
    try (ZipOutputStream zip = new ZipOutputStream(Files.newOutputStream(path))) {
      zip.putNextEntry(new ZipEntry("bomb/data.pkl"));
      byte[] lists = new byte[1 << 20];
      Arrays.fill(lists, (byte) ']');
      for (int i = 0; i < 31; i++) {
        zip.write(lists);
      }
    }
    assertTrue(Files.size(path) < 61_000);
    String message = assertThrows(InputException.class, () -> TorchBin.open(path)).getMessage();
    assertTrue(message.contains("its data.pkl is compressed"), message);
  }

  @Test
  void aPickleOfTooManyValuesIsRefused() {
    byte[] lists = new byte[5_000_000];
    Arrays.fill(lists, (byte) ']');
    String message =
        assertThrows(InputException.class, () -> TensorPickle.parse(Path.of("bomb.bin"), lists))
            .getMessage();
    assertTrue(message.contains("more than 4000000 values"), message);
  }

  @Test
  void aPickleThatWantsToRunCodeIsRefused() {
    byte[] attack =
        "\u0080\u0002cos\nsystem\nX\u0004\u0000\u0000\u0000date\u0085R."
            .getBytes(java.nio.charset.StandardCharsets.ISO_8859_1);
    String message =
        assertThrows(InputException.class, () -> TensorPickle.parse(Path.of("evil.bin"), attack))
            .getMessage();
    assertTrue(message.contains("wants to call 'os.system'"), message);
  }
}
