package dev.attune.server.feedback;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Which rows an update shows. */
class MixtureTest {
  private static final LearnerSettings SETTINGS =
      new LearnerSettings(10, 300, null, 4, 16, 0.5, 0.01, 42, 10, LearnerSettings.ALL);

  private static List<LabelledText> rows(String name, int count) {
    return IntStream.range(0, count)
        .mapToObj(i -> new LabelledText(name + " " + i, null, "yes"))
        .toList();
  }

  private static long count(List<LabelledText> rows, String name) {
    return rows.stream().filter(row -> row.text().startsWith(name)).count();
  }

  private static List<LabelledText> mixed(int version) {
    return Mixture.of(rows("new", 10), rows("earlier", 30), rows("old", 500), SETTINGS, version);
  }

  @Test
  void eachPassHasTheNewOnceAndAsManyEarlierAndTheShareOfOldOnes() {
    List<LabelledText> shown = mixed(2);
    assertEquals(4 * (10 + 10 + 20), shown.size());
    for (int pass = 0; pass < 4; pass++) {
      List<LabelledText> part = shown.subList(pass * 40, pass * 40 + 40);
      assertEquals(40, new HashSet<>(part).size());
      assertEquals(10, count(part, "new"));
      assertEquals(10, count(part, "earlier"));
      assertEquals(20, count(part, "old"));
    }
    assertTrue(shown.stream().filter(r -> r.text().startsWith("old")).distinct().count() > 60);
  }

  @Test
  void isTheSameForTheSameVersionAndAnotherForAnother() {
    assertEquals(mixed(2), mixed(2));
    assertNotEquals(mixed(2), mixed(3));
  }

  @Test
  void fewRowsAreShownAsOftenAsThereAreEnough() {
    List<LabelledText> shown = Mixture.of(rows("new", 10), List.of(), rows("old", 3), SETTINGS, 2);
    assertEquals(4 * 13, shown.size());
  }

  private static Correction correction(int number, String text, String label) {
    return new Correction(
        number, "corr_" + number, new LabelledText(text, null, label), Instant.EPOCH, null);
  }

  private static String learned(String name) {
    return IntStream.range(0, 100)
        .mapToObj(i -> name + i)
        .filter(text -> !new LabelledText(text, null, "yes").isHeldOut())
        .findFirst()
        .orElseThrow();
  }

  @Test
  void ofEqualTextsTheLastCorrectionCountsAndTheOldRowGoes() {
    String text = learned("a text ");
    String other = learned("another ");
    List<LabelledText> old = new ArrayList<>(rows("old", 50));
    old.replaceAll(row -> new LabelledText(learned(row.text()), null, "yes"));
    old.add(new LabelledText(text.toUpperCase(java.util.Locale.ROOT), null, "yes"));
    Collections.shuffle(old, new java.util.Random(1));
    Update.Rows rows =
        new Update(SETTINGS, "data", 1, 3)
            .rows(
                List.of(
                    correction(1, other, "no"),
                    correction(2, text, "yes"),
                    correction(3, "  " + text + " ", "no")),
                new OldData(old, List.of()),
                2);
    assertEquals(1, rows.recent());
    assertEquals(1, rows.earlier());
    List<LabelledText> ofText =
        rows.shown().stream()
            .filter(r -> r.key().equals(correction(9, text, "").row().key()))
            .toList();
    assertEquals(4, ofText.size());
    assertTrue(ofText.stream().allMatch(row -> row.label().equals("no")));
  }

  @Test
  void heldOutCorrectionsAreNeverShownAndAreAFifth() {
    List<Correction> corrections =
        IntStream.rangeClosed(1, 2000).mapToObj(i -> correction(i, "text " + i, "yes")).toList();
    Update.Rows rows =
        new Update(SETTINGS, "data", 0, 2000)
            .rows(corrections, new OldData(rows("old", 50), List.of()), 2);
    assertFalse(
        rows.shown().stream().anyMatch(row -> row.text().startsWith("text") && row.isHeldOut()));
    assertEquals(1600, rows.recent(), 60);
  }
}
