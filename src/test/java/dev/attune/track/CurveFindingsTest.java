package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.Finding;
import dev.attune.track.CurveFindings.Setting;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.function.DoubleUnaryOperator;
import org.junit.jupiter.api.Test;

/** What is said of curves, and what is not. */
class CurveFindingsTest {
  private static final Setting ACCURACY =
      new Setting("accuracy", false, null, Math.log(2), 2e-5, 32);
  private static final Setting LOSS_ALONE = new Setting(null, false, null, Double.NaN, 2e-5, 32);

  /** Curves by the share of the run that is done, with noise of a tenth on each step. */
  private static Curves curves(
      int steps, int until, DoubleUnaryOperator train, DoubleUnaryOperator norm) {
    Curves curves = new Curves();
    Random random = new Random(7);
    for (int step = 1; step <= until; step++) {
      double share = (double) step / steps;
      double noise = 1 + 0.1 * random.nextGaussian();
      curves.step(step, steps, train.applyAsDouble(share) * noise, norm.applyAsDouble(share));
    }
    return curves;
  }

  private static void evaluate(Curves curves, int every, double[] losses, double[] accuracies) {
    for (int i = 0; i < losses.length; i++) {
      curves.evaluation(
          (long) every * (i + 1), Map.of("loss", losses[i], "accuracy", accuracies[i]));
    }
  }

  private static List<String> codes(List<Finding> findings) {
    return findings.stream().map(Finding::code).toList();
  }

  private static double falling(double share) {
    return 0.7 * Math.exp(-4 * share);
  }

  @Test
  void lossThatRisesOnValidationWhileItFallsInTrainingIsOverfitting() {
    Curves curves = curves(100, 100, CurveFindingsTest::falling, s -> 1);
    evaluate(
        curves, 20, new double[] {0.6, 0.5, 0.52, 0.58, 0.66}, new double[] {.7, .8, .8, .79, .78});
    List<Finding> found = CurveFindings.live(curves, ACCURACY);
    assertEquals(List.of("overfitting"), codes(found));
    String message = found.get(0).message();
    assertTrue(message.contains("from 0.5 at step 40 to 0.66 at step 100"), message);
    assertTrue(message.contains("‹early stopping patience=2›"), message);
  }

  @Test
  void itIsNoneWhereTheMetricStillGetsBetterOrTheRiseIsSmallOrYoung() {
    double[] rising = {0.6, 0.5, 0.52, 0.58, 0.66};
    Curves better = curves(100, 100, CurveFindingsTest::falling, s -> 1);
    evaluate(better, 20, rising, new double[] {.7, .8, .81, .82, .83});
    assertEquals(List.of(), codes(CurveFindings.live(better, ACCURACY)));
    assertEquals(List.of("overfitting"), codes(CurveFindings.live(better, LOSS_ALONE)));

    Curves small = curves(100, 100, CurveFindingsTest::falling, s -> 1);
    evaluate(
        small, 20, new double[] {0.6, 0.5, 0.51, 0.5, 0.52}, new double[] {.7, .8, .8, .8, .8});
    assertEquals(List.of(), codes(CurveFindings.live(small, ACCURACY)));

    Curves young = curves(100, 60, CurveFindingsTest::falling, s -> 1);
    evaluate(young, 20, new double[] {0.6, 0.5, 0.66}, new double[] {.7, .8, .7});
    assertEquals(List.of(), codes(CurveFindings.live(young, ACCURACY)));
  }

  @Test
  void lossThatStaysAtThatOfGuessingIsUnderfittingAtTheEnd() {
    Curves curves = curves(100, 100, s -> Math.log(2), s -> 1);
    assertEquals(List.of(), codes(CurveFindings.live(curves, ACCURACY)));
    List<Finding> found = CurveFindings.atEnd(curves, ACCURACY);
    assertEquals(List.of("underfitting"), codes(found));
    assertTrue(found.get(0).message().contains("0.693"), found.get(0).message());
    Curves learning = curves(100, 100, CurveFindingsTest::falling, s -> 1);
    assertEquals(List.of(), codes(CurveFindings.atEnd(learning, ACCURACY)));
    Curves few = curves(20, 20, s -> Math.log(2), s -> 1);
    assertEquals(List.of(), codes(CurveFindings.atEnd(few, ACCURACY)), "too short to tell");
  }

