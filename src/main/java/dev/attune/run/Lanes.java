package dev.attune.run;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.Backend;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * Lets any number of threads use one model. Each call has a {@link Lane} to itself, made when it is
 * first needed; those that find none wait, and are served in the order in which they came. The
 * lanes in use divide the threads of the backend among them: a lone caller has all of them, many
 * have one each. As results do not depend on that, a call answers what it would answer alone.
 *
 * <p>On a device there is one lane.
 */
final class Lanes implements AutoCloseable {
  /** On few cores a long call still leaves a way for short ones. */
  private static final int LEAST = 4;

  private final Backend first;
  private final DType precision;
  private final int limit;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition unused = lock.newCondition();
  private final List<Lane> all = new ArrayList<>();
  private final Deque<Lane> idle = new ArrayDeque<>();
  private final Deque<Waiting> waiting = new ArrayDeque<>();
  private int users;
  private boolean closing;
  private boolean closed;

  /** A caller that found no lane. */
  private static final class Waiting {
    final Condition served;
    Lane lane;

    Waiting(Condition served) {
      this.served = served;
    }
  }

  /**
   * @param backend of the model; the caller closes it, after this
   * @param precision of activations
   */
  Lanes(Backend backend, DType precision) {
    this.first = backend;
    this.precision = precision;
    this.limit = backend.hasSiblings() ? Math.max(LEAST, backend.threads()) : 1;
    Lane lane = new Lane(backend, precision, false);
    all.add(lane);
    idle.push(lane);
  }

  /**
   * Runs a piece of work in a lane.
   *
   * @throws IllegalStateException after {@link #close} was called
   * @throws InterruptedCallException if the thread is interrupted before it has a lane
   */
  <T> T use(Function<Lane, T> work) {
    Lane lane = take();
    try {
      return work.apply(lane);
    } finally {
      giveBack(lane);
    }
  }

  /**
   * Runs a piece of work that needs no lane, but the model: {@link #close} waits for it.
   *
   * @throws IllegalStateException after {@link #close} was called
   */
  <T> T hold(Supplier<T> work) {
    enter();
    try {
      return work.get();
    } finally {
      lock.lock();
      try {
        leave();
      } finally {
        lock.unlock();
      }
    }
  }

  private void enter() {
    lock.lock();
    try {
      Check.state(!closing, "the model is closed");
      users++;
    } finally {
      lock.unlock();
    }
  }

  private Lane take() {
    InterruptedCallException.check("waiting for the model");
    lock.lock();
    try {
      Check.state(!closing, "the model is closed");
      users++;
      try {
        Lane lane = idle.isEmpty() ? null : idle.pop();
        if (lane == null) {
          lane = all.size() < limit || (limit > 1 && isNested()) ? open() : await();
        }
        lane.setUser(Thread.currentThread());
        divide();
        return lane;
      } catch (RuntimeException | Error e) {
        leave();
        throw e;
      }
    } finally {
      lock.unlock();
    }
  }

  private Lane open() {
    Lane lane = new Lane(first.sibling(), precision, true);
    all.add(lane);
    return lane;
  }

  /** Whether the thread is inside a call already, as a listener that makes another one is. */
  private boolean isNested() {
    Thread thread = Thread.currentThread();
    for (Lane lane : all) {
      if (lane.user() == thread) {
        return true;
      }
    }
    return false;
  }

  private Lane await() {
    Check.state(!isNested(), "a call inside another call of the same model, on a device");
    Waiting me = new Waiting(lock.newCondition());
    waiting.add(me);
    while (me.lane == null) {
      try {
        me.served.await();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        if (me.lane == null) {
          waiting.remove(me);
        } else {
          release(me.lane);
        }
        throw new InterruptedCallException("interrupted while waiting for the model");
      }
    }
    return me.lane;
  }

  private void giveBack(Lane lane) {
    lock.lock();
    try {
      release(lane);
      leave();
    } finally {
      lock.unlock();
    }
  }

  private void release(Lane lane) {
    lane.setUser(null);
    Waiting next = waiting.poll();
    if (next != null) {
      next.lane = lane;
      next.served.signal();
    } else {
      lane.share(1); // its other threads sleep
      idle.push(lane);
      divide();
    }
  }

  private void leave() {
    users--;
    if (users == 0) {
      unused.signalAll();
    }
  }

  /** Divides the threads among the lanes in use. */
  private void divide() {
    int share = Math.max(1, first.threads() / Math.max(1, all.size() - idle.size()));
    for (Lane lane : all) {
      if (lane.user() != null) {
        lane.share(share);
      }
    }
  }

  /**
   * Waits until every call that has begun is done, then frees the lanes. Closing twice is fine.
   *
   * @throws IllegalStateException from inside a call
   */
  @Override
  public void close() {
    shut();
  }

  /** As {@link #close}; returns whether this call was the one that freed the lanes. */
  boolean shut() {
    lock.lock();
    try {
      Check.state(!isNested(), "a model cannot be closed from inside one of its own calls");
      closing = true;
      while (users > 0) {
        unused.awaitUninterruptibly();
      }
      boolean first = !closed;
      closed = true;
      if (first) {
        all.forEach(Lane::close);
      }
      return first;
    } finally {
      lock.unlock();
    }
  }
}
