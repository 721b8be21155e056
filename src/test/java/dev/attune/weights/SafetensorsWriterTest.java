package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.Channels;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsWriterTest {
  @TempDir Path folder;

  @Test
  void whatIsWrittenReadsBackBitForBit() throws Exception {
    float[] values = random(600_001);
    Path path = folder.resolve("a.safetensors");
    new SafetensorsWriter()
        .add("z \"quoted\" é", "F32", new long[] {600_001}, FloatBuffer.wrap(values))
        .add("a", "F32", new long[] {2, 0}, FloatBuffer.allocate(0))
        .add("scalar", "F32", new long[0], FloatBuffer.wrap(new float[] {7}))
        .write(path);
    try (Safetensors file = Safetensors.open(path)) {
      assertArrayEquals(values, Resources.read(file, "z \"quoted\" é"));
      assertArrayEquals(new float[] {7}, Resources.read(file, "scalar"));
      assertArrayEquals(new long[] {2, 0}, file.info("a").shape());
      assertEquals(Map.of("format", "pt"), file.metadata());
    }
  }

  @Test
  void headerIsPaddedToEightBytesAndBytesAreDeterministic() throws Exception {
    for (int nameLength = 1; nameLength < 10; nameLength++) {
      SafetensorsWriter writer =
          new SafetensorsWriter()
              .add("n".repeat(nameLength), "F32", new long[] {1}, FloatBuffer.allocate(1));
      byte[] first = bytes(writer);
      assertEquals(0, ByteBuffer.wrap(first).order(ByteOrder.LITTLE_ENDIAN).getLong() % 8);
      assertArrayEquals(first, bytes(writer));
    }
  }

  @Test
  void chunksOfAnySizeGiveTheSameBytes() throws Exception {
    float[] values = random(1000);
    byte[] whole =
        bytes(
            new SafetensorsWriter()
                .add("w", "BF16", new long[] {10, 100}, FloatBuffer.wrap(values)));
    byte[] chunked =
        bytes(
            new SafetensorsWriter()
                .add(
                    "w",
                    "BF16",
                    new long[] {10, 100},
                    first ->
                        FloatBuffer.wrap(values, (int) first, Math.min(7, 1000 - (int) first))));
    assertArrayEquals(whole, chunked);
  }

  @Test
  void halvesAreRoundedToNearestEven() throws Exception {
    float[] values = random(5000);
    values[0] = 65504;
    values[1] = 65519.996f;
    values[2] = Float.NaN;
    values[3] = Float.NEGATIVE_INFINITY;
    values[4] = 0x1p-25f;
    values[5] = 0x1.8p-24f;
    values[6] = -0.0f;
    values[7] = 0x1.ffcp-15f;
    for (int i = 8; i < 1000; i++) {
      values[i] *= 0x1p-20f;
    }
    Path path = folder.resolve("h.safetensors");
    new SafetensorsWriter()
        .add("bf16", "BF16", new long[] {5000}, FloatBuffer.wrap(values))
        .add("f16", "F16", new long[] {5000}, FloatBuffer.wrap(values))
        .write(path);
    try (Safetensors file = Safetensors.open(path)) {
      float[] bf16 = Resources.read(file, "bf16");
      float[] f16 = Resources.read(file, "f16");
      for (int i = 0; i < values.length; i++) {
        assertEquals(DType.fromBf16(DType.toBf16(values[i])), bf16[i]);
        assertEquals(nearestHalf(values[i]), f16[i], "half of " + values[i]);
      }
    }
  }

  /** By definition: the multiple of the ulp at hand, ties to even through Math.rint. */
  private static float nearestHalf(float value) {
    if (Float.isNaN(value) || Float.isInfinite(value) || value == 0) {
      return value;
    }
    double ulp = Math.scalb(1.0, Math.max(Math.getExponent(value), -14) - 10);
    return (float) (Math.rint(value / ulp) * ulp);
  }

  @Test
  void aFiniteValueThatHalfCannotHoldIsRefused() {
    SafetensorsWriter writer =
        new SafetensorsWriter()
            .add("big", "F16", new long[] {1}, FloatBuffer.wrap(new float[] {65520}));
    InputException refused = assertThrows(InputException.class, () -> bytes(writer));
    assertTrue(refused.getMessage().contains("'big' holds 65520.0"), refused.getMessage());
    SafetensorsWriter brain =
        new SafetensorsWriter()
            .add("b", "BF16", new long[] {1}, FloatBuffer.wrap(new float[] {Float.MAX_VALUE}));
    assertThrows(InputException.class, () -> bytes(brain));
  }

  @Test
  void shardsRespectTheLimitAndReadBackAsOne() throws Exception {
    SafetensorsWriter writer = new SafetensorsWriter();
    List<float[]> all = new ArrayList<>();
    int[] sizes = {10, 20, 100, 5, 5, 30};
    for (int i = 0; i < sizes.length; i++) {
      float[] values = random(sizes[i]);
      all.add(values);
      writer.add("t" + i, "F32", new long[] {sizes[i]}, FloatBuffer.wrap(values));
    }
    List<String> files = writer.writeShards(folder, "model", 160);
    assertEquals(
        List.of(
            "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors",
            "model-00003-of-00003.safetensors",
            "model.safetensors.index.json"),
        files);
    assertTrue(
        Files.readString(folder.resolve("model.safetensors.index.json"))
            .contains("\"total_size\" : 680"));
    try (WeightSource source = WeightFolder.open(folder)) {
      assertEquals(6, source.names().size());
      for (int i = 0; i < sizes.length; i++) {
        assertArrayEquals(all.get(i), Resources.read(source, "t" + i));
      }
    }
  }

  @Test
  void oneShardNeedsNoIndex() throws Exception {
    SafetensorsWriter writer =
        new SafetensorsWriter().add("a", "F32", new long[] {1}, FloatBuffer.allocate(1));
    assertEquals(List.of("model.safetensors"), writer.writeShards(folder, "model", 1 << 20));
  }

  @Test
  void mistakesOfTheCallerAreRefused() {
    SafetensorsWriter writer =
        new SafetensorsWriter().add("a", "F32", new long[] {2}, FloatBuffer.allocate(2));
    FloatBuffer two = FloatBuffer.allocate(2);
    assertThrows(IllegalArgumentException.class, () -> writer.add("a", "F32", new long[] {2}, two));
    assertThrows(IllegalArgumentException.class, () -> writer.add("b", "I64", new long[] {2}, two));
    assertThrows(IllegalArgumentException.class, () -> writer.add("c", "F32", new long[] {3}, two));
    SafetensorsWriter wrong =
        new SafetensorsWriter().add("d", "F32", new long[] {3}, first -> two.duplicate());
    assertThrows(IllegalStateException.class, () -> bytes(wrong));
  }

  private static byte[] bytes(SafetensorsWriter writer) throws Exception {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    writer.write(Channels.newChannel(out));
    return out.toByteArray();
  }

  private static float[] random(int count) {
    Random random = new Random(count);
    float[] out = new float[count];
    for (int i = 0; i < count; i++) {
      out[i] = (float) random.nextGaussian();
    }
    return out;
  }
}
