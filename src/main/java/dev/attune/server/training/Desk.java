package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.kernels.BackendException;
import dev.attune.run.AdapterTraining;
import dev.attune.server.http.ApiException;
import dev.attune.server.training.CallBook.Submission;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.util.Optional;
import java.util.concurrent.Semaphore;
import java.util.function.Supplier;

/**
 * Where the calls of a session come in, wait for their turns, and are done: by one thread, which
 * opens the model when there is something to do, and closes it when nobody has used it for long.
 * Any number of threads use it.
 */
final class Desk {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");
  private static final int MOST_WAITING = 64;
  private static final long LOOK_MILLIS = 1000;

  /** What all desks share; of those that have something to do, one works at a time. */
  record Means(
      TrainingStore store,
      Workshop workshop,
      TrainingMemory memory,
      WaitingBytes waiting,
      Semaphore turns,
      CallMetrics metrics) {}

  /** Why the model is to be closed. */
  private enum End {
    IDLE,
    SERVER_ENDS,
    DELETED
  }

  private final TrainingSession session;
  private final Means means;
  private final CallBook book; // guarded by this, as all that follows
  private Thread thread; // null: it is closed
  private AdapterTraining training; // null: it is not open
  private Throwable unopened; // why it could not be opened last; null: it could, or is being
  private Call running;
  private End end; // null: it goes on
  private boolean isOver; // no more calls are taken
  private long doneTurn;
  private long steps;
  private int pending;
  private long lastUse = System.nanoTime();

  Desk(TrainingSession session, Means means) {
    this.session = session;
    this.means = means;
    this.book = new CallBook(session.id(), means.store());
    restored();
  }

  private void restored() {
    doneTurn = book.turn();
    steps = book.steps();
    pending = 0;
  }

  TrainingSession session() {
    return session;
  }

  /** Somebody uses it. */
  private void touch() {
    lastUse = System.nanoTime();
    if (end == End.DELETED) {
      throw ApiException.notFound(null, "There is no training session '" + session.id() + "'");
    }
    if (book.checkKnown()) {
      restored();
    }
  }

  /** Opens the model of a session that was made just now, whose memory is taken. */
  synchronized void begin() {
    start();
  }

  private void open() {
    if (isOver) {
      throw ApiException.unavailable("The server is ending", null);
    }
    if (thread == null) {
      means.memory().take(session.needBytes());
      try {
        start();
      } catch (Error e) { // the system has no more threads
        means.memory().give(session.needBytes());
        throw e;
      }
    }
  }

  private void start() {
    Thread started = new Thread(this::work, "attune-" + session.id());
    started.setDaemon(true);
    started.start();
    end = null;
    unopened = null;
    thread = started;
  }

  /**
   * Takes a call, or finds the one that it repeats.
   *
   * @throws ApiException if it cannot be taken
   */
  synchronized Call submit(Submission asked) {
    touch();
    Optional<Call> earlier = book.earlier(asked);
    if (earlier.isPresent()) {
      return earlier.get();
    }
    book.checkNotRestored();
    if (book.waiting() >= MOST_WAITING && !book.isAwaited(asked)) {
      throw ApiException.busy(
          MOST_WAITING + " calls of this session wait, which is as many as may; wait for one");
    }
    long bytes = asked.asked().bytes();
    means.waiting().take(bytes);
    try {
      open();
      Call call = book.accept(asked);
      notifyAll();
      return call;
    } catch (RuntimeException | Error e) {
      means.waiting().give(bytes);
      throw e;
    }
  }

  /**
   * A call by its id.
   *
   * @throws ApiException if there is none
   */
  synchronized Call call(String id) {
    touch();
    return book.find(id);
  }

  /** Goes on from the state that the session was restored from: what is lost is given up. */
  synchronized void resume() {
    touch();
    book.resume();
  }

  /**
   * The model, once it is open: to encode and decode alone; null: it is still being opened.
   *
   * @throws ApiException if it cannot be opened, with the cause where a client can know that
   */
  synchronized AdapterTraining opened(long millis) throws InterruptedException {
    touch();
    open();
    long until = System.nanoTime() + millis * 1_000_000;
    while (training == null && thread != null && System.nanoTime() < until) {
      wait(LOOK_MILLIS);
    }
    if (thread != null) {
      return training;
    }
    if (unopened instanceof ApiException e) {
      throw e;
    }
    if (unopened instanceof InputException e) {
      throw ApiException.badRequest(null, means.workshop().worded(session, e.getMessage()));
    }
    throw ApiException.busy("The session's model is not open now; ask again");
  }

