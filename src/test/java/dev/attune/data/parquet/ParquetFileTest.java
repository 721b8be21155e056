package dev.attune.data.parquet;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import java.io.IOException;
import java.io.InputStream;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that pyarrow wrote (tools/make_parquet_files.py), and damaged ones. */
class ParquetFileTest {
  private static final long SEED = Long.getLong("attune.seed", 20261129L);

  @TempDir Path temp;

  private static byte[] resource(String name) {
    try (InputStream in = ParquetFileTest.class.getResourceAsStream("/parquet/" + name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private List<Map<String, Object>> rows(byte[] content) {
    Path file = temp.resolve("a.parquet");
    try {
      Files.write(file, content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    List<Map<String, Object>> rows = new ArrayList<>();
    try (ParquetFile parquet = ParquetFile.open(Path.of("a.parquet"), file)) {
      for (Map<String, Object> row = parquet.next(); row != null; row = parquet.next()) {
        rows.add(row);
      }
      assertNull(parquet.next(), "the end stays the end");
    }
    return rows;
  }

  private static void assertSame(JsonNode expected, Object actual, String where) {
    if (expected.isNull()) {
      assertNull(actual, where);
    } else if (expected.isArray()) {
      List<?> list = (List<?>) actual;
      assertEquals(expected.size(), list.size(), where);
      for (int i = 0; i < list.size(); i++) {
        assertSame(expected.get(i), list.get(i), where + "[" + i + "]");
      }
    } else if (expected.isObject()) {
      Map<?, ?> map = (Map<?, ?>) actual;
      List<String> names = new ArrayList<>();
      expected.fieldNames().forEachRemaining(names::add);
      assertEquals(names, List.copyOf(map.keySet()), where);
      names.forEach(name -> assertSame(expected.get(name), map.get(name), where + "." + name));
    } else if (expected.isNumber()) {
      assertEquals(0, expected.decimalValue().compareTo(new BigDecimal(actual.toString())), where);
    } else {
      assertEquals(expected.asText(), actual.toString(), where);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"types_plain", "types_snappy_dictionary", "nested_zstd", "nested_gzip"})
  void rowsAreThoseThatWereWritten(String name) throws IOException {
    JsonNode expected = new ObjectMapper().readTree(resource("rows.json")).get(name);
    List<Map<String, Object>> rows = rows(resource(name + ".parquet"));
    assertEquals(expected.size(), rows.size());
    for (int i = 0; i < rows.size(); i++) {
      assertSame(expected.get(i), rows.get(i), name + "[" + i + "]");
    }
  }

  @Test
  void everyEncodingIsRead() {
    List<Map<String, Object>> rows = rows(resource("encodings_lz4.parquet"));
    assertEquals(400, rows.size());
    for (int i = 0; i < rows.size(); i++) {
      Map<String, Object> row = rows.get(i);
      assertEquals(i * i - 5000, row.get("delta"));
      assertEquals(i % 2 == 0 ? i : -i, row.get("delta32"));
      assertEquals(("word " + i % 7).repeat(i % 3), row.get("length"));
      assertEquals(String.format("common beginning %04d", i), row.get("prefix"));
      assertEquals(i / 8f, row.get("split"));
      assertEquals(i % 5 == 0 ? null : i / 8.0, row.get("split64"));
      assertEquals(i % 11 == 0 ? null : i % 3 == 0, row.get("flags"));
    }
  }

  @Test
  void compressionThatIsNotReadIsNamed() {
    InputException e = assertThrows(InputException.class, () -> rows(resource("brotli.parquet")));
    assertEquals(
        "a.parquet is compressed with BROTLI, which is not read. Write it with snappy, zstd, gzip,"
            + " lz4_raw or none",
        e.getMessage());
  }

  @Test
  void aFileThatWasNotCopiedWholeIsNamed() {
    byte[] whole = resource("nested_zstd.parquet");
    for (int length = 0; length < whole.length; length += 61) {
      byte[] cut = Arrays.copyOf(whole, length);
      InputException e = assertThrows(InputException.class, () -> rows(cut));
      assertTrue(e.getMessage().startsWith("a.parquet is a damaged Parquet file: "), e::getMessage);
    }
  }

  /** Damage gives rows of another content at worst, or an error of ours; never any other. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "types_plain",
        "types_snappy_dictionary",
        "nested_zstd",
        "nested_gzip",
        "encodings_lz4"
      })
  void damageIsAnErrorOfOurs(String name) {
    Random random = new Random(SEED);
    byte[] whole = resource(name + ".parquet");
    int refused = 0;
    for (int round = 0; round < 150; round++) {
      byte[] damaged = whole.clone();
      int bits = 1 + random.nextInt(3);
      for (int i = 0; i < bits; i++) {
        damaged[random.nextInt(whole.length)] ^= (byte) (1 << random.nextInt(8));
      }
      try {
        rows(damaged);
      } catch (InputException e) {
        refused++;
        assertTrue(e.getMessage().startsWith("a.parquet "), e::getMessage);
      }
    }
    assertTrue(refused > 25, "refused " + refused + " of 150, seed " + SEED);
  }
}
