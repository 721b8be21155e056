package dev.attune.server.training;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import java.io.UncheckedIOException;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * The calls of a session: which came, in which order they are done, what came of them, and which of
 * them the model has not seen. One thread at a time uses it.
 */
final class CallBook {
  /**
   * A call that a client makes.
   *
   * @param sequence its own number; null: none
   * @param key by which it knows the call again; null: none
   * @param digest of all that was asked
   */
  record Submission(String kind, Long sequence, String key, String digest, Works.Asked asked) {}

  private final String session;
  private final TrainingStore store;
  private final Map<String, Call> calls =
      new LinkedHashMap<>(); // by id: the journal lacks their ends
  private final Deque<Call> ready = new ArrayDeque<>();
  private final TreeMap<Long, Call> held = new TreeMap<>(); // by sequence, which others precede
  private TrainingStore.Standing standing;
  private long known; // number up to which calls are those of before it was restored; 0: it was not
  private SavedState from; // null: the model as it began
  private int lost; // calls that the state has not seen
  private boolean isRestored; // with a loss that nobody has acknowledged
  private boolean isUnknown; // what the model has seen, since the journal could not be read

  CallBook(String session, TrainingStore store) {
    this.session = session;
    this.store = store;
    restore();
  }

  /** The model is again as it was saved last: in another process, or after it was lost. */
  void restore() {
    isUnknown = true; // until the journal has said it
    standing = store.standing(session);
    from = store.states(session).stream().findFirst().orElse(null);
    lost = store.beyond(session, turn());
    known = standing.number();
    isRestored = lost > 0 || from != null && from.dropped() > 0;
    calls.values().removeIf(Call::isOver);
    isUnknown = false;
  }

  /** The model was closed after all that it has seen was saved, but for gradients that waited. */
  void closed() {
    isUnknown = true;
    from = store.states(session).stream().findFirst().orElse(null);
    if (from != null && from.dropped() > 0) {
      lost = 0;
      known = standing.number();
      isRestored = true;
    }
    isUnknown = false;
  }

  /** Whether the journal could not say what the model has seen. */
  boolean isUnknown() {
    return isUnknown;
  }

  /**
   * Sees to it that it is known what the model has seen: nothing is done, nor told, of a session
   * that may have lost calls without anybody knowing.
   *
   * @return whether that was found out just now
   * @throws ApiException if the journal still cannot be read
   */
  boolean checkKnown() {
    if (!isUnknown) {
      return false;
    }
    try {
      restore();
      return true;
    } catch (UncheckedIOException e) {
      throw ApiException.unavailable(
          "The session has stopped: the server's journal cannot be read, so that it is not known"
              + " which calls the model has seen. The session goes on once that is mended",
          e);
    }
  }

  /**
   * A call has come to its end: its result is in the journal when this returns.
   *
   * @param result as JSON; null: none
   * @param error null: none
   */
  void ended(Call call, Call.Status status, String result, CallError error) {
    store.results().note(call.row(), status, result, error);
    calls.remove(call.row().id());
  }

  /** A call has failed before there was a model: whatever that goes on from lacks nothing of it. */
  void undone(Call call, CallError error) {
    ended(call, Call.Status.FAILED, null, error);
    store.undone(call.row());
  }

  /** The turn of the last call that the state has seen. */
  long turn() {
    return from == null ? 0 : from.turn();
  }

  /** Updates that the state has seen. */
  long steps() {
    return from == null ? 0 : from.steps();
  }

  /** Whether calls are lost, and nobody has said yet that this is known. */
  boolean isRestored() {
    return isRestored;
  }

  /** The client's number of the last call that had its turn. */
  long sequence() {
    return standing.sequence();
  }

  /** Goes on from the state: what is lost is given up. */
  void resume() {
    if (isRestored) {
      store.giveUp(session, turn());
      standing = store.standing(session);
      isRestored = false;
    }
  }

  void checkNotRestored() {
    if (isRestored) {
      throw ApiException.conflict(
          "session_restored",
          "The session was restored from "
              + (from == null
                  ? "its beginning"
                  : from.name() == null
                      ? "what was saved when it was closed"
                      : "the state '" + from.name() + "'")
              + ", at step "
              + steps()
              + (lost == 0
                  ? ": gradients that waited for an update are lost"
                  : ": " + lost + " calls that came after it are lost")
              + ". POST to its path with /resume to go on from there");
    }
  }

  /**
   * The call that this one repeats.
   *
   * @throws ApiException if that asked for something else
   */
  Optional<Call> earlier(Submission asked) {
    Optional<CallRow> found = Optional.empty();
    if (asked.key() != null) {
      found = store.callOfKey(session, asked.key());
    }
    if (found.isEmpty() && asked.sequence() != null) {
      found = store.callOfSequence(session, asked.sequence());
      if (found.isEmpty() && asked.sequence() <= standing.sequence()) {
        throw ApiException.conflict(
            "'sequence' is "
                + asked.sequence()
                + "; the last call that had its turn was "
                + standing.sequence());
      }
    }
    return found.map(row -> same(row, asked));
  }

