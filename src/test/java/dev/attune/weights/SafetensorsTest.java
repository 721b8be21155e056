package dev.attune.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.io.RandomAccessFile;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SafetensorsTest {
  @TempDir Path folder;

  @ParameterizedTest
  @ValueSource(strings = {"f32", "f16", "bf16", "f64", "matrix", "scalar", "empty"})
  void everyFloatTypeReadsAsPyTorchConvertsIt(String name) throws Exception {
    try (Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"));
        Safetensors expected = Safetensors.open(Resources.file(folder, "types_f32.safetensors"))) {
      assertArrayEquals(
          bits(Resources.read(expected, name)), bits(Resources.read(file, name)), name);
      assertArrayEquals(expected.info(name).shape(), file.info(name).shape());
    }
  }

  @Test
  void integersReadAsLongsAndNotAsFloats() throws Exception {
    try (Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"))) {
      assertArrayEquals(new long[] {1, 0}, file.readIntegers("bool"));
      assertArrayEquals(new long[] {0, 255}, file.readIntegers("u8"));
      assertArrayEquals(new long[] {-128, 127}, file.readIntegers("i8"));
      assertArrayEquals(new long[] {-32768, 32767}, file.readIntegers("i16"));
      assertArrayEquals(
          new long[] {Integer.MIN_VALUE, Integer.MAX_VALUE}, file.readIntegers("i32"));
      assertArrayEquals(new long[] {Long.MIN_VALUE, Long.MAX_VALUE}, file.readIntegers("i64"));
      FloatBuffer out = FloatBuffer.allocate(2);
      InputException refused = assertThrows(InputException.class, () -> file.read("i64", out));
      assertTrue(refused.getMessage().contains("'i64' is I64"), refused.getMessage());
      assertThrows(InputException.class, () -> file.readIntegers("f32"));
    }
  }

  @Test
  void metadataNamesAndShapesAreThoseOfTheFile() throws Exception {
    try (Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"))) {
      assertEquals(Map.of("format", "pt", "made_by", "test"), file.metadata());
      assertEquals(13, file.names().size());
      assertEquals(new TensorInfo("matrix", "F32", new long[] {3, 5}), file.info("matrix"));
      assertEquals(1, file.info("scalar").elements());
      assertEquals(0, file.info("empty").elements());
    }
  }

  @Test
  void aRangeIsThePartOfTheWhole() throws Exception {
    try (Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"))) {
      for (String name : List.of("f32", "f16", "bf16", "f64")) {
        float[] whole = Resources.read(file, name);
        FloatBuffer part = FloatBuffer.allocate(9).position(2);
        file.read(name, 31, part);
        assertEquals(9, part.position());
        for (int i = 0; i < 7; i++) {
          assertEquals(whole[31 + i], part.get(2 + i), name);
        }
      }
      FloatBuffer tooLong = FloatBuffer.allocate(10);
      assertThrows(IllegalArgumentException.class, () -> file.read("f32", 31, tooLong));
      assertThrows(IllegalArgumentException.class, () -> file.read("f32", -1, tooLong));
      assertThrows(IllegalArgumentException.class, () -> file.read("f32", tooLong));
    }
  }

  @Test
  void tensorsFollowOneAnotherInAFlatBuffer() throws Exception {
    try (Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"))) {
      FloatBuffer flat = Resources.direct(55);
      file.read("f32", flat);
      file.read("matrix", flat);
      assertEquals(55, flat.position());
      assertEquals(55, flat.limit());
      assertEquals(Resources.read(file, "matrix")[14], flat.get(54));
    }
  }

  @Test
  void useAfterCloseIsRefusedAndClosingTwiceIsFine() throws Exception {
    Safetensors file = Safetensors.open(Resources.file(folder, "types.safetensors"));
    file.close();
    file.close();
    assertThrows(IllegalStateException.class, () -> file.info("f32"));
  }

  @Test
  void elementsAcrossTheEdgeOfAMappedWindowAreRead() throws Exception {
    // Data begins at byte 8 + 73, so an element straddles the 1 GiB border. The file is sparse.
    long count = (1L << 28) + 1000;
    String header =
        String.format(
            "{\"x\":{\"dtype\":\"F32\",\"shape\":[%d],\"data_offsets\":[0,%d]}}", count, 4 * count);
    header += " ".repeat(73 - header.length());
    Path path = Resources.safetensors(folder, header, 0);
    long straddling = ((1L << 30) - 81) / 4;
    try (RandomAccessFile raw = new RandomAccessFile(path.toFile(), "rw")) {
      raw.setLength(81 + 4 * count);
      raw.seek(81 + 4 * (straddling - 1));
      for (float value : new float[] {1.25f, 2.5f, 3.75f}) {
        raw.writeInt(Integer.reverseBytes(Float.floatToIntBits(value)));
      }
    }
    try (Safetensors file = Safetensors.open(path)) {
      FloatBuffer out = FloatBuffer.allocate(5);
      file.read("x", straddling - 2, out);
      assertArrayEquals(new float[] {0, 1.25f, 2.5f, 3.75f, 0}, out.array());
    }
  }

  @Test
  void aDoubleBeyondFloatRangeIsRefused() throws Exception {
    Path path =
        Resources.safetensors(
            folder, "{\"x\":{\"dtype\":\"F64\",\"shape\":[1],\"data_offsets\":[0,8]}}", 8);
    try (RandomAccessFile raw = new RandomAccessFile(path.toFile(), "rw")) {
      raw.seek(raw.length() - 8);
      raw.writeLong(Long.reverseBytes(Double.doubleToLongBits(1e39)));
    }
    try (Safetensors file = Safetensors.open(path)) {
      assertThrows(InputException.class, () -> file.read("x", FloatBuffer.allocate(1)));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[]|0|does not start with '{'",
        " {}|0|does not start with '{'",
        "{|0|not valid JSON",
        "{} x|0|not valid JSON",
        "{} {}|0|more text after",
        "{\"a\":1}|0|'a' is not an object",
        "{\"__metadata__\":{\"a\":1}}|0|metadata value of 'a'",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"a\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[4,4]}}|4|Duplicate field",
        "{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}|4|Duplicate field",
        "{\"a\":{\"dtype\":\"F33\",\"shape\":[1],\"data_offsets\":[0,4]}}|4|unknown dtype 'F33'",
        "{\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}}|4|lacks dtype",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1.0],\"data_offsets\":[0,4]}}|4|shape of tensor 'a'",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}}|4|shape of tensor 'a'",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[18446744073709551615],\"data_offsets\":[0,4]}}|4|shape of tensor 'a'",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,4]}}|4|overflows",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904],\"data_offsets\":[0,0]}}|0|overflows",
        "{\"a\":{\"dtype\":\"F4\",\"shape\":[3],\"data_offsets\":[0,2]}}|2|whole bytes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}|4|data_offsets",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,0]}}|4|begin <= end",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}}|4|needs 8 bytes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}|8|begins at offset 4",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}|4|neither overlap nor leave holes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[8,12]}}|12|'b' begins at offset 8",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[9223372036854775800,9223372036854775804]}}|4|beyond any file",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}|4|truncated",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}|5|unknown data at the end",
      })
  void aFaultyHeaderIsRefusedByName(String header, int dataBytes, String reason) throws Exception {
    // The CSV reader trims: the case of a leading blank needs it back.
    String text = reason.startsWith("does") && header.equals("{}") ? " {}" : header;
    Path path = Resources.safetensors(folder, text, dataBytes);
    InputException refused =
        assertThrows(InputException.class, () -> Safetensors.open(path).close());
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
    assertTrue(refused.getMessage().startsWith(path.toString()), refused.getMessage());
  }

  @Test
  void whatTheReferenceAcceptsIsAccepted() throws Exception {
    for (String header :
        List.of(
            "{}",
            "{}        ",
            "{\"__metadata__\":{}}",
            "{\"b\":{\"dtype\":\"F32\",\"shape\":[0,3],\"data_offsets\":[0,0]}}",
            "{\"b\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"note\":[{}]}}")) {
      Safetensors.open(Resources.safetensors(folder, header, 0)).close();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "'',0 bytes long",
    "0100,2 bytes long",
    "00e1f50500000000,reaches beyond",
    "01e1f50500000000,over the limit",
    "ffffffffffffffff,over the limit of 100000000",
    "0200000000000000ff7b,not valid UTF-8",
    "0000000000000000,does not start"
  })
  void anImpossibleStartIsRefused(String hex, String reason) throws Exception {
    Path path = folder.resolve("start.safetensors");
    Files.write(path, java.util.HexFormat.of().parseHex(hex));
    InputException refused = assertThrows(InputException.class, () -> Safetensors.open(path));
    assertTrue(refused.getMessage().contains(reason), refused.getMessage());
  }

  @Test
  void missingFilesAndFoldersAreNamed() {
    Path missing = folder.resolve("no.safetensors");
    assertTrue(
        assertThrows(InputException.class, () -> Safetensors.open(missing))
            .getMessage()
            .endsWith("no.safetensors: not found"));
    assertThrows(InputException.class, () -> Safetensors.open(folder));
  }

  @Test
  void hostileNamesAreShortAndPrintableInMessages() throws Exception {
    String name = "\\u001b[2J" + "x".repeat(500);
    Path path = Resources.safetensors(folder, "{\"" + name + "\":7}", 0);
    String message = assertThrows(InputException.class, () -> Safetensors.open(path)).getMessage();
    assertTrue(message.contains("\\u001b[2J") && message.indexOf(27) < 0, message);
    assertTrue(message.length() < folder.toString().length() + 300, message);
  }

  private static int[] bits(float[] values) {
    int[] out = new int[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = Float.floatToRawIntBits(values[i]);
    }
    return out;
  }
}
