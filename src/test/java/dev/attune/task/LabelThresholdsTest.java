package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class LabelThresholdsTest {
  @Test
  void eachLabelGetsTheThresholdOfItsBestF1() {
    LabelThresholds tuning = new LabelThresholds(3);
    tuning.add(new boolean[] {true, false, false}, new double[] {0.3, 0.9, 0.6});
    tuning.add(new boolean[] {true, true, false}, new double[] {0.4, 0.95, 0.7});
    tuning.add(new boolean[] {false, false, false}, new double[] {0.1, 0.2, 0.8});
    // Between 0.1 and 0.3; between 0.9 and 0.95; no row has the third label.
    assertArrayEquals(new double[] {0.2, 0.925, 0.5}, tuning.best(), 1e-12);
  }

  @Test
  void theThresholdOfNoAnswerIsThatOfTheBestF1() {
    NullThreshold tuning = new NullThreshold();
    tuning.add(-3, 1, 0);
    tuning.add(2, 1, 0); // answered right, though "no answer" scores higher
    tuning.add(4, 0, 1);
    assertEquals(3, tuning.best(), 1e-12);
  }

  @Test
  void noAnswerIsAlwaysGivenWhereThatIsBest() {
    NullThreshold tuning = new NullThreshold();
    tuning.add(-3, 0, 1); // answered wrong, and surer of it than of any other
    tuning.add(2, 0.25, 1);
    assertTrue(tuning.best() < -3, "threshold " + tuning.best());
  }
}
