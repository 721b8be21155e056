package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What Ctrl-C is answered with. */
class StopSignalTest {
  /** None of them has taken a step before. */
  @Test
  void severalRunsArePreparedOnceTheLastIs() {
    try (StopSignal signal = new StopSignal(false)) {
      signal.preparing(3);
      signal.prepared();
      signal.ended(); // refused
      assertTrue(signal.prepares());
      signal.prepared();
      assertFalse(signal.prepares());
    }
  }

  @Test
  void aCheckpointIsPromisedOnlyWhereThereWillBeOne() {
    try (StopSignal signal = new StopSignal(false)) {
      signal.preparing("nothing yet");
      signal.prepared();
      assertTrue(signal.stopping().startsWith("stopping, with a checkpoint"), signal.stopping());
      signal.trained();
      assertTrue(signal.stopping().contains("the results are written"), signal.stopping());
      String after = signal.stopping();
      signal.preparing("the next fold");
      signal.prepared();
      assertTrue(signal.stopping().startsWith("stopping, with a checkpoint"), signal.stopping());
      signal.trained();
      assertEquals(after, signal.stopping());
    }
  }
}
