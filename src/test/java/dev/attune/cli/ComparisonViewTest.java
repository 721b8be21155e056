package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.Example;
import dev.attune.run.Comparison.Mistake;
import dev.attune.task.Judgement;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The worst mistakes in terminals of many widths. */
class ComparisonViewTest {
  private static final List<Mistake> WORST =
      List.of(
          new Mistake(
              Example.of(
                  17, "Great,\tanother update that breaks\neverything I had. ".repeat(5), "x"),
              new Judgement("negative", "positive", false, 4.21, 0.985)),
          new Mistake(
              Example.of(1234, "😀".repeat(300), "x"),
              new Judgement("a gold text of many words " + "x".repeat(90), "", false, 2, 0.5)));

  private static List<String> lines(List<Mistake> worst, int columns) {
    return ComparisonView.table(worst, "loss", row -> "" + row, columns);
  }

  @ParameterizedTest
  @ValueSource(ints = {40, 60, 79, 80, 100, 132, 200})
  void noLineIsLongerThanTheTerminal(int columns) {
    for (String line : lines(WORST, columns)) {
      assertTrue(line.codePointCount(0, line.length()) <= columns, line);
      assertFalse(line.chars().anyMatch(c -> c < ' '), line);
      assertFalse(line.endsWith(" "), line);
      assertEquals(
          line.codePoints().filter(c -> Character.isSurrogate((char) c) && c < 0x10000).count(), 0);
    }
    assertEquals(columns >= 79 ? 3 : 5, lines(WORST, columns).size());
  }

  @Test
  void eachMistakeIsALineWithItsText() {
    List<String> lines = lines(WORST.subList(0, 1), 90);
    assertEquals("row   loss  gold      predicted      p  text", lines.get(0));
    assertEquals(
        " 17  4.210  negative  positive   0.985  Great, another update that breaks everything I ha…",
        lines.get(1));
  }

  @Test
  void withoutProbabilitiesThereIsNoColumnOfThem() {
    Mistake mistake =
        new Mistake(
            Example.of(2, "text", "x"), new Judgement("1.5", "3.25", false, 1.75, Double.NaN));
    assertEquals(
        List.of("row   loss  gold  predicted  text", "  2  1.750  1.5   3.25       text"),
        lines(List.of(mistake), 100));
  }
}
