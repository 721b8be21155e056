package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TerminalTextTest {
  /** What would overwrite a line, colour it or turn it around is seen instead. */
  @Test
  void whatSteersATerminalIsShown() {
    assertEquals("a\\u202eb", TerminalText.visible("a\u202eb"));
    assertEquals("\\u001b[31mred", TerminalText.visible("\u001b[31mred"));
    assertEquals("\\u2066x\\u2069", TerminalText.visible("\u2066x\u2069"));
    assertEquals("gone\\u000dback\\u0008", TerminalText.visible("gone\rback\b"));
    assertEquals("\\u009b", TerminalText.visible("\u009b"));
    assertEquals("\\u{e0041}", TerminalText.visible(Character.toString(0xE0041)));
    assertEquals("half \\ud83d", TerminalText.visible("half \ud83d"));
    assertEquals("\\u2028", TerminalText.visible("\u2028"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "plain",
        "tab\tand\nline",
        "שלום",
        "می\u200cخواهم",
        "👩\u200d💻",
        "é e\u0301 ｆｕｌｌ"
      })
  void textStaysText(String text) {
    assertEquals(text, TerminalText.visible(text));
  }

  @Test
  void aModelsOwnLanguageKeepsItsMarks() {
    assertEquals("\u200fשלום\\u001b", TerminalText.withoutControls("\u200fשלום\u001b"));
  }

  @ParameterizedTest
  @CsvSource({
    "abc,3",
    "é,1",
    "e\u0301,1",
    "日本,4",
    "ｆ,2",
    "ﾊ,1",
    "한국,4",
    "\u1112\u1161\u11ab,2",
    "😀,2",
    "→,1",
    "שלום,4",
    "a\u200db,2",
    "〿,1",
    "《,2",
    "𠀀,2",
    "½,1"
  })
  void widthIsInColumns(String text, int columns) {
    assertEquals(columns, TerminalText.width(text));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "word",
        "日本語テキスト",
        "e\u0301e\u0301e\u0301e\u0301e\u0301",
        "שלום עולם",
        "a日b本c語",
        "\u202e\u202e"
      })
  void cellsLineUp(String text) {
    for (int width = 2; width < 20; width++) {
      String left = TerminalText.left(text, width);
      String right = TerminalText.right(text, width);
      assertEquals(width, TerminalText.width(left), left);
      assertEquals(width, TerminalText.width(right), right);
      assertTrue(TerminalText.width(TerminalText.cut(text, width)) <= width);
    }
  }

  @Test
  void aMarkStaysOnItsLetter() {
    assertEquals("e\u0301…", TerminalText.cut("e\u0301e\u0301e\u0301", 2));
    assertEquals("日…", TerminalText.cut("日本語", 4));
    assertEquals("日本…", TerminalText.cut("日本語の", 5));
  }

  /** Digits behind a word from right to left would else be drawn before it. */
  @Test
  void aWordFromRightToLeftKeepsItsPlace() {
    assertEquals("\u200eשלום\u200e  ", TerminalText.left("שלום", 6));
    assertEquals("word  ", TerminalText.left("word", 6));
  }

  @Test
  void whereNotAllCharactersCanBeShownACutIsShownByOneThatCan() {
    assertEquals("…", TerminalText.more(StandardCharsets.UTF_8));
    assertEquals("~", TerminalText.more(StandardCharsets.US_ASCII));
    assertEquals("~", TerminalText.more(StandardCharsets.ISO_8859_1));
  }
}
