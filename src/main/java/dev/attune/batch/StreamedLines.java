package dev.attune.batch;

import dev.attune.core.InputException;
import dev.attune.data.RowStream;
import java.util.ArrayList;
import java.util.List;

/**
 * The lines of one pass over a stream, in an order that is random as far as a buffer allows: each
 * line takes the place of one that is drawn from the buffer, and at the end its rest is drawn. That
 * is how Hugging Face's {@code IterableDataset.shuffle(seed, buffer_size)} does it. The order is a
 * pure function of (seed, epoch, lines), so a pass that is taken up again is read again up to
 * there.
 */
final class StreamedLines implements AutoCloseable {
  /**
   * A line that was drawn.
   *
   * @param read lines that were read until then
   * @param digest of those
   */
  record Drawn(RowStream.Line line, int read, long digest) {}

  /** Odd, so that no line's hash is lost among those behind it. */
  private static final long DIGEST = 0x9E3779B97F4A7C15L;

  private final RowStream.Pass pass;
  private final Order order;
  private final int epoch;
  private final int capacity; // 0: lines come as they are
  private final List<RowStream.Line> buffer = new ArrayList<>();
  private final int[] words = new int[4];
  private final long most; // lines to read
  private int read;
  private long digest;
  private long drawn;
  private boolean ended;
  private Drawn last; // that was given; null: none yet
  private Drawn again; // to be given once more; null: none

  private StreamedLines(RowStream.Pass pass, Order order, int epoch, int bufferRows, long most) {
    this.pass = pass;
    this.order = order;
    this.epoch = epoch;
    this.capacity = order.shuffle() ? bufferRows : 0;
    this.most = most;
  }

  /**
   * The lines that follow a cursor in its epoch.
   *
   * @throws InputException if those before it are not those that were there
   */
  static StreamedLines from(RowStream rows, Order order, int bufferRows, Cursor at) {
    Cursor.Stream place = at.stream();
    int before = place == null ? 0 : at.next() + (place.sequence() > 0 ? 1 : 0);
    // A pass that had come to the end of its source stays as long as it was.
    boolean hadEnded = place != null && order.shuffle() && place.read() < bufferRows + before;
    long most = hadEnded ? place.read() : Long.MAX_VALUE;
    StreamedLines lines = new StreamedLines(rows.pass(), order, at.epoch(), bufferRows, most);
    Drawn last = null;
    for (int i = 0; i < before; i++) {
      last = lines.next();
      if (last == null) {
        break;
      }
    }
    lines.again = before > at.next() ? last : null; // the row that is not learned to its end
    if (before > 0
        && (last == null || last.read() != place.read() || last.digest() != place.digest())) {
      lines.close();
      throw new InputException(
          rows.source()
              + " no longer begins with the rows that the run has read of it. Rows may be added at"
              + " its end; begin again where others have changed");
    }
    return lines;
  }

  /** The line that {@link #next} gave last; null: none. */
  Drawn last() {
    return last;
  }

  /** The next line; null at the end. */
  Drawn next() {
    Drawn next = again != null ? again : drawn();
    again = null;
    last = next == null ? last : next;
    return next;
  }

  private Drawn drawn() {
    while (!ended) {
      RowStream.Line line = read < most ? pass.next() : null;
      if (line == null) {
        ended = true;
        break;
      }
      read = Math.incrementExact(read);
      digest = digest * DIGEST + line.text().hashCode();
      if (capacity == 0) {
        return new Drawn(line, read, digest);
      }
      if (buffer.size() < capacity) {
        buffer.add(line);
        continue;
      }
      return new Drawn(buffer.set(draw(capacity), line), read, digest);
    }
    if (buffer.isEmpty()) {
      return null;
    }
    int chosen = draw(buffer.size());
    RowStream.Line last = buffer.remove(buffer.size() - 1);
    RowStream.Line line = chosen == buffer.size() ? last : buffer.set(chosen, last);
    return new Drawn(line, read, digest);
  }

  private int draw(int bound) {
    return order.draw(epoch, drawn++, bound, words);
  }

  /** Lines that were read. */
  int read() {
    return read;
  }

  /** The number of a last line that was left for being half written; else 0. */
  int unfinished() {
    return pass.unfinished();
  }

  @Override
  public void close() {
    pass.close();
  }
}
