package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** What scikit-learn's StratifiedKFold and StratifiedGroupKFold promise of folds. */
class FoldsTest {
  private static Dataset dataset(List<String> texts, List<String> labels) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      examples.add(Example.of(i + 1, texts.get(i), labels.get(i)));
    }
    return new Dataset(Path.of("memory"), examples);
  }

  /** Rows of classes of the given sizes, mixed; every text once. */
  private static Dataset classes(int... sizes) {
    List<String> texts = new ArrayList<>();
    List<String> labels = new ArrayList<>();
    int largest = java.util.stream.IntStream.of(sizes).max().orElse(0);
    for (int i = 0; i < largest; i++) {
      for (int c = 0; c < sizes.length; c++) {
        if (i < sizes[c]) {
          texts.add("text " + c + " " + i);
          labels.add("class " + c);
        }
      }
    }
    return dataset(texts, labels);
  }

  private static Map<String, int[]> counts(Dataset data, int[] foldOf, int k) {
    Map<String, int[]> counts = new HashMap<>();
    for (int i = 0; i < foldOf.length; i++) {
      counts.computeIfAbsent(data.get(i).label(), name -> new int[k])[foldOf[i]]++;
      counts.computeIfAbsent("", name -> new int[k])[foldOf[i]]++;
    }
    return counts;
  }

  @Test
  void everyClassAndEveryFoldIsWithinOneOfItsShare() {
    int[][] cases = {{50, 50}, {97, 13, 7}, {5, 5, 5, 5, 5}, {3, 2, 1}, {1000, 1}, {11, 11, 11}};
    for (int[] sizes : cases) {
      for (int k : new int[] {2, 3, 5, 6}) {
        Dataset data = classes(sizes);
        int[] foldOf = Folds.of(data, k, 42, Example::label).foldOf();
        counts(data, foldOf, k)
            .forEach(
                (label, inFolds) -> {
                  double share = java.util.stream.IntStream.of(inFolds).sum() / (double) k;
                  for (int count : inFolds) {
                    assertTrue(Math.abs(count - share) < 1, label + ": " + count + " of " + share);
                  }
                });
      }
    }
  }

  @Test
  void everyExampleIsHeldOutOnceAndLearnedOtherwise() {
    Dataset data = classes(20, 7);
    Folds folds = Folds.of(data, 4, 1, Example::label);
    int held = 0;
    for (int fold = 0; fold < 4; fold++) {
      List<Example> out = folds.examples(fold, false).examples();
      List<Example> in = folds.examples(fold, true).examples();
      assertEquals(27, out.size() + in.size());
      assertTrue(out.stream().noneMatch(in::contains));
      held += out.size();
    }
    assertEquals(27, held);
  }

  @Test
  void equalTextsAreInOneFoldAndTheRestLevelsIt() {
    Random random = new Random(7);
    List<String> texts = new ArrayList<>();
    List<String> labels = new ArrayList<>();
    for (int i = 0; i < 300; i++) {
      boolean isRepeated = i % 3 == 0;
      texts.add(isRepeated ? "Repeated  " + random.nextInt(30) : "single " + i);
      labels.add(random.nextInt(4) == 0 ? "rare" : "common");
    }
    Dataset data = dataset(texts, labels);
    int[] foldOf = Folds.of(data, 5, 42, Example::label).foldOf();
    Map<String, Integer> ofText = new HashMap<>();
    for (int i = 0; i < foldOf.length; i++) {
      Integer other = ofText.put(texts.get(i), foldOf[i]);
      assertTrue(other == null || other == foldOf[i], texts.get(i));
    }
    counts(data, foldOf, 5)
        .forEach(
            (label, inFolds) -> {
              double share = java.util.stream.IntStream.of(inFolds).sum() / 5.0;
              for (int count : inFolds) {
                assertTrue(Math.abs(count - share) <= 1, label + ": " + count + " of " + share);
              }
            });
  }

  @Test
  void theSeedDecidesAndNothingElse() {
    Dataset data = classes(40, 30);
    int[] first = Folds.of(data, 5, 42, Example::label).foldOf();
    assertArrayEquals(first, Folds.of(data, 5, 42, Example::label).foldOf());
    assertFalse(java.util.Arrays.equals(first, Folds.of(data, 5, 43, Example::label).foldOf()));
  }

  @Test
  void tooFewTextsAreRefusedAndRareClassesNamed() {
    List<String> same = List.of("a", "A ", "b");
    InputException few =
        assertThrows(
            InputException.class,
            () -> Folds.of(dataset(same, List.of("x", "x", "y")), 3, 1, Example::label));
    assertTrue(few.getMessage().contains("2 different texts"), few::getMessage);
    Folds folds = Folds.of(classes(20, 2), 5, 1, Example::label);
    assertEquals(Map.of("class 1", 2), folds.classesThatFoldsLack(5));
  }
}
