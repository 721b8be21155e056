package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.task.PreferenceLoss.Cost;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The losses of pairs of answers, and their derivatives. */
class PreferenceLossTest {
  private static final double STEP = 1e-5;

  @ParameterizedTest
  @EnumSource
  void derivativesAreThoseOfDifferences(PreferenceLoss loss) {
    Random random = new Random(4);
    for (int i = 0; i < 200; i++) {
      double a = 8 * random.nextGaussian();
      double b = 8 * random.nextGaussian();
      int m = 1 + random.nextInt(9);
      int n = 1 + random.nextInt(9);
      double beta = 0.05 + random.nextDouble();
      double smoothing = i % 2 == 0 || loss != PreferenceLoss.SIGMOID ? 0 : 0.2;
      if (loss == PreferenceLoss.HINGE && Math.abs(1 - beta * (a - b)) < 1e-3) {
        continue; // it bends there
      }
      Cost cost = loss.of(a, b, m, n, beta, smoothing);
      double da =
          (loss.of(a + STEP, b, m, n, beta, smoothing).loss()
                  - loss.of(a - STEP, b, m, n, beta, smoothing).loss())
              / (2 * STEP);
      double db =
          (loss.of(a, b + STEP, m, n, beta, smoothing).loss()
                  - loss.of(a, b - STEP, m, n, beta, smoothing).loss())
              / (2 * STEP);
      assertEquals(da, cost.dchosen(), 1e-6 * Math.max(1, Math.abs(da)), loss + " " + i);
      assertEquals(db, cost.drejected(), 1e-6 * Math.max(1, Math.abs(db)), loss + " " + i);
    }
  }

  @Test
  void whereNothingHasChangedTheyAreWhatTheirFormulasSay() {
    assertEquals(Math.log(2), PreferenceLoss.SIGMOID.of(0, 0, 3, 5, 0.1, 0).loss(), 1e-12);
    assertEquals(1, PreferenceLoss.HINGE.of(-7, -7, 3, 5, 0.1, 0).loss(), 1e-12);
    assertEquals(25, PreferenceLoss.IPO.of(0, 0, 3, 5, 0.1, 0).loss(), 1e-12);
  }

  @Test
  void farApartNothingOverflows() {
    Cost worst = PreferenceLoss.SIGMOID.of(-1e5, 1e5, 1, 1, 1, 0);
    assertEquals(2e5, worst.loss(), 1e-6);
    assertEquals(-1, worst.dchosen(), 1e-12);
    Cost best = PreferenceLoss.SIGMOID.of(1e5, -1e5, 1, 1, 1, 0);
    assertEquals(0, best.loss());
    assertEquals(0, best.dchosen(), 1e-12);
  }

  @Test
  void anotherNameIsRefused() {
    InputException refused =
        assertThrows(InputException.class, () -> PreferenceLoss.named("cosent"));
    assertTrue(
        refused.getMessage().contains("sigmoid, hinge and ipo are allowed"), refused.getMessage());
  }
}
