package dev.attune.folder;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

class SavedSettingsTest {
  private static SavedSettings read(String json) throws JsonProcessingException {
    return new SavedSettings(new ObjectMapper().readTree(json));
  }

  @Test
  void absentValuesHaveTheirDefaults() throws JsonProcessingException {
    SavedSettings none = read("{}");
    assertEquals(7, none.integer("n_best", 1, 7));
    assertEquals(0.5, none.under("thresholds").share("spam", 0.5));
    assertTrue(none.flag("no_answer", true));
  }

  @Test
  void whatIsNotAsItShouldBeIsRefusedByName() throws JsonProcessingException {
    SavedSettings bad =
        read(
            "{\"n_best\": -3, \"stride\": 1.5, \"none\": null, \"thresholds\": {\"a\": 1.5,"
                + " \"b\": \"NaN\"}, \"no_answer\": \"yes\"}");
    assertRefused(
        "n_best is -3; it must be a whole number of at least 1",
        () -> bad.integer("n_best", 1, 20));
    assertRefused("stride is 1.5; it must be a whole", () -> bad.integer("stride", 0, 1));
    assertRefused("none is null", () -> bad.integer("none", 0, 1));
    assertRefused(
        "a is 1.5; it must be from 0 to 1", () -> bad.under("thresholds").share("a", 0.5));
    assertRefused(
        "b is \"NaN\"; it must be a number", () -> bad.under("thresholds").share("b", 0.5));
    assertRefused(
        "no_answer is \"yes\"; it must be true or false", () -> bad.flag("no_answer", false));
    assertRefused("n_best is -3; it must be an object", () -> bad.under("n_best"));
  }

  private static void assertRefused(String expected, Executable action) {
    String message = assertThrows(InputException.class, action).getMessage();
    assertTrue(message.startsWith("attune.json: ") && message.contains(expected), message);
  }
}
