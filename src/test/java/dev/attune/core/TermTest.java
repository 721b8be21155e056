package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class TermTest {
  private static String shown(String message) {
    return Term.worded(
        message, (name, value) -> "[" + name + (value == null ? "" : ":" + value) + "]");
  }

  @Test
  void aMessageReadsWellBeforeAFaceWordsIt() {
    assertEquals("‹max length› is 5", Term.MAX_LENGTH + " is 5");
    assertEquals("‹load in 4bit›", Term.LOAD_IN_4BIT.toString());
    assertEquals("‹precision=fp32›", Term.PRECISION.of("fp32"));
  }

  @Test
  void aFaceGetsEveryTermWithItsValue() {
    assertEquals(
        "[MAX_LENGTH] is 5; [PRECISION:fp32] or [LOAD_IN_4BIT]",
        shown(
            Term.MAX_LENGTH + " is 5; " + Term.PRECISION.of("fp32") + " or " + Term.LOAD_IN_4BIT));
  }

  @Test
  void valuesOfAnyTextComeBackAsTheyWere() {
    for (String value : new String[] {"", "a›", "››", "a=b‹c›d", "\\1 $2", "‹max length›"}) {
      assertEquals(
          "[COLUMNS:" + value + "]. [TASK]", shown(Term.COLUMNS.of(value) + ". " + Term.TASK));
    }
  }

  /** Some hundred columns, say. */
  @Test
  void aValueMayBeLong() {
    String value = "label›;".repeat(50_000);
    assertEquals("[COLUMNS:" + value + "]", shown(Term.COLUMNS.of(value)));
  }

  @Test
  void whatIsNoTermStaysAsItIs() {
    assertEquals("‹a b› ‹› ‹C›", Term.worded("‹a b› ‹› ‹C›", (name, value) -> null));
  }
}
