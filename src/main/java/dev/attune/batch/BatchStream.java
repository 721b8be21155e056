package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import java.io.UncheckedIOException;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;

/**
 * The batches of a run. Those of training are packed ahead on one daemon thread into three batches
 * that go round: one with the caller, up to two ready. The queues hand over whole batches, so
 * neither side locks anything while it works. After the first round no array is allocated: a batch
 * costs its cursor and at most a queue node or two. Those of an evaluation are packed by the
 * caller, since a prediction may be a single batch, which a thread would cost more than it packs.
 *
 * <p>A batch belongs to the caller until the next call of {@link #next} or {@link #close}. One
 * thread consumes; an interrupt of it is left for it to see, and loses no batch.
 */
public final class BatchStream implements Iterator<Batch>, AutoCloseable {
  private static final int RING = 3;

  private static final int AWAITED_MILLIS = 100;

  /** Handed over after the last batch, or after a failure. */
  private static final Batch END = new Batch();

  /** Where batches come from. */
  interface Source {
    /** Fills the batch, or returns false after the last one. */
    boolean fill(Batch batch);

    /** Whether it may wait for its rows, for as long as it likes. */
    default boolean mayWait() {
      return false;
    }

    /** No batch is asked for any more. */
    default void close() {}
  }

  private final ArrayBlockingQueue<Batch> free = new ArrayBlockingQueue<>(RING);
  private final ArrayBlockingQueue<Batch> ready = new ArrayBlockingQueue<>(RING + 1);
  private final Source direct; // null where a thread packs
  private final Thread packer; // null where none does
  private final long joinedMillis; // for its end; 0: nobody waits for that
  private Throwable failure; // written before END is queued, read after it is taken
  private Batch lent;
  private Batch ahead;
  private boolean closed;

  private BatchStream(Source direct, Source packed, int sequenceCapacity, int rowCapacity) {
    int batches = direct != null ? 2 : RING;
    for (int i = 0; i < batches; i++) {
      free.add(new Batch(sequenceCapacity, rowCapacity));
    }
    this.direct = direct;
    this.joinedMillis = packed != null && packed.mayWait() ? 0 : TimeUnit.SECONDS.toMillis(10);
    if (direct != null) {
      packer = null;
    } else {
      packer = new Thread(() -> run(packed), "attune-batches");
      packer.setDaemon(true);
      packer.start();
    }
  }

  /** A stream that a thread packs ahead. */
  BatchStream(Source source, int sequenceCapacity, int rowCapacity) {
    this(null, source, sequenceCapacity, rowCapacity);
  }

  /**
   * The training batches that follow a cursor. Every epoch visits every example once, in the order
   * of {@code order}; its last batch may be smaller, and no batch spans two epochs.
   *
   * @param batchSize examples in a batch
   * @param epochs the stream ends after this many epochs, counted from the first of the run
   * @param from {@link Cursor#START}, or where a checkpoint stopped
   * @param positionOffset added to every position: padding_idx + 1 for RoBERTa, else 0
   */
  public static BatchStream training(
      EncodedDataset data,
      Order order,
      int batchSize,
      int epochs,
      Cursor from,
      int positionOffset) {
    Check.input(batchSize >= 1, "batch size %d: it must be at least 1", batchSize);
    Check.input(epochs >= 1, "%d epochs: there must be at least 1", epochs);
    Check.input(data.examples() > 0, "there are no examples to train on");
    Check.input(
        from.next() < data.examples(),
        "the checkpoint stopped before example %d of its epoch, but the training data has %s."
            + " Resume with the data that the run began with.",
        from.next(),
        Count.many(data.examples(), "example"));
    int sequences = sequenceCapacity(data, batchSize);
    return new BatchStream(
        new TrainingSource(data, order, batchSize, epochs, from, positionOffset),
        sequences,
        rowCapacity(data, sequences));
  }

  /**
   * The batches of one pass in file order: as many examples as fit both bounds. One that is longer
   * than {@code maxTokens} goes alone.
   *
   * @param maxTokens bound on the rows of a batch
   * @param maxSequences bound on its sequences
   */
  public static BatchStream evaluationBatches(
      EncodedDataset data, int maxTokens, int maxSequences, int positionOffset) {
    Check.input(maxTokens >= 1, "token budget %d: it must be at least 1", maxTokens);
    Check.input(maxSequences >= 1, "batch size %d: it must be at least 1", maxSequences);
    int sequences = Math.min(Math.max(maxSequences, data.columns()), data.size());
    int longest = data.maxSequenceLength() * data.columns();
    int rows = Math.min(rowCapacity(data, sequences), Math.max(maxTokens, longest));
    return new BatchStream(
        new EvaluationSource(data, maxTokens, maxSequences, positionOffset), null, sequences, rows);
  }

  /** Batches in an epoch. */
  public static int batchesPerEpoch(int examples, int batchSize) {
    return (int) ((examples + (long) batchSize - 1) / batchSize);
  }

  /**
   * Waits for the next batch; false after the last one. What the packing thread threw comes here.
   */
  @Override
  public boolean hasNext() {
    Check.state(!closed, "batch stream used after close");
    if (ahead == null) {
      ahead = direct != null ? packed(direct) : taken();
    }
    if (ahead == END && failure != null) {
      rethrow(failure);
    }
    return ahead != END;
  }

  /** Whether the next batch may be long in coming, or never come: its rows are waited for. */
  public boolean mayWait() {
    return joinedMillis == 0;
  }

