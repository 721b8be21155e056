package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class InterleavingTest {
  @TempDir Path temp;

  private Path file(String name, int rows) throws IOException {
    StringBuilder csv = new StringBuilder("text,label\n");
    for (int i = 0; i < rows; i++) {
      csv.append(name).append(' ').append(i).append(i % 2 == 0 ? ",x\n" : ",y\n");
    }
    return Files.writeString(temp.resolve(name + ".csv"), csv);
  }

  private Dataset data(Path... files) {
    return DataReader.read(
        List.of(files).stream().map(Path::toString).toList(), ReadOptions.of(Columns.automatic()));
  }

  private static List<String> texts(Dataset data, String source) {
    return data.examples().stream()
        .map(Example::text)
        .filter(text -> text.startsWith(source + " "))
        .toList();
  }

  @Test
  void rowsAreDrawnByTheirSharesUntilTheFirstSourceEnds() throws IOException {
    Dataset data = data(file("a", 1000), file("b", 1000));
    Dataset drawn = new Interleaving(List.of(0.8, 0.2), false).of(data, new int[] {1, 1}, 42);
    List<String> a = texts(drawn, "a");
    List<String> b = texts(drawn, "b");
    assertEquals(1000, a.size());
    assertTrue(b.size() > 200 && b.size() < 300, b.size() + " of the second source");
    assertEquals(drawn.size(), a.size() + b.size());
    assertEquals("a 999", drawn.get(drawn.size() - 1).text());
    for (int i = 0; i < b.size(); i++) {
      assertEquals("b " + i, b.get(i)); // in their order
    }
    assertEquals(
        "rows are drawn from 2 sources until the first one was drawn to its end: 1,000 of 1,000 rows, "
            + b.size()
            + " of 1,000 rows (seed 42)",
        drawn.reading().findings().get(0).message());
  }

  @Test
  void shorterSourcesBeginAgainUntilAllHaveEnded() throws IOException {
    Dataset data = data(file("a", 300), file("b", 7), file("c", 3));
    Dataset drawn = new Interleaving(List.of(0.5, 0.5), true).of(data, new int[] {1, 2}, 1);
    List<String> a = texts(drawn, "a");
    assertEquals(300, a.size());
    assertEquals("a 299", drawn.get(drawn.size() - 1).text());
    int others = drawn.size() - 300;
    assertTrue(others > 240 && others < 360, others + " of the second source");
    assertEquals(texts(drawn, "b").get(0), texts(drawn, "b").get(7)); // a source of two files
    assertTrue(texts(drawn, "c").size() > 60);
  }

  @Test
  void sharesThatWouldDrawWithoutEndAreRefusedBeforehand() throws IOException {
    Dataset data = data(file("a", 10), file("b", 10));
    Interleaving endless = new Interleaving(List.of(1e-7, 0.9999999), true);
    String message =
        assertThrows(InputException.class, () -> endless.of(data, new int[] {1, 1}, 1))
            .getMessage();
    assertTrue(
        message.startsWith(
            Term.INTERLEAVE_PROBS
                + " gives source 1, which has 10 rows, a share of 1.0E-7: about 1.00e+08 rows"),
        message);
    assertTrue(message.contains("at most 20000 are (1000 times"), message);
  }

  @Test
  void aSourceOfWhichNothingIsDrawnIsWarnedOf() throws IOException {
    Dataset data = data(file("a", 10), file("b", 10));
    Dataset drawn = new Interleaving(List.of(1e-7, 0.9999999), false).of(data, new int[] {1, 1}, 1);
    Finding warning = drawn.reading().findings().get(0);
    assertEquals(Finding.Severity.WARNING, warning.severity());
    assertEquals(
        "no row of source 1 of 2 was drawn before another one ended: its share by "
            + Term.INTERLEAVE_PROBS
            + " is 1.0E-7",
        warning.message());
  }

  @Test
  void theSameSeedDrawsTheSameRows() throws IOException {
    Dataset data = data(file("a", 50), file("b", 50));
    Interleaving halves = new Interleaving(List.of(0.5, 0.5), false);
    List<Example> one = halves.of(data, new int[] {1, 1}, 3).examples();
    assertEquals(one, halves.of(data, new int[] {1, 1}, 3).examples());
    assertTrue(!one.equals(halves.of(data, new int[] {1, 1}, 4).examples()));
  }

  @Test
  void probabilitiesAreAboveZeroAndAddUpToOne() {
    assertNull(Interleaving.problem(List.of(0.7, 0.2, 0.1)));
    assertEquals("each must be above 0", Interleaving.problem(List.of(1.0, 0.0)));
    assertEquals("each must be above 0", Interleaving.problem(List.of(Double.NaN, 1.0)));
    assertEquals("together they must be 1, and are 1.5", Interleaving.problem(List.of(1.0, 0.5)));
  }
}
