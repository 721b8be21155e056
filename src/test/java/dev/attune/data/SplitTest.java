package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.task.Classification;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class SplitTest {
  private static final long SEED = Long.getLong("attune.seed", 20261123L);

  private static Dataset data(int size, int classes, Random random) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < size; i++) {
      examples.add(
          Example.of(i + 1, "text " + i, "c" + (int) (classes * Math.pow(random.nextDouble(), 2))));
    }
    return new Dataset(Path.of("a.csv"), examples);
  }

  private static long count(Dataset data, String label) {
    return data.examples().stream().filter(e -> label.equals(e.label())).count();
  }

  @Test
  void everyClassGivesItsShareAndTheTotalIsRight() {
    Random random = new Random(SEED);
    for (int round = 0; round < 100; round++) {
      Dataset whole = data(20 + random.nextInt(500), 1 + random.nextInt(6), random);
      double fraction = 0.05 + 0.4 * random.nextDouble();
      Split split = Split.stratified(whole, fraction, random.nextLong(), Example::label);
      assertEquals(whole.size(), split.train().size() + split.validation().size());
      assertTrue(
          Math.abs(split.validation().size() - fraction * whole.size()) <= 1.5,
          "seed " + SEED + ": " + split.validation().size() + " of " + whole.size());
      for (String label : Classification.of(whole).labels().names()) {
        long all = count(whole, label);
        long held = count(split.validation(), label);
        assertTrue(Math.abs(held - fraction * all) <= 1, "seed " + SEED);
        assertTrue(count(split.train(), label) >= 1, "every class stays in training");
      }
      assertFileOrder(split.train());
      assertFileOrder(split.validation());
    }
  }

  private static void assertFileOrder(Dataset data) {
    for (int i = 1; i < data.size(); i++) {
      assertTrue(data.get(i - 1).row() < data.get(i).row());
    }
  }

  @Test
  void theSplitDependsOnTheSeedAlone() {
    Dataset whole = data(200, 3, new Random(1));
    Split one = Split.stratified(whole, 0.2, 5, Example::label);
    assertEquals(one, Split.stratified(whole, 0.2, 5, Example::label));
    assertFalse(one.equals(Split.stratified(whole, 0.2, 6, Example::label)));
  }

  @Test
  void equalTextsStayOnOneSide() {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      examples.add(Example.of(i + 1, (i % 2 == 0 ? "Text  " : "text ") + i / 3, "c" + i % 2));
    }
    Dataset whole = new Dataset(Path.of("a.csv"), examples);
    for (long seed = 0; seed < 20; seed++) {
      Split split = Split.stratified(whole, 0.3, seed, Example::label);
      Set<String> train = new HashSet<>();
      split.train().examples().forEach(e -> train.add(e.normalised()));
      split.validation().examples().forEach(e -> assertFalse(train.contains(e.normalised())));
      assertTrue(split.validation().size() > 60);
    }
  }

  @Test
  void otherTargetsSplitWithoutStrata() {
    Dataset whole = data(100, 50, new Random(2));
    assertEquals(25, Split.stratified(whole, 0.25, 1, example -> "").validation().size());
  }

  @Test
  void impossibleSplitsAreRefused() {
    Dataset whole = data(10, 2, new Random(3));
    assertEquals(
        "a share of 1.0: it must lie between 0 and 1, for example 0.1",
        assertThrows(InputException.class, () -> Split.stratified(whole, 1, 1, Example::label))
            .getMessage());
    Dataset one = new Dataset(Path.of("a.csv"), List.of(Example.of(1, "x", "a")));
    assertTrue(
        assertThrows(InputException.class, () -> Split.stratified(one, 0.5, 1, Example::label))
            .getMessage()
            .contains("too few"));
    Dataset same =
        new Dataset(Path.of("a.csv"), List.of(Example.of(1, "x", "a"), Example.of(2, "X", "a")));
    assertTrue(
        assertThrows(InputException.class, () -> Split.stratified(same, 0.5, 1, Example::label))
            .getMessage()
            .contains("holds out no example of the 2"));
  }
}
