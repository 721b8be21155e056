package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.function.Supplier;

/** A call of a session, in the process that does it. Any number of threads use it. */
final class Call {
  /** How far it is. */
  enum Status {
    /** Calls before it, by their sequence numbers, have not come yet. */
    WAITING,
    QUEUED,
    RUNNING,
    SUCCEEDED,
    FAILED,
    /** What it did, or would have done, is not in the model. */
    LOST,
    /** It was done, and its result is kept no longer. */
    EXPIRED;

    boolean isEnd() {
      return ordinal() >= SUCCEEDED.ordinal();
    }

    String word() {
      return name().toLowerCase(java.util.Locale.ROOT);
    }
  }

  private Work work; // null: it was done; with it goes all that the call was asked with
  private final long bytes;
  private CallRow row;
  private Status status;
  private Supplier<ObjectNode> result;
  private CallError error;

  /**
   * One that is to be done.
   *
   * @param bytes of what it was asked with
   */
  Call(CallRow row, Work work, long bytes) {
    this.row = row;
    this.work = work;
    this.bytes = bytes;
    this.status = row.turn() == null ? Status.WAITING : Status.QUEUED;
  }

  /** One of which only the journal knows. */
  static Call past(CallRow row, Status status, Supplier<ObjectNode> result, CallError error) {
    Call call = new Call(row, null, 0);
    call.end(status, result, error);
    return call;
  }

  /** The same call, of which it is known by now that the model has not seen it. */
  Call lost(CallError why) {
    synchronized (this) {
      return past(row, Status.LOST, result, why);
    }
  }

  synchronized CallRow row() {
    return row;
  }

  synchronized Work work() {
    return work;
  }

  long bytes() {
    return bytes;
  }

  /** Those before it have come. */
  synchronized void queue(long turn) {
    row = row.inTurn(turn);
    status = Status.QUEUED;
  }

  synchronized void begin() {
    status = Status.RUNNING;
  }

  /** Tells who waits for it; the first end counts. */
  synchronized void end(Status how, Supplier<ObjectNode> what, CallError why) {
    if (!status.isEnd()) {
      status = how;
      result = what;
      error = why;
      work = null;
      notifyAll();
    }
  }

  synchronized boolean isOver() {
    return status.isEnd();
  }

  /** Waits for its end; false: that has not come yet. */
  synchronized boolean await(long millis) throws InterruptedException {
    long end = System.nanoTime() + millis * 1_000_000;
    for (long left = millis; !status.isEnd() && left > 0; ) {
      wait(left);
      left = (end - System.nanoTime()) / 1_000_000;
    }
    return status.isEnd();
  }

  synchronized ObjectNode toJson() {
    ObjectNode json = row.toJson(status.word());
    json.set("result", result == null ? null : result.get());
    json.set("error", error == null ? null : error.toJson());
    return json;
  }
}
