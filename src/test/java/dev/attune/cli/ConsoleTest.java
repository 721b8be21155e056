package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A line of progress in terminals of many widths. */
class ConsoleTest {
  private static final String TEXT = "12/138  epoch 0.52  loss 1.0565  8,650 tokens/s  12 s left";

  @ParameterizedTest
  @ValueSource(ints = {20, 40, 59, 60, 80, 110, 200})
  void progressFitsTheTerminalAndClearsTheLine(int columns) {
    for (double fraction : new double[] {0, 0.5, 1}) {
      String line = Console.progressLine(fraction, TEXT, columns);
      assertEquals(columns - 1, line.length());
      assertEquals(columns >= 60, line.startsWith("━") || line.startsWith("╌"));
    }
  }

  @Test
  void whatDoesNotFitIsCutWithASign() {
    assertTrue(Console.progressLine(0.5, TEXT, 40).endsWith("…"));
    assertTrue(Console.progressLine(0.5, TEXT, 40).startsWith("12/138  epoch 0.52"));
    assertFalse(Console.progressLine(0.5, TEXT, 200).contains("…"));
  }

  @Test
  void theWidthIsWhatTheEnvironmentStates() {
    assertEquals(132, Console.columns("132"));
    assertEquals(20, Console.columns("3"));
    assertEquals(500, Console.columns("100000"));
    assertEquals(80, Console.columns("0"));
    assertEquals(80, Console.columns("wide"));
    assertEquals(80, Console.columns(null));
  }
}