  /**
   * Takes a state out.
   *
   * @throws ApiException if there is none of that name, or the session is to go on from it
   */
  synchronized void removeState(String name) {
    touch();
    means.workshop().remove(session, name, training != null && end == null);
  }

  /** Closes the model if nobody has used it for so long; what was trained is saved first. */
  synchronized void closeIfIdle(long idleNanos) {
    boolean isIdle = running == null && book.isIdle() && System.nanoTime() - lastUse > idleNanos;
    if (isIdle && training != null && end == null) {
      end = End.IDLE;
      notifyAll();
    }
  }

  /** Takes the session out. No call is done any more, but for the one that runs. */
  void delete() {
    synchronized (this) {
      touch();
      means.store().delete(session.id()); // first: if it fails, the session is as it was
      isOver = true;
      end = End.DELETED;
      giveUp("The session was deleted");
      notifyAll();
      if (thread != null) {
        return; // the thread removes the rest
      }
    }
    means.workshop().remove(session);
  }

  /** The server ends: what was trained is saved, calls that wait are not done. */
  synchronized void end() {
    isOver = true;
    giveUp("The server has ended before the call had its turn");
    if (end != End.DELETED) {
      end = End.SERVER_ENDS;
    }
    notifyAll();
  }

  /** Waits until the model is closed. */
  void join(long millis) throws InterruptedException {
    Thread last;
    synchronized (this) {
      last = thread;
    }
    if (last != null) {
      last.join(millis);
    }
  }

  private void giveUp(String why) {
    for (Call call : book.takeAll()) {
      means.waiting().give(call.bytes());
      call.end(Call.Status.LOST, null, new CallError(CallError.LOST, why));
    }
  }

  /** On its own thread: from the opening of the model to its end. */
  private void work() {
    AdapterTraining opened = null;
    try {
      opened = opening();
      do {
        for (Call call = next(); call != null; call = next()) {
          run(opened, call);
        }
      } while (!leaves(opened));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    } catch (RuntimeException | Error e) {
      fail(e, opened != null);
    } finally {
      close(opened);
    }
  }

  private AdapterTraining opening() throws InterruptedException {
    means.turns().acquire();
    try {
      AdapterTraining opened = means.workshop().open(session);
      synchronized (this) {
        training = opened;
        notifyAll();
      }
      return opened;
    } finally {
      means.turns().release();
    }
  }

  /** The next call; null: there is an end. */
  private synchronized Call next() throws InterruptedException {
    while (book.isIdle() && end == null) {
      wait();
    }
    if (end == End.IDLE && !book.isIdle()) {
      end = null; // somebody has come
    }
    running = end == null ? book.poll() : null;
    return running;
  }

  private void run(AdapterTraining opened, Call call) throws InterruptedException {
    Supplier<ObjectNode> result = null;
    Throwable failure = null;
    means.turns().acquire();
    long began = System.nanoTime();
    call.begin();
    try {
      result = call.work().on(opened, call.row().turn());
    } catch (IOException | RuntimeException | Error e) {
      failure = e;
    } finally {
      means.turns().release();
    }
    String id = call.row().id();
    Outcome outcome =
        failure == null ? Outcome.done(id, result) : Outcome.failed(error(id, failure));
    means.metrics().done(call.row().kind(), outcome.status(), System.nanoTime() - began);
    synchronized (this) {
      doneTurn = call.row().turn();
      steps = opened.steps();
      pending = opened.pending();
      outcome = note(call, outcome);
      means.waiting().give(call.bytes());
      running = null;
      lastUse = System.nanoTime();
      call.end(outcome.status(), outcome.result(), outcome.error());
    }
    if (failure instanceof BackendException || failure instanceof Error) {
      throw new IllegalStateException("the model cannot be gone on with", failure);
    }
  }

  /**
   * Notes what came of a call, before anybody is told. While the journal cannot take it, nothing
   * goes on: the calls behind it wait, and new ones cannot be noted either.
   *
   * @return what everybody is told
   */
  private Outcome note(Call call, Outcome outcome) throws InterruptedException {
    Outcome noted = outcome;
    for (boolean isFirst = true; end == null || end == End.IDLE || isFirst; isFirst = false) {
      try {
        book.ended(call, noted.status(), noted.text(), noted.error());
        return noted;
      } catch (OutOfMemoryError e) { // the journal makes bytes of the text
        if (noted.text() == null) {
          throw e;
        }
        noted = Outcome.untold(call.row().id(), e);
      } catch (UncheckedIOException e) {
        if (isFirst) {
          LOG.log(Level.ERROR, session.id() + " waits to note a result: " + e.getMessage(), e);
        }
        wait(LOOK_MILLIS);
      }
    }
    return Outcome.NOT_NOTED;
  }

