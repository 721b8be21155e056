package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.RowStream;
import dev.attune.data.mapped.Storage;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.UnaryOperator;

/**
 * Training data that are read and tokenised while they are learned from: what is held of them is a
 * buffer of lines, from which rows are drawn, and the rows of a batch or two. A file is read again
 * from its first row once it has come to its end, with what was added to it in the meantime; what
 * can be read but once ends the run.
 */
public final class StreamedDataset implements TrainingData {
  private final RowStream rows;
  private final UnaryOperator<Dataset> shaping;
  private final RowEncoder<?> encoder;
  private final EncodedDataset first;
  private final int bufferRows;
  private final int maxLength;
  private final int vocabulary;
  private final Queue<String> findings = new ConcurrentLinkedQueue<>();

  /**
   * @param rows whose first ones were read
   * @param shaping gives rows, as they are read, the form in which they are learned; leaves out
   *     those that may be left out, and throws an InputException at others that cannot be learned
   * @param encoder for training
   * @param first the first rows, encoded
   * @param bufferRows from which the next row is drawn, at least 1
   * @param maxLength tokens of a sequence at most
   * @param vocabulary token ids are below it, or refused
   */
  public StreamedDataset(
      RowStream rows,
      UnaryOperator<Dataset> shaping,
      RowEncoder<?> encoder,
      EncodedDataset first,
      int bufferRows,
      int maxLength,
      int vocabulary) {
    Check.argument(first.columns() == 1, "a stream of rows of %d sequences", first.columns());
    this.rows = rows;
    this.shaping = shaping;
    this.encoder = encoder;
    this.first = first;
    this.bufferRows = bufferRows;
    this.maxLength = maxLength;
    this.vocabulary = vocabulary;
  }

  @Override
  public TargetLayout layout() {
    return first.layout();
  }

  @Override
  public int columns() {
    return 1;
  }

  @Override
  public int sequenceCapacity(int batchSize) {
    return batchSize;
  }

  @Override
  public int rowCapacity(int batchSize) {
    return Math.multiplyExact(batchSize, maxLength);
  }

  @Override
  public long batchesPerEpoch(int batchSize) {
    return 0;
  }

  @Override
  public String finding() {
    return findings.poll();
  }

  @Override
  public BatchStream batches(
      Order order, int batchSize, int epochs, Cursor from, int positionOffset) {
    Check.input(batchSize >= 1, "batch size %d: it must be at least 1", batchSize);
    return new BatchStream(
        new Source<>(encoder, order, batchSize, epochs, from, positionOffset),
        sequenceCapacity(batchSize),
        rowCapacity(batchSize));
  }

  /**
   * A row that is being learned from.
   *
   * @param number in its pass, from 0
   * @param before the line that was drawn before it; null: none
   */
  private record Row<R>(
      int number,
      StreamedLines.Drawn before,
      StreamedLines.Drawn drawn,
      Example example,
      R encoded) {}

  private final class Source<R> implements BatchStream.Source {
    private final RowEncoder<R> encoder;
    private final Order order;
    private final int batchSize;
    private final int epochs;
    private final int positionOffset;
    private final List<Row<R>> held = new ArrayList<>(); // those of the chunk, in its order
    private EncodedDataset chunk; // some rows, of which the first sequences were learned from
    private int next; // sequence of the chunk
    private StreamedLines lines; // null: no pass is begun
    private boolean linesEnded;
    private int drawn; // lines of the pass
    private boolean isResumed; // whether the pass had begun in a run before
    private long leftOut; // rows of the pass, in this run
    private long cut; // tokens of the pass, in this run
    private Cursor at;

    Source(
        RowEncoder<R> encoder,
        Order order,
        int batchSize,
        int epochs,
        Cursor from,
        int positionOffset) {
      this.encoder = encoder;
      this.order = order;
      this.batchSize = batchSize;
      this.epochs = epochs;
      this.positionOffset = positionOffset;
      this.at = from;
    }

    @Override
    public boolean mayWait() {
      return rows.isOnce();
    }

    @Override
    public boolean fill(Batch batch) {
      if (at.epoch() >= epochs || at.epoch() > 0 && rows.isOnce()) {
        return false;
      }
      if (lines == null) {
        begin();
      }
      // One more than the batch takes: whether it is the last one of the pass must be known.
      while (!linesEnded && ahead() <= batchSize) {
        more();
      }
      if (ahead() == 0) {
        throw new InputException(
            rows.source()
                + " has no row that could be learned, of "
                + Count.many(lines.read(), "row"));
      }
      int count = Math.min(batchSize, ahead());
      int from = next;
      next += count;
      Cursor after = linesEnded && ahead() == 0 ? new Cursor(at.epoch() + 1, 0) : place();
      batch.pack(chunk, null, from, count, positionOffset, at.epoch(), after);
      if (after.epoch() > at.epoch()) {
        end();
      }
      at = after;
      return true;
    }

