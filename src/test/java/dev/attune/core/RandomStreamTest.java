package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class RandomStreamTest {
  /** Two uses of one stream would draw the same words, and depend on each other. */
  @Test
  void noTwoAreEqualNorAnOps() {
    RandomStream[] all = RandomStream.values();
    assertEquals(all.length, Arrays.stream(all).mapToLong(each -> each.of(3)).distinct().count());
    for (RandomStream each : all) {
      assertTrue((int) each.of(3) < 0, each + " is the stream of an op");
    }
  }
}
