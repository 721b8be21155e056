package dev.attune;

import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Objects;

/**
 * Reads examples from a cursor, such as a {@code java.sql.ResultSet}:
 *
 * <pre>{@code
 * trainer.train(Rows.of(results, ResultSet::next,
 *     r -> new LabeledText(r.getString("body"), r.getString("topic"))));
 * }</pre>
 */
public final class Rows {
  private Rows() {}

  /**
   * Moves a cursor to its next row.
   *
   * @param <C> the cursor
   */
  @FunctionalInterface
  public interface Advance<C> {
    /** Returns whether there is one. */
    boolean next(C cursor) throws Exception;
  }

  /**
   * Reads a cursor's row.
   *
   * @param <C> the cursor
   * @param <E> the example
   */
  @FunctionalInterface
  public interface Mapper<C, E> {
    /** Returns the row as an example. */
    E map(C cursor) throws Exception;
  }

  /** The rows that follow, once: what the cursor throws comes as an {@link AttuneException}. */
  public static <C, E> Iterable<E> of(C cursor, Advance<C> advance, Mapper<C, ? extends E> mapper) {
    Objects.requireNonNull(cursor, "cursor");
    return () -> new CursorIterator<>(cursor, advance, mapper);
  }

  private static final class CursorIterator<C, E> implements Iterator<E> {
    private final C cursor;
    private final Advance<C> advance;
    private final Mapper<C, ? extends E> mapper;
    private boolean known;
    private boolean more;
    private int row;

    CursorIterator(C cursor, Advance<C> advance, Mapper<C, ? extends E> mapper) {
      this.cursor = cursor;
      this.advance = advance;
      this.mapper = mapper;
    }

    @Override
    public boolean hasNext() {
      if (!known) {
        try {
          more = advance.next(cursor);
        } catch (Exception e) {
          throw failed(e);
        }
        known = true;
      }
      return more;
    }

    @Override
    public E next() {
      if (!hasNext()) {
        throw new NoSuchElementException();
      }
      known = false;
      row++;
      try {
        return mapper.map(cursor);
      } catch (Exception e) {
        throw failed(e);
      }
    }

    private AttuneException failed(Exception e) {
      return new AttuneException("row " + Math.max(1, row) + " cannot be read: " + e, e);
    }
  }
}
