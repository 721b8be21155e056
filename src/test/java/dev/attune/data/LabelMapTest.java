package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.task.Classification;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LabelMapTest {
  @Test
  void integersAreOrderedByValueAndNamesAlphabetically() {
    assertEquals(
        List.of("-1", "2", "10", "99999999999999999999"),
        LabelMap.of(Arrays.asList("10", "2", null, "-1", "99999999999999999999", "2")).names());
    assertEquals(List.of("10", "2", "x"), LabelMap.of(List.of("x", "10", "2")).names());
    assertEquals(List.of("B-A", "I-A", "O"), LabelMap.of(List.of("O", "B-A", "I-A")).names());
  }

  @Test
  void idsAndNamesAreInverse() {
    LabelMap map = LabelMap.of(List.of("b", "a", "c"));
    for (int i = 0; i < map.size(); i++) {
      assertEquals(i, map.idOrMinusOne(map.name(i)));
    }
    assertEquals(-1, map.idOrMinusOne("d"));
    assertEquals("{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"}", map.id2label().toString());
    assertEquals("{\"a\":0,\"b\":1,\"c\":2}", map.label2id().toString());
    assertEquals(map, LabelMap.ofNames(List.of("a", "b", "c")));
  }

  @Test
  void anUnknownLabelListsTheKnownOnesAndTheRow() {
    Dataset data = new Dataset(Path.of("dev.csv"), List.of(Example.of(7, "x", "neutral")));
    LabelMap map = LabelMap.ofNames(List.of("negative", "positive"));
    InputException e =
        assertThrows(InputException.class, () -> map.id("neutral", data, data.get(0)));
    assertEquals(
        "dev.csv, row 7: unknown label \"neutral\". Known labels: \"negative\", \"positive\"."
            + " Labels come from "
            + Term.LABEL_NAMES
            + " or the training file; correct the row, or add its label there.",
        e.getMessage());
    String number =
        assertThrows(InputException.class, () -> map.id("1", data, data.get(0))).getMessage();
    assertTrue(number.contains("stand for, from 0 on."), number);
    assertTrue(
        assertThrows(InputException.class, () -> map.id(null, data, data.get(0)))
            .getMessage()
            .startsWith("dev.csv, row 7: the label is missing."));
  }

  @Test
  void longListsAreShortened() {
    LabelMap map = LabelMap.of(IntStream.range(0, 30).mapToObj(Integer::toString).toList());
    assertTrue(map.describe().endsWith("\"19\" and 10 more"), map.describe());
  }

  @Test
  void labelsOfADatasetLeaveOutMissingOnes() {
    Dataset data =
        new Dataset(
            Path.of("a.csv"),
            List.of(Example.of(1, "x", "b"), Example.of(2, "y", ""), Example.of(3, "z", "a")));
    assertEquals(List.of("a", "b"), Classification.of(data).labels().names());
  }

  @Test
  void aNameTwiceIsRefused() {
    assertEquals(
        "label \"a\" is there twice in the label list [a, b, a]",
        assertThrows(InputException.class, () -> LabelMap.ofNames(List.of("a", "b", "a")))
            .getMessage());
  }

  @ParameterizedTest
  @ValueSource(strings = {"NaN", "Infinity", "1e999", "three", "0x10", "1f", "1,5", "", " "})
  void targetsThatAreNotFiniteDecimalNumbersAreRefused(String label) {
    Dataset data = new Dataset(Path.of("a.csv"), List.of(Example.of(4, "x", label)));
    InputException e = assertThrows(InputException.class, () -> Numbers.target(data, data.get(0)));
    assertTrue(e.getMessage().startsWith("a.csv, row 4: "), e::getMessage);
    assertTrue(
        e.getMessage().contains(label.isBlank() ? "the label is missing" : "is not a number"));
  }

  @Test
  void decimalNumbersAreTargets() {
    Dataset data = new Dataset(Path.of("a.csv"), List.of());
    assertEquals(3.8f, Numbers.target(data, Example.of(1, "x", "3.800")));
    assertEquals(-0.5f, Numbers.target(data, Example.of(1, "x", " -.5 ")));
    assertEquals(2000f, Numbers.target(data, Example.of(1, "x", "2e3")));
  }

  /** As a key of config.json it could not be read again. */
  @Test
  void aLabelAsLongAsATextIsRefused() {
    assertEquals(2, LabelMap.of(List.of("a".repeat(10_000), "b")).size());
    String message =
        assertThrows(InputException.class, () -> LabelMap.of(List.of("a".repeat(100_000), "b")))
            .getMessage();
    assertTrue(message.contains("100000 characters"), message);
  }
}
