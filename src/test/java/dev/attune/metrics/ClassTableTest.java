package dev.attune.metrics;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tables of classes in terminals of many widths. */
class ClassTableTest {
  private static ClassificationMetrics metrics(int classes) {
    ClassificationMetrics metrics =
        ClassificationMetrics.withConfusion(
            IntStream.range(0, classes).mapToObj(k -> "a label of some length " + k).toList());
    for (int k = 0; k < classes; k++) {
      metrics.add(k, k);
      metrics.add(k, (k + 1) % classes);
      metrics.add(0, classes - 1);
    }
    return metrics;
  }

  @ParameterizedTest
  @CsvSource({
    "40, 2, true",
    "40, 3, true",
    "40, 12, false",
    "60, 5, true",
    "80, 8, true",
    "80, 10, false",
    "120, 10, true",
    "200, 10, true",
    "200, 20, true",
    "200, 60, false"
  })
  void noLineIsLongerThanTheTerminal(int columns, int classes, boolean hasMatrix) {
    String table = metrics(classes).table(columns);
    for (String line : table.lines().toList()) {
      assertTrue(line.length() <= columns, line.length() + ": " + line);
    }
    assertEquals(hasMatrix, table.contains("label \\ predicted"), table);
    assertEquals(!hasMatrix, table.contains("confused most often:"), table);
  }

  @Test
  void pairsThatAreConfusedStandWhereAMatrixWouldNotFit() {
    List<String> lines = metrics(30).table(80).lines().toList();
    int begin = lines.indexOf("confused most often:");
    assertEquals(
        "    30  a label of some length 0  as a label of some length 29", lines.get(begin + 1));
    assertEquals("and 11 other pairs", lines.get(lines.size() - 1));
    assertEquals(31 + 1 + 1 + 20 + 1, lines.size());
  }

  @Test
  void nothingConfusedIsNothingSaid() {
    ClassificationMetrics metrics =
        ClassificationMetrics.withConfusion(IntStream.range(0, 30).mapToObj(k -> "l" + k).toList());
    metrics.add(3, 3);
    assertFalse(metrics.table(80).contains("confused"));
  }
}
