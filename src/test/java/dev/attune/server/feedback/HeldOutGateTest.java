package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What the gate lets through, and what it says of chance. */
class HeldOutGateTest {
  private static final Path FIRST = Path.of("first");
  private static final Path PARENT = Path.of("parent");
  private static final Path CANDIDATE = Path.of("candidate");

  /** Says "yes" to the first texts of each list, which are right to say it to. */
  private record Fixed(Map<Path, Integer> oldRight, Map<Path, Integer> newRight) implements Judge {
    @Override
    public List<String> labels(Path folder, Path base, List<LabelledText> rows) {
      boolean isOld = !rows.isEmpty() && rows.get(0).text().startsWith("old");
      int right = (isOld ? oldRight : newRight).getOrDefault(folder, 0);
      return IntStream.range(0, rows.size()).mapToObj(i -> i < right ? "yes" : "no").toList();
    }

    @Override
    public void close() {}
  }

  private static List<LabelledText> rows(String name, int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> new LabelledText(name + i, null, "yes"))
        .toList();
  }

  private static HeldOutGate.Verdict judged(
      int old, int firstOld, int candidateOld, int recent, int parentNew, int candidateNew) {
    return new HeldOutGate(rows("old", old), rows("new", recent))
        .judge(
            new Fixed(
                Map.of(FIRST, firstOld, CANDIDATE, candidateOld),
                Map.of(PARENT, parentNew, CANDIDATE, candidateNew)),
            null,
            FIRST,
            PARENT,
            CANDIDATE,
            0.01);
  }

  @Test
  void oldAccuracyMayFallByTheToleranceBelowTheFirstVersion() {
    assertNull(judged(200, 180, 178, 10, 5, 6).problem());
    String problem = judged(200, 180, 177, 10, 5, 6).problem();
    assertEquals(
        "on 200 old rows it has 177 right, the first version 180; old_tolerance 0.01 lets it fall"
            + " by 2",
        problem);
    assertNotNull(judged(50, 40, 39, 10, 5, 6).problem(), "one row of 50 is more than a point");
    assertNull(judged(50, 40, 40, 10, 5, 6).problem());
  }

  @Test
  void newAccuracyMayNotFall() {
    assertNull(judged(200, 180, 180, 10, 5, 5).problem());
    assertEquals(
        "on 10 held-out corrections it has 4 right, the version before 5",
        judged(200, 180, 180, 10, 5, 4).problem());
    assertNull(judged(200, 180, 180, 0, 0, 0).problem(), "none is held out yet");
  }

  @Test
  void theReportSaysHowFarItMayBeChance() {
    HeldOutGate.Verdict verdict = judged(200, 180, 179, 10, 5, 9);
    assertEquals(0.5, verdict.report().at("/old/p_worse").asDouble(), 1e-12);
    assertEquals(1 / 16.0, verdict.report().at("/new/p_better").asDouble(), 1e-12);
    assertEquals(0.9, verdict.report().at("/old/first_accuracy").asDouble(), 1e-12);
    assertEquals(4, verdict.report().at("/new/won_rows").asInt());
  }

  @Test
  void theSignTestIsTheBinomialTail() {
    assertEquals(1, SignTest.atLeast(0, 0));
    assertEquals(1 / 32.0, SignTest.atLeast(5, 0), 1e-12);
    assertEquals((1 + 10 + 45) / 1024.0, SignTest.atLeast(8, 2), 1e-12);
    assertEquals(1, SignTest.atLeast(0, 7), 1e-12);
    assertTrue(SignTest.atLeast(300, 200) < 1e-5);
    assertEquals(0.5, SignTest.atLeast(1001, 1000), 1e-9);
  }
}
