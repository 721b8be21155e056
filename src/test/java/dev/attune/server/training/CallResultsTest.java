package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.server.data.DataFolder;
import java.nio.file.Path;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** How long results of calls are kept. */
class CallResultsTest {
  @TempDir Path scratch;
  private DataFolder data;
  private CallResults results;

  @BeforeEach
  void open() {
    data = DataFolder.open(scratch.resolve("data"));
    results = new TrainingStore(data.journal()).results();
  }

  @AfterEach
  void close() {
    data.close();
  }

  private static CallRow call(String session, long number) {
    return new CallRow(
        session, number, "treq_" + number, "forward", null, null, "", 1, number, false);
  }

  private void note(String session, long number, String result) {
    results.note(call(session, number), Call.Status.SUCCEEDED, result, null);
  }

  private long[] kept(String session, int upTo) {
    return IntStream.rangeClosed(1, upTo)
        .filter(number -> results.find(call(session, number)).isPresent())
        .asLongStream()
        .toArray();
  }

  @Test
  void theNewestThousandAreKept() {
    for (int number = 1; number <= 1002; number++) {
      note("a", number, "{}");
    }
    note("b", 1, "{}");
    long[] kept = kept("a", 1002);
    assertEquals(1000, kept.length);
    assertEquals(3, kept[0]);
    assertEquals(1, kept("b", 1).length);
  }

  @Test
  void theNewestMegabytesAreKept() {
    String large = "{\"text\": \"" + "a".repeat(10 << 20) + "\"}";
    for (int number = 1; number <= 5; number++) {
      note("a", number, large);
    }
    long[] kept = kept("a", 5);
    assertEquals(3, kept.length);
    assertEquals(3, kept[0]);
  }

  @Test
  void oneThatIsLongerThanAllMayBeStaysUntilTheNext() {
    note("a", 1, "{}");
    note("a", 2, "{\"text\": \"" + "a".repeat(33 << 20) + "\"}");
    assertArrayEquals(new long[] {2}, kept("a", 2));
    note("a", 3, "{}");
    assertArrayEquals(new long[] {3}, kept("a", 3));
  }

  @Test
  void anHourLaterTheyHaveGone() {
    note("a", 1, "{\"loss\": 0.25}");
    CallError error = new CallError("conflict", "it failed");
    results.note(call("a", 2), Call.Status.FAILED, null, error);
    assertEquals("{\"loss\":0.25}", result(1).path("result").toString());
    assertEquals("failed", result(2).path("status").asText());
    assertEquals("it failed", result(2).at("/error/message").asText());
    results.forgetOld();
    assertEquals(2, kept("a", 2).length);
    data.journal()
        .change(session -> session.update("UPDATE training_results SET ended = ended - 3601"));
    assertTrue(results.find(call("a", 1)).isEmpty());
    results.forgetOld();
    assertEquals(
        0L,
        data.journal()
            .read(
                session ->
                    session.first("SELECT count(*) FROM training_results", row -> row.getLong(1)))
            .orElseThrow());
  }

  private JsonNode result(long number) {
    return results.find(call("a", number)).orElseThrow().toJson();
  }
}
