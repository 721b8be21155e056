package dev.attune.cli;

import java.io.Console;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** What a person types, a line at a time, for commands that have other things to do meanwhile. */
final class TypedLines {
  private final BlockingQueue<String> lines = new LinkedBlockingQueue<>();
  private volatile boolean ended = System.console() == null || !Terminal.is(0);
  private Thread reader; // null: nobody has asked yet

  /** Whether there is a terminal with somebody at it, as far as can be known. */
  boolean isAttended() {
    return !ended;
  }

  /** Waits for a line; empty where none came in that time. */
  Optional<String> next(long atMostMillis) throws InterruptedException {
    if (reader == null && !ended) {
      reader = new Thread(this::read, "attune-typed");
      reader.setDaemon(true);
      reader.start();
    }
    return Optional.ofNullable(lines.poll(atMostMillis, TimeUnit.MILLISECONDS));
  }

  private void read() {
    Console console = System.console();
    for (String line = console.readLine(); line != null; line = console.readLine()) {
      lines.add(line);
    }
    ended = true;
  }
}
