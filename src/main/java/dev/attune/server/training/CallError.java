package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.server.http.ApiException;
import dev.attune.train.DivergedException;
import java.lang.System.Logger.Level;
import java.util.function.UnaryOperator;

/**
 * Why a call was not done.
 *
 * @param code for programs
 * @param message for people
 */
record CallError(String code, String message) {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");

  /** What it did is not in the model: the server was killed, or has ended. */
  static final String LOST = "request_lost";

  /** It is known, and its result is kept no longer. */
  static final String EXPIRED = "result_expired";

  /** The server has ended while its journal could take nothing. */
  static final CallError NOT_NOTED =
      new CallError(
          EXPIRED,
          "The call was done, and the server has ended before its journal could take the result");

  /** The server could not make the text of the result. */
  static final CallError UNTOLD =
      new CallError(
          EXPIRED,
          "The call was done, and the server could not tell its result, mostly for want of memory;"
              + " ask for less at a time");

  /**
   * What a client is told of a failure.
   *
   * @param id of the call, under which the log has what only who runs the server can mend
   * @param words puts a message of the rooms below into those of this API
   */
  static CallError of(String id, Throwable failure, UnaryOperator<String> words) {
    if (failure instanceof ApiException e) {
      return new CallError(e.code() == null ? "invalid_value" : e.code(), e.getMessage());
    }
    if (failure instanceof InputException e) {
      return new CallError("invalid_value", words.apply(e.getMessage()));
    }
    if (failure instanceof DivergedException e) {
      return new CallError("training_diverged", words.apply(e.getMessage()));
    }
    if (failure instanceof DeviceMemoryException e) {
      return new CallError("insufficient_memory", words.apply(e.getMessage()));
    }
    LOG.log(Level.ERROR, id + ": " + failure.getMessage(), failure);
    return new CallError(
        "server_error",
        "The server had an error while it worked on this call. Its log has the cause under " + id);
  }

  ObjectNode toJson() {
    return JsonNodeFactory.instance.objectNode().put("code", code).put("message", message);
  }
}
