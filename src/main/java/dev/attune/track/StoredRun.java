package dev.attune.track;

import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/**
 * A run in the store.
 *
 * @param id no other run has it
 * @param name for people
 * @param folder where its model went
 * @param task what was learned
 * @param model what it began with
 * @param status what became of it, as far as can be known now
 * @param created when it was begun
 * @param ended when it came to an end; null: it has not, or nobody saw it
 * @param seen when it was last heard of
 * @param step the last that was done
 * @param totalSteps of the run; 0: not known yet
 */
public record StoredRun(
    String id,
    String name,
    Path folder,
    String task,
    String model,
    RunStatus status,
    Instant created,
    Instant ended,
    Instant seen,
    long step,
    long totalSteps) {
  /** A process of another machine that was not heard of for so long is gone. */
  static final Duration SILENCE = Duration.ofMinutes(2);

  /** How long it took, or has been running; a resumed run's pauses included. */
  public Duration duration() {
    return Duration.between(created, ended == null ? seen : ended);
  }

  /** A process that runs a run. */
  record Owner(String host, long pid, long startedMillis) {
    /** This one. */
    static Owner current() {
      ProcessHandle self = ProcessHandle.current();
      return new Owner(Host.name(), self.pid(), startedMillis(self));
    }

    private static long startedMillis(ProcessHandle process) {
      return process.info().startInstant().map(Instant::toEpochMilli).orElse(0L);
    }

    /**
     * Whether it is still there.
     *
     * @param seen when it was last heard of, which counts where it is on another machine
     */
    boolean isAlive(Instant seen, Instant now) {
      if (!host.equals(Host.name())) {
        return Duration.between(seen, now).compareTo(SILENCE) < 0;
      }
      Optional<ProcessHandle> process = ProcessHandle.of(pid);
      // Numbers of processes are used again, by processes that began at another time.
      return process.isPresent() && startedMillis(process.get()) == startedMillis;
    }
  }
}
