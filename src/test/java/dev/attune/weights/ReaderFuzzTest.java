package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Damaged files end in an InputException or are read; nothing else. Another seed: {@code
 * -Dattune.seed=N}.
 */
class ReaderFuzzTest {
  private static final long SEED = Long.getLong("attune.seed", 42);
  private static final byte[][] TOKENS = {
    {(byte) 0xFF, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF},
    {0, 0, 0, 0},
    {(byte) 0x80},
    {0x7F, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF},
    "99999999999999999999".getBytes(StandardCharsets.US_ASCII),
    "-1".getBytes(StandardCharsets.US_ASCII),
    "[]{}\"".getBytes(StandardCharsets.US_ASCII),
    "[[[[".getBytes(StandardCharsets.US_ASCII),
  };

  @TempDir Path folder;

  private interface Reader {
    void read(byte[] bytes) throws IOException;
  }

  @Test
  void safetensors() throws Exception {
    Path path = folder.resolve("fuzz.safetensors");
    fuzz(
        Resources.bytes("types.safetensors"),
        3000,
        bytes -> {
          replace(path, bytes);
          try (Safetensors file = Safetensors.open(path)) {
            readAll(file);
          }
        });
  }

  @Test
  void safetensorsHeader() throws Exception {
    byte[] valid = Resources.bytes("types.safetensors");
    int length = (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
    fuzz(
        Arrays.copyOfRange(valid, 8, 8 + length),
        20000,
        header -> {
          String text = new String(header, StandardCharsets.UTF_8);
          SafetensorsHeader.parse(Path.of("fuzz"), text, 8 + length, valid.length);
        });
  }

  @Test
  void onnx() throws Exception {
    fuzz(
        Resources.bytes("small.onnx"),
        20000,
        bytes -> {
          try (OnnxInitializers model =
              OnnxInitializers.parse(ByteBuffer.wrap(bytes), Path.of("fuzz.onnx"))) {
            readAll(model);
          }
        });
  }

  @Test
  void torchArchive() throws Exception {
    Path path = folder.resolve("fuzz.bin");
    fuzz(
        Resources.bytes("state.bin"),
        3000,
        bytes -> {
          replace(path, bytes);
          try (TorchBin file = TorchBin.open(path)) {
            readAll(file);
          }
        });
  }

  @Test
  void torchPickle() throws Exception {
    byte[] pickle;
    try (ZipFile zip = new ZipFile(Resources.file(folder, "state.bin").toFile())) {
      ZipEntry entry = zip.getEntry("state/data.pkl");
      pickle = zip.getInputStream(entry).readAllBytes();
    }
    fuzz(pickle, 20000, bytes -> TensorPickle.parse(Path.of("fuzz.bin"), bytes));
  }

  // A new file each time: truncating one makes some file systems write it to the disk.
  private static void replace(Path path, byte[] bytes) throws IOException {
    Files.deleteIfExists(path);
    Files.write(path, bytes);
  }

  private static void readAll(WeightSource source) {
    for (String name : source.names()) {
      long elements = source.info(name).elements();
      if (elements <= 1 << 16) {
        try {
          source.read(name, FloatBuffer.allocate((int) elements));
        } catch (InputException e) {
          // A type that is not read, or a value that is damaged: go on with the others.
        }
      }
    }
  }

  private static void fuzz(byte[] valid, int cases, Reader reader) throws IOException {
    reader.read(valid);
    int refused = 0;
    for (int i = 0; i < cases; i++) {
      byte[] bytes = mutate(valid, new Random(SEED * 1_000_003 + i));
      try {
        reader.read(bytes);
      } catch (InputException e) {
        refused++;
      } catch (RuntimeException | Error e) {
        fail("case " + i + " of -Dattune.seed=" + SEED, e);
      }
    }
    assertTrue(refused > cases / 10, "only " + refused + " of " + cases + " cases were refused");
  }

  private static byte[] mutate(byte[] valid, Random random) {
    byte[] bytes = valid.clone();
    int edits = 1 + random.nextInt(4);
    for (int i = 0; i < edits && bytes.length > 0; i++) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(7)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt();
        case 2 -> bytes = Arrays.copyOf(bytes, at);
        case 3 -> bytes = splice(bytes, at, at, TOKENS[random.nextInt(TOKENS.length)]);
        case 4 -> {
          byte[] token = TOKENS[random.nextInt(TOKENS.length)];
          bytes = splice(bytes, at, Math.min(bytes.length, at + token.length), token);
        }
        case 5 -> {
          int end = Math.min(bytes.length, at + 1 + random.nextInt(16));
          bytes = splice(bytes, at, end, new byte[0]);
        }
        default -> {
          int end = Math.min(bytes.length, at + 1 + random.nextInt(64));
          int to = random.nextInt(bytes.length);
          bytes = splice(bytes, to, to, Arrays.copyOfRange(bytes, at, end));
        }
      }
    }
    return bytes;
  }

  private static byte[] splice(byte[] bytes, int from, int to, byte[] insert) {
    ByteBuffer out = ByteBuffer.allocate(bytes.length - (to - from) + insert.length);
    return out.put(bytes, 0, from).put(insert).put(bytes, to, bytes.length - to).array();
  }
}
