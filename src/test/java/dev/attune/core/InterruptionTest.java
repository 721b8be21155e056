package dev.attune.core;

import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** An interrupt of a stretch of work. */
class InterruptionTest {
  @Test
  void itEndsWithTheStretch() {
    Interruption interruption = new Interruption();
    IllegalStateException failure = new IllegalStateException("the channel is closed");
    interruption.begin();
    assertSame(failure, interruption.cause(failure));
    interruption.interrupt();
    assertThrows(InterruptedCallException.class, () -> InterruptedCallException.check("reading"));
    RuntimeException cause = interruption.cause(failure);
    assertInstanceOf(InterruptedCallException.class, cause);
    assertSame(failure, cause.getSuppressed()[0]);
    interruption.end();
    assertFalse(Thread.currentThread().isInterrupted());
    assertSame(failure, interruption.cause(failure));
    interruption.interrupt();
    assertFalse(Thread.currentThread().isInterrupted());
    assertThrows(InterruptedCallException.class, interruption::begin);
  }

  /** Whoever else has interrupted the thread means all that it does. */
  @Test
  void anothersInterruptStays() {
    Interruption interruption = new Interruption();
    interruption.begin();
    Thread.currentThread().interrupt();
    interruption.end();
    assertTrue(Thread.interrupted());
  }
}
