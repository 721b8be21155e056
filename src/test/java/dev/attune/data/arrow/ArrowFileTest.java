package dev.attune.data.arrow;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that pyarrow and Hugging Face's datasets wrote: tools/make_arrow_files.py. */
class ArrowFileTest {
  private static final ObjectMapper JSON = new ObjectMapper();

  private static byte[] resource(String name) throws IOException {
    try (InputStream in = ArrowFileTest.class.getResourceAsStream("/arrow/" + name)) {
      return in.readAllBytes();
    }
  }

  private static List<Map<String, Object>> rows(byte[] bytes) {
    List<Map<String, Object>> rows = new ArrayList<>();
    try (ArrowFile file = ArrowFile.open(Path.of("a.arrow"), new ByteArrayInputStream(bytes))) {
      for (Map<String, Object> row = file.next(); row != null; row = file.next()) {
        rows.add(row);
      }
    }
    return rows;
  }

  @ParameterizedTest
  @ValueSource(strings = {"types_stream.arrow", "types_file.arrow"})
  void everyValueIsThatOfPyarrow(String name) throws IOException {
    byte[] bytes = resource(name);
    assertTrue(ArrowFile.begins(bytes));
    JsonNode expected = JSON.readTree(resource("types.json"));
    List<Map<String, Object>> rows = rows(bytes);
    assertEquals(expected.size(), rows.size());
    for (int row = 0; row < rows.size(); row++) {
      for (Map.Entry<String, JsonNode> value : expected.get(row).properties()) {
        String column = value.getKey();
        if (!rows.get(row).containsKey(column)) {
          assertEquals("types_file.arrow", name, "has six of the columns");
          continue;
        }
        Object read = rows.get(row).get(column);
        if (value.getValue().isDouble()) {
          double number = ((Number) read).doubleValue();
          assertEquals(value.getValue().asDouble(), number, column + " of row " + row);
        } else {
          assertEquals(
              value.getValue().toString(),
              JSON.writeValueAsString(read),
              column + " of row " + row);
        }
      }
      assertEquals(
          name.equals("types_file.arrow") ? 6 : expected.get(row).size(), rows.get(row).size());
    }
  }

  @Test
  void whatWritersNoteIsThere() throws IOException {
    byte[] bytes = resource("huggingface.arrow");
    try (ArrowFile file = ArrowFile.open(Path.of("a.arrow"), new ByteArrayInputStream(bytes))) {
      assertTrue(
          file.metadata().get("huggingface").contains("ClassLabel"), file.metadata()::toString);
      assertEquals(Map.of("text", "good", "label", 1), file.next());
    }
  }

  @Test
  void whatIsNotReadIsRefusedByName() throws IOException {
    byte[] compressed = resource("compressed.feather");
    InputException e = assertThrows(InputException.class, () -> rows(compressed));
    assertEquals(
        "a.arrow: its batches are compressed, which is not read. Write the data as Parquet, CSV or"
            + " JSON Lines",
        e.getMessage());
    byte[] decimal = resource("decimal.arrow");
    e = assertThrows(InputException.class, () -> rows(decimal));
    assertEquals(
        "a.arrow: \"price\" is of Arrow's type decimal, which is not read. Write the data as"
            + " Parquet, CSV or JSON Lines",
        e.getMessage());
  }

  /**
   * Wherever it is cut, it gives whole rows, or an error; where it is cut in a message, an error.
   */
  @Test
  void aFileThatIsCutIsRefused() throws IOException {
    byte[] whole = resource("types_stream.arrow");
    int refused = 0;
    for (int length = 0; length < whole.length; length++) {
      byte[] cut = Arrays.copyOf(whole, length);
      try {
        int count = rows(cut).size();
        assertTrue(count == 0 || count == 3 || count == 5, count + " rows of " + length + " bytes");
      } catch (InputException e) {
        assertTrue(e.getMessage().startsWith("a.arrow "), e.getMessage());
        refused++;
      }
    }
    assertTrue(refused > whole.length - 20, refused + " of " + whole.length);
  }

  /** A flipped bit may change a value; it never ends otherwise than in rows or a refusal. */
  @Test
  void aFileWithAFlippedBitIsReadOrRefused() throws IOException {
    byte[] whole = resource("types_stream.arrow");
    int refused = 0;
    for (int bit = 0; bit < 8 * whole.length; bit += 5) {
      byte[] flipped = whole.clone();
      flipped[bit >> 3] ^= (byte) (1 << (bit & 7));
      try {
        assertTrue(rows(flipped).size() <= 5);
      } catch (InputException e) {
        assertTrue(e.getMessage().startsWith("a.arrow"), e.getMessage());
        refused++;
      }
    }
    assertTrue(refused > 100, refused + " refused");
    assertFalse(ArrowFile.begins(new byte[8]));
  }
}
