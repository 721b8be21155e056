package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

/** Curves in a terminal. */
class TextPlotTest {
  private static Curve line(String name, long steps, double slope) {
    return new Curve(
        name,
        LongStream.rangeClosed(1, steps).mapToObj(x -> new Point(name, x, 0, slope * x)).toList());
  }

  @Test
  void aRisingLineGoesFromTheLowestCornerToTheHighest() {
    List<String> lines =
        TextPlot.draw("up", List.of(line("up", 30, 1)), 40, 10, StandardCharsets.UTF_8);
    assertEquals("up", lines.get(0));
    assertTrue(lines.get(1).startsWith("30┤") && lines.get(1).endsWith("•"), lines.get(1));
    assertTrue(lines.get(10).startsWith(" 1┤•"), lines.get(10));
    assertEquals("   1" + " ".repeat(33) + "30", lines.get(12));
    assertEquals(13, lines.size());
  }

  @Test
  void noLineIsWiderThanTheTerminalAndPlainTerminalsGetPlainSigns() {
    List<String> lines =
        TextPlot.draw(
            "a long title that does not fit into so few columns",
            List.of(line("one", 1000, 1), line("two", 500, -1)),
            40,
            8,
            StandardCharsets.US_ASCII);
    for (String line : lines) {
      assertTrue(line.length() <= 40, line);
      assertTrue(
          lines.indexOf(line) == 0 || StandardCharsets.US_ASCII.newEncoder().canEncode(line), line);
    }
    assertTrue(String.join("\n", lines).contains("o two"), lines::toString);
  }

  @Test
  void valuesThatAreNoNumbersAndLinesWithoutAnyAreNoTrouble() {
    Curve none = new Curve("none", List.of(new Point("none", 1, 0, Double.NaN)));
    assertEquals(List.of("x", "  (no values)"), TextPlot.draw("x", List.of(none), 40, 8));
    Curve flat = new Curve("flat", List.of(new Point("f", 3, 0, 2), new Point("f", 3, 0, 2)));
    assertTrue(TextPlot.draw("x", List.of(none, flat), 40, 8).size() > 8);
  }
}
