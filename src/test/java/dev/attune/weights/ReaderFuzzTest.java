package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import dev.attune.core.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;
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
    "99999999999999999999".getBytes(java.nio.charset.StandardCharsets.US_ASCII),
    "-1".getBytes(java.nio.charset.StandardCharsets.US_ASCII),
    "[]{}\"".getBytes(java.nio.charset.StandardCharsets.US_ASCII),
    "[[[[".getBytes(java.nio.charset.StandardCharsets.US_ASCII),
  };

  @TempDir Path folder;

  private interface Reader {
    void read(byte[] bytes) throws IOException;
  }

  @Test
  void safetensors() throws Exception {
    byte[] valid = Resources.bytes("types.safetensors");
    Path path = folder.resolve("fuzz.safetensors");
    fuzz(
        valid,
        6000,
        bytes -> {
          Files.write(path, bytes);
          try (Safetensors file = Safetensors.open(path)) {
            readAll(file);
          }
        });
  }

  @Test
  void safetensorsHeaderWithAMatchingLength() throws Exception {
    byte[] valid = Resources.bytes("types.safetensors");
    int length = (int) ByteBuffer.wrap(valid).order(ByteOrder.LITTLE_ENDIAN).getLong();
    Path path = folder.resolve("fuzz.safetensors");
    fuzz(
        Arrays.copyOfRange(valid, 8, 8 + length),
        6000,
        header -> {
          ByteBuffer out =
              ByteBuffer.allocate(valid.length - length + header.length)
                  .order(ByteOrder.LITTLE_ENDIAN);
          out.putLong(header.length).put(header).put(valid, 8 + length, valid.length - 8 - length);
          Files.write(path, out.array());
          try (Safetensors file = Safetensors.open(path)) {
            readAll(file);
          }
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
        4000,
        bytes -> {
          Files.write(path, bytes);
          try (TorchBin file = TorchBin.open(path)) {
            readAll(file);
          }
        });
  }

  @Test
  void torchPickle() throws Exception {
    byte[] pickle = null;
    try (ZipInputStream zip =
        new ZipInputStream(new ByteArrayInputStream(Resources.bytes("state.bin")))) {
      for (ZipEntry entry = zip.getNextEntry(); entry != null; entry = zip.getNextEntry()) {
        if (entry.getName().endsWith("data.pkl")) {
          pickle = zip.readAllBytes();
        }
      }
    }
    fuzz(pickle, 20000, bytes -> TensorPickle.parse(Path.of("fuzz.bin"), bytes));
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