  @Test
  void evaluationsThatDoNotChangeWhileStepsAreLeftAreAPlateau() {
    Curves curves = new Curves();
    for (int step = 1; step <= 120; step++) {
      curves.step(step, 400, 0.3, 1);
    }
    double[] flat = {0.5, 0.4, 0.4, 0.401, 0.4, 0.4};
    evaluate(curves, 20, flat, new double[] {.7, .8, .8, .8, .8, .8});
    List<Finding> found = CurveFindings.live(curves, ACCURACY);
    assertEquals(List.of("plateau"), codes(found));
    assertTrue(found.get(0).message().contains("since step 60"), found.get(0).message());

    Curves ending = new Curves();
    for (int step = 1; step <= 120; step++) {
      ending.step(step, 130, 0.3, 1);
    }
    evaluate(ending, 20, flat, new double[] {.7, .8, .8, .8, .8, .8});
    assertEquals(List.of(), codes(CurveFindings.live(ending, ACCURACY)), "the rate comes down");
  }

  @Test
  void lossThatRisesJumpsOrDoesNotFallUnderGreatGradientsIsARateTooHigh() {
    Curves rising = curves(100, 100, s -> 0.7 + 2 * s, s -> 1);
    assertEquals(List.of("rate_too_high"), codes(CurveFindings.live(rising, ACCURACY)));
    Curves exploding = curves(100, 100, s -> 0.7, s -> s < 0.2 ? 1 : 50);
    List<Finding> found = CurveFindings.live(exploding, ACCURACY);
    assertEquals(List.of("rate_too_high"), codes(found));
    String message = found.get(0).message();
    assertTrue(message.contains("gradient norm grew from 1 to 50"), message);
    assertTrue(message.contains("‹learning rate=6.67e-6› in place of 2e-5"), message);

    Curves jumping = new Curves();
    for (int step = 1; step <= 60; step++) {
      jumping.step(step, 60, step > 10 && step % 15 == 0 ? 3 : 0.7 - step * 0.005, 1);
    }
    assertEquals(List.of("rate_too_high"), codes(CurveFindings.live(jumping, ACCURACY)));
    Setting single = new Setting("accuracy", false, null, Math.log(2), 2e-5, 1);
    assertEquals(List.of(), codes(CurveFindings.live(jumping, single)), "rows differ");
  }

  @Test
  void usualRunsAreNotWarnedOf() {
    DoubleUnaryOperator warm = s -> s < 0.1 ? 1.1 + s : 1.2 * Math.exp(-2 * s);
    Curves classes = curves(300, 300, warm, s -> 2 + 8 * s);
    evaluate(
        classes,
        50,
        new double[] {1, .8, .7, .66, .65, .65},
        new double[] {.5, .6, .7, .72, .73, .74});
    assertEquals(List.of(), codes(CurveFindings.atEnd(classes, ACCURACY)));
    Curves language = curves(300, 300, s -> 3 - 0.2 * s, s -> 1 + s);
    for (int i = 1; i <= 6; i++) {
      language.evaluation(50L * i, Map.of("loss", 3 - 0.03 * i));
    }
    assertEquals(List.of(), codes(CurveFindings.atEnd(language, LOSS_ALONE)));
    assertEquals(List.of(), codes(CurveFindings.atEnd(new Curves(), ACCURACY)));
  }

  /** Said of what decides something alone: a score beside the loss may well be undefined. */
  @Test
  void aMetricThatDecidesAndHasNoValueIsTold() {
    Curves curves = curves(100, 40, CurveFindingsTest::falling, s -> 1);
    evaluate(curves, 20, new double[] {0.6, 0.5}, new double[] {.7, Double.NaN});
    assertEquals(List.of(), codes(CurveFindings.live(curves, ACCURACY)));
    List<Finding> found =
        CurveFindings.live(curves, new Setting("accuracy", false, "accuracy", 0.7, 2e-5, 32));
    assertEquals(List.of("undefined_metric"), codes(found));
    String message = found.get(0).message();
    assertTrue(message.startsWith("accuracy has no value at the evaluation of step 40"), message);
  }
}
