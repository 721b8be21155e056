package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.Finding;
import dev.attune.track.PredictionFindings.ClassCount;
import dev.attune.track.PredictionFindings.Disagreement;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What is said of predictions, and what is not. */
class PredictionFindingsTest {
  private static List<String> codes(ClassCount... classes) {
    return PredictionFindings.ofClasses(List.of(classes), "test").stream()
        .map(Finding::code)
        .toList();
  }

  @Test
  void aClassThatIsNeverPredictedIsNamed() {
    List<Finding> found =
        PredictionFindings.ofClasses(
            List.of(
                new ClassCount("a", 50, 70, 45),
                new ClassCount("b", 40, 30, 25),
                new ClassCount("rare", 10, 0, 0)),
            "validation");
    assertEquals(1, found.size());
    assertEquals("class_never_predicted", found.get(0).code());
    assertTrue(found.get(0).message().contains("'rare' (10 rows)"), found.get(0).message());
    assertTrue(found.get(0).message().contains("‹class weights=balanced›"), found.get(0).message());
    assertEquals(
        List.of(),
        codes(
            new ClassCount("a", 50, 54, 45),
            new ClassCount("b", 40, 40, 30),
            new ClassCount("c", 4, 0, 0)),
        "four rows may be missed by chance");
  }

  @Test
  void aModelThatIsAlwaysRightIsNotBlamedWhereAllRowsHaveOneLabel() {
    assertEquals(List.of(), codes(new ClassCount("a", 50, 50, 50), new ClassCount("b", 0, 0, 0)));
    assertEquals(
        List.of("majority_baseline"),
        codes(new ClassCount("a", 50, 49, 49), new ClassCount("b", 0, 1, 0)));
  }

  @Test
  void aModelThatIsNoBetterThanItsLargestClassIsNamed() {
    List<Finding> found =
        PredictionFindings.ofClasses(
            List.of(new ClassCount("a", 60, 80, 50), new ClassCount("b", 40, 20, 10)), "test");
    assertEquals("majority_baseline", found.get(0).code());
    String message = found.get(0).message();
    assertTrue(message.contains("is 60.0 %, and always saying 'a' has 60.0 %"), message);
    assertEquals(
        List.of(), codes(new ClassCount("a", 60, 70, 55), new ClassCount("b", 40, 30, 25)));
    assertEquals(List.of(), codes(), "there is nothing");
  }

  @Test
  void labelsAreDoubtedByAModelThatIsNearlyAlwaysRight() {
    List<Disagreement> worst =
        List.of(new Disagreement(12, 0.999), new Disagreement(40, 0.995), new Disagreement(7, 0.8));
    Finding found = PredictionFindings.doubtfulLabels(100, 3, worst, "test").orElseThrow();
    assertEquals(List.of(12, 40), found.rows());
    String sentence = found.sentence(row -> "test.csv:" + row);
    assertTrue(sentence.startsWith("2 labels of test data may be wrong"), sentence);
    assertTrue(sentence.endsWith("(rows test.csv:12, test.csv:40)"), sentence);
    // Of those that were not handed over nothing is known.
    Finding some =
        PredictionFindings.doubtfulLabels(100, 9, worst.subList(0, 2), "test").orElseThrow();
    String least = some.sentence(row -> "test.csv:" + row);
    assertTrue(least.startsWith("at least 2 labels of test data may be wrong"), least);
    assertTrue(PredictionFindings.doubtfulLabels(100, 27, worst, "test").isEmpty());
    assertTrue(PredictionFindings.doubtfulLabels(20, 1, worst, "test").isEmpty());
    assertTrue(
        PredictionFindings.doubtfulLabels(100, 1, List.of(new Disagreement(7, 0.8)), "test")
            .isEmpty());
  }
}