    @Override
    public void close() {
      if (lines != null) {
        lines.close();
      }
    }

    /** Sequences that wait. */
    private int ahead() {
      return chunk == null ? 0 : chunk.size() - next;
    }

    private void begin() {
      lines = StreamedLines.from(rows, order, bufferRows, at);
      linesEnded = false;
      drawn = at.next();
      isResumed = at.stream() != null;
      leftOut = 0;
      cut = 0;
      int skipped = at.stream() == null ? 0 : at.stream().sequence();
      while (skipped > 0 && ahead() == 0 && !linesEnded) {
        more();
      }
      next = skipped;
    }

    private void end() {
      if (lines.unfinished() > 0) {
        findings.add(
            rows.source()
                + ", row "
                + lines.unfinished()
                + " is the last, has no line end and is no whole JSON object: it was left for being"
                + " half written");
      }
      findings.add(
          "pass "
              + (at.epoch() + 1)
              + " over "
              + rows.source()
              + " is done: "
              + Count.many(lines.read(), "row")
              + (leftOut > 0
                  ? ", of which "
                      + Count.many(leftOut, "was", "were")
                      + " left out, as "
                      + Term.SKIP_BAD_ROWS
                      + " asks"
                  : "")
              + (cut > 0 ? "; " + Count.many(cut, "token") + " cut off" : "")
              + (isResumed && leftOut + cut > 0 ? ", since the run was resumed" : ""));
      lines.close();
      lines = null;
      held.clear();
      chunk = null;
      next = 0;
    }

    /** Where the run goes on behind the sequences that were learned from. */
    private Cursor place() {
      Row<R> row = held.get(chunk.source(next));
      int sequence = next - firstOf(chunk.source(next));
      StreamedLines.Drawn last = sequence > 0 ? row.drawn() : row.before();
      return new Cursor(
          at.epoch(), row.number(), new Cursor.Stream(sequence, last.read(), last.digest()));
    }

    private int firstOf(int row) {
      int sequence = Math.min(next, chunk.size() - 1);
      while (sequence > 0 && chunk.source(sequence - 1) >= row) {
        sequence--;
      }
      return sequence;
    }

    /** Reads as many rows as the batch may lack. */
    private void more() {
      InterruptedCallException.check("reading " + rows.source());
      List<StreamedLines.Drawn> taken = new ArrayList<>();
      StreamedLines.Drawn before = lines.last();
      for (int wanted = batchSize + 1 - ahead(); wanted > 0; wanted--) {
        StreamedLines.Drawn line = lines.next();
        if (line == null) {
          linesEnded = true;
          break;
        }
        taken.add(line);
      }
      Dataset read = shaping.apply(rows.read(taken.stream().map(l -> l.line()).toList()));
      leftOut += taken.size() - read.size();
      int kept = dropLearned();
      Iterator<Example> examples = read.examples().iterator();
      Example example = examples.hasNext() ? examples.next() : null;
      for (StreamedLines.Drawn line : taken) {
        int number = drawn++;
        if (example != null && example.row() == line.line().number()) {
          held.add(new Row<>(number, before, line, example, encoder.encode(read, example)));
          example = examples.hasNext() ? examples.next() : null;
        }
        before = line;
      }
      pack(read, kept);
    }

    /** Forgets rows that were learned from to their end; returns how many are left. */
    private int dropLearned() {
      int done = ahead() > 0 ? chunk.source(next) : held.size();
      next = ahead() > 0 ? next - firstOf(done) : 0;
      held.subList(0, done).clear();
      return held.size();
    }

    /**
     * Packs the rows that are held.
     *
     * @param kept how many of them were packed before
     */
    private void pack(Dataset like, int kept) {
      Dataset dataset = like.withExamples(held.stream().map(Row::example).toList());
      RowEncoder.Packing<R> packing = encoder.packing(dataset, Storage.MEMORY);
      held.forEach(row -> packing.add(row.encoded()));
      EncodedDataset packed = packing.done();
      Check.input(
          packed.maxId() < vocabulary,
          "the tokenizer gives token id %d, the model has %d word embeddings; the folder's tokenizer"
              + " belongs to another model",
          packed.maxId(),
          vocabulary);
      for (int i = kept; i < held.size(); i++) {
        cut += packed.lengths().dropped().get(i);
      }
      chunk = packed.numbered(held.stream().mapToInt(Row::number).toArray());
    }
  }
}