  /**
   * Waits until {@link #hasNext} can be answered at once.
   *
   * @param stopRequested asked a few times a second
   * @return false if it was asked to stop before that
   */
  public boolean await(BooleanSupplier stopRequested) {
    Check.state(!closed, "batch stream used after close");
    boolean interrupted = false;
    while (ahead == null && direct == null) {
      try {
        ahead = ready.poll(AWAITED_MILLIS, TimeUnit.MILLISECONDS);
      } catch (InterruptedException e) {
        interrupted = true;
      }
      if (ahead == null && stopRequested.getAsBoolean()) {
        break;
      }
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
    return ahead != null || direct != null;
  }

  private Batch packed(Source source) {
    Batch batch = free.remove();
    return source.fill(batch) ? batch : END;
  }

  /** The packing thread needs no one's help: waiting for it ends soon. */
  private Batch taken() {
    boolean interrupted = false;
    try {
      while (true) {
        try {
          return ready.take();
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    } finally {
      if (interrupted) {
        Thread.currentThread().interrupt();
      }
    }
  }

  /** The next batch; takes the previous one back. */
  @Override
  public Batch next() {
    Check.state(!closed, "batch stream used after close");
    // Taken back first: the thread can refill it while we wait.
    if (lent != null) {
      free.add(lent);
      lent = null;
    }
    if (!hasNext()) {
      throw new NoSuchElementException("no batch after the last one");
    }
    lent = ahead;
    ahead = null;
    return lent;
  }

  /** Stops the packing thread and waits for its end. Closing twice is fine. */
  @Override
  public void close() {
    if (closed) {
      return;
    }
    closed = true;
    if (packer == null) {
      return;
    }
    packer.interrupt();
    if (joinedMillis == 0) {
      return; // it may wait for ever, and ends with the process
    }
    try {
      packer.join(joinedMillis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  boolean isPacking() {
    return packer != null && packer.isAlive();
  }

  private void run(Source source) {
    try {
      while (true) {
        Batch batch = free.take();
        if (!source.fill(batch)) {
          break;
        }
        ready.put(batch);
      }
    } catch (InterruptedException e) {
      return; // closed
    } catch (Throwable e) {
      failure = e;
    } finally {
      source.close();
    }
    ready.add(END); // room for one more than the ring: never blocks
  }

  private static void rethrow(Throwable failure) {
    if (failure instanceof Error error) {
      throw error;
    }
    if (failure instanceof InputException) {
      throw new InputException(failure.getMessage(), failure);
    }
    if (failure instanceof UncheckedIOException unread) {
      UncheckedIOException here = new UncheckedIOException(unread.getMessage(), unread.getCause());
      here.addSuppressed(unread); // which says where
      throw here;
    }
    throw new IllegalStateException("packing a batch failed: " + failure, failure);
  }

  /** The rows that no batch of so many sequences exceeds. */
  public static int rowCapacity(EncodedDataset data, int sequences) {
    return (int) Math.min(data.tokens(), (long) sequences * data.maxSequenceLength());
  }

  /** The sequences that no batch of so many examples exceeds. */
  public static int sequenceCapacity(EncodedDataset data, int batchSize) {
    return Math.min(batchSize, data.examples()) * data.columns();
  }

  private static final class TrainingSource implements Source {
    private final EncodedDataset data;
    private final Order order;
    private final int batchSize;
    private final int epochs;
    private final int positionOffset;
    private Cursor at;
    private int permuted = -1;
    private int[] permutation;
    private final Apart apart; // null: batches are as they come

    TrainingSource(
        EncodedDataset data,
        Order order,
        int batchSize,
        int epochs,
        Cursor from,
        int positionOffset) {
      this.data = data;
      this.order = order;
      this.batchSize = batchSize;
      this.epochs = epochs;
      this.positionOffset = positionOffset;
      this.at = from;
      this.apart = data.keepsApart() ? new Apart(data) : null;
    }

    @Override
    public boolean fill(Batch batch) {
      if (at.epoch() >= epochs) {
        return false;
      }
      if (permuted != at.epoch()) {
        permutation = order.permutation(at.epoch(), data.examples(), permutation);
        permutation = apart == null ? permutation : apart.arranged(permutation, batchSize);
        permuted = at.epoch();
      }
      int count = Math.min(batchSize, data.examples() - at.next());
      int end = at.next() + count;
      Cursor after =
          end == data.examples() ? new Cursor(at.epoch() + 1, 0) : new Cursor(at.epoch(), end);
      batch.pack(data, permutation, at.next(), count, positionOffset, at.epoch(), after);
      at = after;
      return true;
    }
  }

  private static final class EvaluationSource implements Source {
    private final EncodedDataset data;
    private final int maxTokens;
    private final int maxSequences;
    private final int positionOffset;
    private int next;

    EvaluationSource(EncodedDataset data, int maxTokens, int maxSequences, int positionOffset) {
      this.data = data;
      this.maxTokens = maxTokens;
      this.maxSequences = maxSequences;
      this.positionOffset = positionOffset;
    }

    @Override
    public boolean fill(Batch batch) {
      if (next == data.examples()) {
        return false;
      }
      int from = next;
      long rows = 0;
      while (next < data.examples()
          && (next == from
              || (next + 1 - from) * data.columns() <= maxSequences
                  && rows + length(next) <= maxTokens)) {
        rows += length(next++);
      }
      Cursor after = next == data.examples() ? new Cursor(1, 0) : new Cursor(0, next);
      batch.pack(data, null, from, next - from, positionOffset, 0, after);
      return true;
    }

    /** Tokens of an example. */
    private int length(int example) {
      int first = example * data.columns();
      return data.offsets().get(first + data.columns()) - data.offsets().get(first);
    }
  }
}