  private CallError error(String id, Throwable failure) {
    return CallError.of(id, failure, message -> means.workshop().worded(session, message));
  }

  /** Saves what was trained before the model is closed; false: it stays open after all. */
  private boolean leaves(AdapterTraining opened) {
    End why;
    long turn;
    synchronized (this) {
      why = end;
      turn = doneTurn;
    }
    boolean isSaved = why == End.DELETED || means.workshop().keep(session, opened, turn);
    synchronized (this) {
      boolean stays = end == End.IDLE && (!isSaved || !book.isIdle());
      if (stays) {
        end = null;
        lastUse = System.nanoTime();
      }
      return !stays;
    }
  }

  /**
   * The model could not be opened, or is lost.
   *
   * @param wasOpen whether what was trained since the last state is lost with it
   */
  private synchronized void fail(Throwable failure, boolean wasOpen) {
    training = null;
    if (wasOpen) {
      LOG.log(Level.ERROR, session.id() + ": " + failure.getMessage(), failure);
      restore();
      return;
    }
    unopened = failure;
    CallError error = error(session.id(), failure);
    for (Call call : book.takeReady()) {
      means.waiting().give(call.bytes());
      try {
        book.undone(call, error);
      } catch (UncheckedIOException e) {
        LOG.log(Level.ERROR, call.row().id() + " cannot be noted: " + e.getMessage(), e);
      }
      call.end(Call.Status.FAILED, null, error);
    }
  }

  /** What the model has seen is what the journal says; calls that wait are not done. */
  private void restore() {
    giveUp("The server could not go on with the session's model; its log has the cause");
    try {
      book.restore();
      restored();
    } catch (UncheckedIOException e) { // whoever comes next is refused until it can be told
      LOG.log(Level.ERROR, session.id() + " has stopped: " + e.getMessage(), e);
    }
  }

  private void close(AdapterTraining opened) {
    synchronized (this) {
      training = null;
    }
    try {
      if (opened != null) {
        opened.close();
      }
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, session.id() + " cannot be closed: " + e.getMessage(), e);
    }
    try {
      if (isDeleted()) {
        means.workshop().remove(session);
      }
    } catch (RuntimeException | Error e) { // the next start removes it
      LOG.log(Level.ERROR, session.id() + " cannot be removed: " + e.getMessage(), e);
    }
    closed();
  }

  private synchronized void closed() {
    running = null;
    pending = 0;
    boolean isOpening = false;
    try {
      if (!isOver) {
        settle();
      }
      if (!isOver && !book.isIdle()) {
        start(); // somebody has come
        isOpening = true;
      }
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, session.id() + ": " + e.getMessage(), e);
      fail(e, false);
    } finally {
      if (!isOpening) {
        thread = null;
        means.memory().give(session.needBytes());
      }
      notifyAll();
    }
  }

  /** Finds out what is left of the model that was closed: nobody goes on before that is known. */
  private void settle() {
    if (book.isUnknown()) {
      restore();
    } else if (!book.isRestored()) {
      try {
        book.closed();
      } catch (UncheckedIOException e) {
        LOG.log(Level.ERROR, session.id() + " has stopped: " + e.getMessage(), e);
        giveUp("The server could not go on with the session's model; its log has the cause");
      }
    }
  }

  private synchronized boolean isDeleted() {
    return end == End.DELETED;
  }

  /** Calls that wait. */
  synchronized int waiting() {
    return book.waiting();
  }

  /** As clients read it. */
  synchronized String status() {
    if (book.isUnknown()) {
      return "stopped";
    }
    if (book.isRestored()) {
      return "restored";
    }
    return thread == null ? "closed" : training == null ? "opening" : "open";
  }

  /** As clients read it; to ask for it so is no use of it, by which it would stay open. */
  synchronized ObjectNode toJson(long idleSeconds) {
    ObjectNode json = session.toJson();
    json.put("status", status());
    json.put("steps", steps);
    json.put("waiting_gradients", pending);
    json.put("waiting_calls", book.waiting() + (running == null ? 0 : 1));
    json.put("last_sequence", book.sequence());
    json.put("idle_timeout_seconds", idleSeconds);
    json.set("restored_from", book.restoredFrom());
    return json;
  }
}
