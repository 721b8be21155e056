package dev.attune.train;

import dev.attune.kernels.Recorder;
import dev.attune.store.Parameters;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Supplier;

/**
 * The work of micro-batches, of which most recurs. It runs call by call when its counts occur for
 * the first time, is recorded the second time, and is one launch from then on. Same kernels, same
 * order, same numbers, either way.
 */
final class RecordedWork implements AutoCloseable {
  /** Recordings that are kept; the one that was not used for the longest time goes first. */
  private static final int MAX_UNITS = 64;

  /** What recorded work depends on, besides addresses. */
  record Counts(
      long sequences,
      long rows,
      long maxLength,
      int learned,
      int sparseRows,
      boolean first,
      boolean updates) {}

  /**
   * What the host knows of the work of a micro-batch once it was asked for.
   *
   * @param losses how many it left in the staging's room
   * @param flops of its products
   */
  record Work(int losses, long flops) {}

  private static final class Unit {
    Recorder.Recording recording;
    boolean[] written;
    Work work; // null until it ran

    void close() {
      if (recording != null) {
        recording.close();
      }
    }
  }

  private final Recorder recorder;
  private final Parameters parameters;
  private final Map<Counts, Unit> units = new LinkedHashMap<>(16, 0.75f, true);

  RecordedWork(Recorder recorder, Parameters parameters) {
    this.recorder = recorder;
    this.parameters = parameters;
  }

  /**
   * @param body enqueues the work; nothing in it may depend on what differs between batches of the
   *     same counts
   */
  Work run(Counts counts, Supplier<Work> body) {
    Unit unit = unit(counts);
    if (unit.work == null) {
      unit.work = body.get();
      return unit.work;
    }
    if (unit.recording == null) {
      parameters.changed(); // what derives from them must be part of the recording
      unit.recording = recorder.record(body::get);
      unit.written = parameters.writtenGradients();
    }
    unit.recording.launch();
    parameters.restoreWritten(unit.written);
    return unit.work;
  }

  private Unit unit(Counts counts) {
    Unit unit = units.computeIfAbsent(counts, key -> new Unit());
    if (units.size() > MAX_UNITS) {
      var oldest = units.values().iterator();
      oldest.next().close();
      oldest.remove();
    }
    return unit;
  }

  /** How many recordings there are. */
  int count() {
    return (int) units.values().stream().filter(unit -> unit.recording != null).count();
  }

  @Override
  public void close() {
    units.values().forEach(Unit::close);
  }
}
