package dev.attune.server.inference;

import dev.attune.core.Check;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Predicate;
import java.util.function.ToLongFunction;

/**
 * Things that take memory: opened when they are first asked for, shared by all who ask meanwhile,
 * and closed, the longest unused first, where others need the room. What is in use stays.
 *
 * @param <K> by what they are asked for
 * @param <V> what they are
 */
final class Pool<K, V> implements AutoCloseable {
  private final long mostBytes;
  private final ToLongFunction<K> estimate;
  private final Function<K, V> opener;
  private final ToLongFunction<V> size;
  private final Consumer<V> closer;
  private final ReentrantLock lock = new ReentrantLock();
  private final Condition changed = lock.newCondition();
  private final Map<K, Entry> entries = new HashMap<>();
  private long clock;
  private boolean closing;

  private final class Entry {
    V value; // null: it is being opened, or failed
    RuntimeException failure;
    int users = 1;
    long bytes;
    long lastUse;
    boolean removed; // nobody gets it any more
    final List<Runnable> whenClosed = new ArrayList<>();
  }

  /** Something in use, until it is closed. */
  final class Lease implements AutoCloseable {
    private final K key;
    private final Entry entry;
    private boolean isClosed;

    private Lease(K key, Entry entry) {
      this.key = key;
      this.entry = entry;
    }

    V value() {
      return entry.value;
    }

    @Override
    public void close() {
      if (!isClosed) {
        isClosed = true;
        release(key, entry);
      }
    }
  }

  /** There is no room, as what takes it is in use. */
  static final class NoRoomException extends RuntimeException {
    private static final long serialVersionUID = 1;
    private final boolean isForEver;

    private NoRoomException(String message, boolean isForEver) {
      super(message);
      this.isForEver = isForEver;
    }

    /** Whether it would not fit if nothing else were there. */
    boolean isForEver() {
      return isForEver;
    }
  }

  /**
   * @param mostBytes of all
   * @param estimate bytes of one, before it is opened
   * @param opener makes it; what it throws is thrown to those who asked
   * @param size bytes of one that is open
   */
  Pool(
      long mostBytes,
      ToLongFunction<K> estimate,
      Function<K, V> opener,
      ToLongFunction<V> size,
      Consumer<V> closer) {
    this.mostBytes = mostBytes;
    this.estimate = estimate;
    this.opener = opener;
    this.size = size;
    this.closer = closer;
  }

  /**
   * Takes one, which stays open until the lease is closed.
   *
   * @throws NoRoomException if what is in use leaves no room for it
   */
  Lease take(K key) {
    Entry entry;
    lock.lock();
    try {
      Check.state(!closing, "the server is ending");
      entry = entries.get(key);
      if (entry != null) {
        entry.users++;
        entry.lastUse = ++clock;
        while (entry.value == null && entry.failure == null) {
          changed.awaitUninterruptibly();
        }
        if (entry.failure == null) {
          return new Lease(key, entry);
        }
        entry.users--;
        throw entry.failure;
      }
      entry = new Entry();
      entry.lastUse = ++clock;
      entries.put(key, entry);
    } finally {
      lock.unlock();
    }
    return open(key, entry);
  }

  private Lease open(K key, Entry entry) {
    try {
      entry.bytes = estimate.applyAsLong(key);
      makeRoom(0);
      V value = opener.apply(key);
      lock.lock();
      try {
        entry.bytes = size.applyAsLong(value);
        entry.value = value;
        changed.signalAll();
      } finally {
        lock.unlock();
      }
    } catch (RuntimeException | Error e) {
      lock.lock();
      try {
        entry.failure = e instanceof RuntimeException known ? known : new IllegalStateException(e);
        entries.remove(key, entry);
        changed.signalAll();
      } finally {
        lock.unlock();
      }
      throw e;
    }
    return new Lease(key, entry);
  }

  /** Closes what is unused until the rest, and so many bytes beside it, are within the bound. */
  private void makeRoom(long besides) {
    List<V> idle = new ArrayList<>();
    NoRoomException refusal = null;
    lock.lock();
    try {
      long total = besides + entries.values().stream().mapToLong(e -> e.bytes).sum();
      while (total > mostBytes) {
        K oldest = oldestIdle();
        if (oldest == null) {
          long inUse = entries.values().stream().filter(e -> e.value != null).count();
          refusal =
              new NoRoomException(
                  "it takes the memory of all that is in use to "
                      + total
                      + " bytes; the bound is "
                      + mostBytes,
                  inUse == 0);
          break;
        }
        Entry entry = entries.remove(oldest);
        total -= entry.bytes;
        idle.add(entry.value);
      }
    } finally {
      lock.unlock();
    }
    idle.forEach(closer);
    if (refusal != null) {
      throw refusal;
    }
  }

