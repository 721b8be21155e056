package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.lang.System.Logger.Level;
import java.util.function.Supplier;

/**
 * What came of a call.
 *
 * @param result for who asks now; null: none
 * @param text the same for the journal
 * @param error null: none
 */
record Outcome(Call.Status status, Supplier<ObjectNode> result, String text, CallError error) {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");

  /** The call was done, and its result could not be noted. */
  static final Outcome NOT_NOTED =
      new Outcome(Call.Status.EXPIRED, null, null, CallError.NOT_NOTED);

  /** The call was not done. */
  static Outcome failed(CallError error) {
    return new Outcome(Call.Status.FAILED, null, null, error);
  }

  /**
   * The call was done. Where its result cannot be told, that is all that is lost: the model has
   * seen the call.
   *
   * @param id of the call
   */
  static Outcome done(String id, Supplier<ObjectNode> result) {
    try {
      return new Outcome(Call.Status.SUCCEEDED, result, result.get().toString(), null);
    } catch (RuntimeException | Error e) {
      return untold(id, e);
    }
  }

  /** The call was done, and what came of it could not be told. */
  static Outcome untold(String id, Throwable failure) {
    LOG.log(Level.ERROR, id + ": its result cannot be told: " + failure.getMessage(), failure);
    return new Outcome(Call.Status.EXPIRED, null, null, CallError.UNTOLD);
  }
}