  private Call same(CallRow row, Submission asked) {
    if (!row.digest().equals(asked.digest())) {
      throw ApiException.conflict(
          "A call with this sequence number or key has come before, as "
              + row.id()
              + ", and asked for something else");
    }
    return call(row);
  }

  private boolean isNext(Submission asked) {
    return asked.sequence() == null || asked.sequence() == standing.sequence() + 1;
  }

  /** Whether calls that came before wait for this one, or for others that it precedes. */
  boolean isAwaited(Submission asked) {
    return isNext(asked)
        && asked.sequence() != null
        && (ready.isEmpty() || held.containsKey(asked.sequence() + 1));
  }

  /** Takes a call, durably: it is done in its turn. */
  Call accept(Submission asked) {
    boolean isNext = isNext(asked);
    long turn = standing.turn() + (isNext ? 1 : 0);
    CallRow row =
        new CallRow(
            session,
            standing.number() + 1,
            Ids.next("treq_"),
            asked.kind(),
            asked.sequence(),
            asked.key(),
            asked.digest(),
            Instant.now().getEpochSecond(),
            isNext ? (Long) turn : null,
            false);
    Map<CallRow, Long> released = new LinkedHashMap<>();
    long sequence = standing.sequence();
    if (isNext && asked.sequence() != null) {
      sequence++;
      for (Call next = held.get(sequence + 1); next != null; next = held.get(sequence + 1)) {
        released.put(next.row(), ++turn);
        sequence++;
      }
    }
    store.accept(row, released);
    standing = new TrainingStore.Standing(row.number(), turn, sequence);
    Call call = new Call(row, asked.asked().work(), asked.asked().bytes());
    calls.put(row.id(), call);
    if (isNext) {
      ready.add(call);
    } else {
      held.put(asked.sequence(), call);
    }
    released.forEach(
        (waited, at) -> {
          Call next = held.remove(waited.sequence());
          next.queue(at);
          ready.add(next);
        });
    return call;
  }

  /**
   * A call by its id.
   *
   * @throws ApiException if there is none
   */
  Call find(String id) {
    Call call = calls.get(id);
    if (call != null) {
      return call;
    }
    return call(
        store
            .call(session, id)
            .orElseThrow(
                () ->
                    ApiException.notFound(
                        null, "The session has no request '" + id + "', or none any more")));
  }

  private Call call(CallRow row) {
    Call call = calls.get(row.id());
    if (call != null) {
      return call;
    }
    boolean isSeen = row.turn() != null && row.turn() <= turn();
    Optional<Call> ended = store.results().find(row);
    if (row.isLost() || row.number() <= known && !isSeen) {
      CallError why =
          new CallError(
              CallError.LOST,
              "What this call did, or would have done, is not in the model: the server was started"
                  + " again, or could not go on, and the session was restored from what was saved"
                  + " before");
      return ended
          .map(one -> one.lost(why))
          .orElseGet(() -> Call.past(row, Call.Status.LOST, null, why));
    }
    return ended.orElseGet(
        () ->
            Call.past(
                row,
                Call.Status.EXPIRED,
                null,
                new CallError(
                    CallError.EXPIRED, "The call was done; its result is kept no longer")));
  }

  /** Whether no call can be done now. */
  boolean isIdle() {
    return ready.isEmpty();
  }

  /** The next call that is to be done, which waits no more; null: none. */
  Call poll() {
    return ready.poll();
  }

  /** Calls that wait. */
  int waiting() {
    return ready.size() + held.size();
  }

  /** The calls that could be done now, which wait no more; those that others precede still do. */
  List<Call> takeReady() {
    List<Call> all = new ArrayList<>(ready);
    ready.clear();
    return all;
  }

  /** All calls that wait, which do so no more. */
  List<Call> takeAll() {
    List<Call> all = takeReady();
    all.addAll(held.values());
    held.clear();
    return all;
  }

  /** What the model goes on from; null: nothing was restored. */
  JsonNode restoredFrom() {
    if (known == 0) {
      return JsonNodeFactory.instance.nullNode();
    }
    ObjectNode restored = JsonNodeFactory.instance.objectNode();
    restored.put("state", from == null ? null : from.name());
    restored.put("saved_at", from == null ? null : (Long) from.created());
    restored.put("steps", steps());
    restored.put("lost_calls", lost);
    restored.put("lost_gradients", from == null ? 0 : from.dropped());
    return restored;
  }
}