  private K oldestIdle() {
    return entries.entrySet().stream()
        .filter(e -> e.getValue().users == 0 && e.getValue().value != null)
        .min(Comparator.comparingLong(e -> e.getValue().lastUse))
        .map(Map.Entry::getKey)
        .orElse(null);
  }

  private void release(K key, Entry entry) {
    boolean isLast;
    lock.lock();
    try {
      entry.users--;
      entry.lastUse = ++clock;
      isLast = entry.users == 0 && entry.removed;
      changed.signalAll();
    } finally {
      lock.unlock();
    }
    if (isLast) {
      end(entry);
    }
  }

  private void end(Entry entry) {
    closer.accept(entry.value);
    entry.whenClosed.forEach(Runnable::run);
  }

  /** Closes all that is not in use. */
  void closeIdle() {
    List<Entry> idle = new ArrayList<>();
    lock.lock();
    try {
      for (K key = oldestIdle(); key != null; key = oldestIdle()) {
        idle.add(entries.remove(key));
      }
    } finally {
      lock.unlock();
    }
    idle.forEach(entry -> closer.accept(entry.value));
  }

  /**
   * Takes one out: who has it keeps it, nobody else gets it.
   *
   * @param whenClosed runs once nobody has it
   */
  void remove(K key, Runnable whenClosed) {
    Entry entry;
    lock.lock();
    try {
      entry = entries.get(key);
      while (entry != null && entry.value == null && entry.failure == null) {
        changed.awaitUninterruptibly();
        entry = entries.get(key);
      }
      if (entry != null) {
        entries.remove(key);
        entry.removed = true;
        entry.whenClosed.add(whenClosed);
        if (entry.users > 0) {
          return;
        }
      }
    } finally {
      lock.unlock();
    }
    if (entry == null) {
      whenClosed.run();
    } else {
      end(entry);
    }
  }

  /** Takes out all that are of no use any more: who has one keeps it, nobody else gets it. */
  void discard(Predicate<V> isUseless) {
    List<Entry> idle = new ArrayList<>();
    lock.lock();
    try {
      for (Iterator<Entry> all = entries.values().iterator(); all.hasNext(); ) {
        Entry entry = all.next();
        if (entry.value != null && isUseless.test(entry.value)) {
          all.remove();
          entry.removed = true;
          if (entry.users == 0) {
            idle.add(entry);
          }
        }
      }
    } finally {
      lock.unlock();
    }
    idle.forEach(this::end);
  }

  /** What is open, or about to be, by keys of that kind. */
  List<K> keys(Predicate<K> kind) {
    lock.lock();
    try {
      return entries.keySet().stream().filter(kind).toList();
    } finally {
      lock.unlock();
    }
  }

  /** All that are open now; they may be closed meanwhile. */
  List<V> values() {
    lock.lock();
    try {
      return entries.values().stream().map(e -> e.value).filter(Objects::nonNull).toList();
    } finally {
      lock.unlock();
    }
  }

  /** Hears of all that are open: the key, bytes, and how many use it. */
  void forEach(Visitor<K> visitor) {
    lock.lock();
    try {
      entries.forEach(
          (key, entry) -> {
            if (entry.value != null) {
              visitor.open(key, entry.bytes, entry.users);
            }
          });
    } finally {
      lock.unlock();
    }
  }

  /** See {@link #forEach}. */
  interface Visitor<K> {
    void open(K key, long bytes, int users);
  }

  /** Bytes of what is open. */
  long bytes() {
    lock.lock();
    try {
      return entries.values().stream().mapToLong(e -> e.bytes).sum();
    } finally {
      lock.unlock();
    }
  }

  /** How many are open. */
  int count() {
    lock.lock();
    try {
      return (int) entries.values().stream().filter(e -> e.value != null).count();
    } finally {
      lock.unlock();
    }
  }

  /** Waits for those who have any, then closes all. */
  @Override
  public void close() {
    lock.lock();
    try {
      closing = true;
      while (entries.values().stream().anyMatch(e -> e.users > 0)) {
        changed.awaitUninterruptibly();
      }
    } finally {
      lock.unlock();
    }
    closeIdle();
  }
}
