package dev.attune.server.models;

import java.nio.file.Path;
import java.time.Instant;

/**
 * One version of a model that learns while it serves.
 *
 * @param model its id
 * @param tenant whose version it is: of a base each tenant has versions of its own
 * @param number counted from 1, which is the model as it came
 * @param parent the version that it went on from; 0: none
 * @param folder a Hugging Face or PEFT folder
 * @param learned the number of the last correction that it, or a version before it, has learned
 * @param report how it was made and judged, as JSON; null: not yet
 * @param reason why it is not what it could be: what failed, what the gate found; null: nothing
 */
public record ModelVersion(
    String model,
    String tenant,
    int number,
    int parent,
    Path folder,
    State state,
    Instant created,
    long learned,
    String report,
    String reason) {
  /** What became of a version. */
  public enum State {
    /** It is being made. */
    TRAINING,
    /** It may serve. */
    READY,
    /** The gate refused it. */
    REJECTED,
    /** It has served, and was taken back. */
    ROLLED_BACK,
    /** It could not be made. */
    FAILED,
    /** Its files have gone. */
    REMOVED;

    /** Whether the version has files that can be opened. */
    public boolean isWhole() {
      return this == READY || this == REJECTED || this == ROLLED_BACK;
    }

    /** As clients and the journal read it. */
    public String word() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }
  }

  /** By which requests call it: {@code MODEL@v3}. */
  public String name() {
    return model + "@v" + number;
  }
}
