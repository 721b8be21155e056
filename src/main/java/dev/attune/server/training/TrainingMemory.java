package dev.attune.server.training;

import dev.attune.memory.DeviceMemoryException;
import dev.attune.server.http.ApiException;
import java.util.function.LongSupplier;

/** The memory that sessions take of that for training, which jobs take from too. */
public final class TrainingMemory {
  private static final int AGAIN_SECONDS = 5;

  private final long mostBytes;
  private LongSupplier jobsBytes = () -> 0;
  private long bytes;

  /**
   * @param mostBytes of jobs and sessions together
   */
  public TrainingMemory(long mostBytes) {
    this.mostBytes = mostBytes;
  }

  /** Whose bytes count too. */
  public synchronized void besides(LongSupplier jobs) {
    jobsBytes = jobs;
  }

  /** What sessions take. */
  public synchronized long bytes() {
    return bytes;
  }

  /**
   * Refuses what would not fit if nothing else were there.
   *
   * @throws ApiException if it would not
   */
  void checkFitsAlone(long needed) {
    if (needed > mostBytes) {
      throw ApiException.badRequest(
          null,
          "The session needs "
              + DeviceMemoryException.size(needed)
              + ", and training has "
              + DeviceMemoryException.size(mostBytes)
              + " on this server; a smaller 'max_length' or 'lora.rank', or 'weights' of nf4, needs"
              + " less");
    }
  }

  /**
   * Takes some, which is to be given back.
   *
   * @throws ApiException if there is not so much now
   */
  synchronized void take(long needed) {
    bytes += needed; // before jobs are looked at: they look at this
    long free = mostBytes - bytes - jobsBytes.getAsLong();
    if (free < 0) {
      bytes -= needed;
      throw ApiException.busy(
          "There is no memory for this session now: it needs "
              + DeviceMemoryException.size(needed)
              + ", and of "
              + DeviceMemoryException.size(mostBytes)
              + " for training "
              + DeviceMemoryException.size(Math.max(0, free + needed))
              + " are free. Ask again when jobs or other sessions have ended",
          AGAIN_SECONDS);
    }
  }

  synchronized void give(long freed) {
    bytes -= freed;
  }
}
