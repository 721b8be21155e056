package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding;
import dev.attune.data.Numbers;
import dev.attune.testkit.TestTasks;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is said of targets that a regression of several outputs cannot learn. */
class RegressionFindingsTest {
  private static Finding only(DataReport report, String code) {
    List<Finding> found = report.findings().stream().filter(f -> f.code().equals(code)).toList();
    assertEquals(1, found.size(), code + " in " + report.findings());
    return found.get(0);
  }

  private static Dataset labelled(String first, String second) {
    return new Dataset(
        Path.of("t.csv"),
        List.of(Example.of(1, "a", first), Example.of(2, "b", second)),
        "text, label");
  }

  private static Example numbers(int row, String... targets) {
    return Example.ofLabels(row, "text " + row, null, List.of(targets));
  }

  @Test
  void targetsOfSeveralOutputsAreNumbersAndAsMany() {
    Dataset ragged =
        new Dataset(
            Path.of("t.jsonl"),
            List.of(
                Example.of(1, "none", null),
                numbers(2, "0.5", "1"),
                numbers(3, "1", "much"),
                numbers(4, "1", "2", "3")));
    Task several = Regression.TYPE.create(null, ragged, option -> null);
    DataReport report = DataReport.builder(several).train(ragged, null).build();
    Finding bad = only(report, "bad_target");
    assertEquals(List.of(1, 3), bad.rows());
    assertTrue(
        bad.message()
            .startsWith(
                "2 rows have targets that are no finite numbers, whose decimals are written with a"
                    + " point (first: missing); the model has 2 outputs"),
        bad.message());
    Finding count = only(report, "target_count");
    assertEquals(List.of(4), count.rows());
    assertTrue(
        count
            .message()
            .startsWith(
                "1 row has another number of targets than the model has outputs (first: [1, 2,"
                    + " 3]); the model has 2 outputs"),
        count.message());
    report = DataReport.builder(TestTasks.REGRESSION).train(ragged, null).build();
    assertEquals(List.of(2, 4), only(report, "target_count").rows());
    assertEquals(List.of(1, 3), only(report, "bad_target").rows());
  }

  @Test
  void decimalCommasOfSeveralTargetsAreRead() {
    Dataset commas = labelled("0,5|1,2", "3|-0,25");
    Dataset points = Numbers.withPoints(commas);
    assertEquals("0.5|1.2", points.get(0).label());
    assertEquals("3|-0.25", points.get(1).label());
    Dataset mixed = labelled("0.5|1.2", "3|-0,25");
    assertEquals("3|-0,25", Numbers.withPoints(mixed).get(1).label());
    Task several = Regression.TYPE.create(null, mixed, option -> null);
    String message =
        only(DataReport.builder(several).train(mixed, null).build(), "bad_target").message();
    assertTrue(message.contains("decimals are written with a point (first: [3, -0,25])"), message);
  }
}
