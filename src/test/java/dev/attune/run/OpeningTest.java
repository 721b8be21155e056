package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class OpeningTest {
  private final List<String> closed = new ArrayList<>();

  private void close(String name, Throwable failure) {
    closed.add(name);
    if (failure instanceof RuntimeException e) {
      throw e;
    }
    if (failure instanceof Error e) {
      throw e;
    }
  }

  @Test
  void allIsClosedAndNoFailureIsLost() {
    RuntimeException failure = new IllegalStateException("weights");
    RuntimeException first = new IllegalArgumentException("closing");
    Error second = new AssertionError("closing");
    Opening opening = new Opening();
    opening.add(() -> close("a", null));
    opening.add(null);
    opening.add(() -> close("b", first));
    opening.add(() -> close("c", failure));
    opening.add(() -> close("d", second));
    opening.closeAfter(failure);
    assertEquals(List.of("d", "c", "b", "a"), closed);
    assertArrayEquals(new Throwable[] {second, first}, failure.getSuppressed());
  }

  /** A tokenizer that could not be read, while something else failed too. */
  @Test
  void workThatFailedInTheBackgroundIsToldBesideTheFailure() {
    RuntimeException reading = new IllegalStateException("tokenizer");
    Background<String> work =
        Background.start(
            "test",
            () -> {
              throw reading;
            });
    Opening opening = new Opening();
    opening.add(() -> work.discard(closed::add));
    RuntimeException weights = new IllegalStateException("weights");
    opening.closeAfter(weights);
    assertArrayEquals(new Throwable[] {reading}, weights.getSuppressed());
    assertEquals(List.of(), closed);
    assertEquals(reading, assertThrows(IllegalStateException.class, work::throwIfFailed));
    opening.closeAfter(reading);
    assertEquals(0, reading.getSuppressed().length);
  }
}
