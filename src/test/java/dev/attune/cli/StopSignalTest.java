package dev.attune.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** What Ctrl-C is answered with. */
class StopSignalTest {
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
