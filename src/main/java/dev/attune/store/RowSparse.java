package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.ZeroRowsCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostMirror;
import java.nio.ByteBuffer;
import java.nio.IntBuffer;

/**
 * The word embedding's bookkeeping. A step touches the rows of a few hundred tokens out of tens of
 * thousands, so its gradient is zeroed, measured and read by row, and the optimizer's moments of
 * rows that never had a gradient are never touched: their pages stay unallocated. The numbers are
 * those of a dense update, bit for bit.
 *
 * <p>Rows without a gradient may lag behind the optimizer ({@link Updates}) until somebody reads
 * them: {@link #mark} settles the rows of a training pass, {@link #settle} all of them.
 *
 * <p>Between steps every row of the gradient is zero.
 */
public final class RowSparse implements AutoCloseable {
  /** Makes the updates that rows lag behind. */
  public interface Updates {
    /** Of the listed rows (i32), none of which has a gradient yet. */
    void settle(long rows, int count);

    /** Of all rows. */
    void settleAll();
  }

  /** Row states; the codes cross the native border (attune_adamw_rows). */
  private static final byte NEVER = 0;

  private static final byte EARLIER = 1;
  private static final byte NOW = 2;

  private final Backend backend;
  private final Parameter table;
  private final HostMirror stateMirror;
  private final ByteBuffer state;
  private final HostMirror rowsMirror;
  private final IntBuffer rows;
  private int count;
  private Updates owed; // null: no row lags

  RowSparse(Backend backend, Parameter table) {
    this.backend = backend;
    this.table = table;
    this.stateMirror = new HostMirror(backend, table.rows(), false);
    this.state = stateMirror.host();
    try {
      this.rowsMirror = new HostMirror(backend, table.rows() * Integer.BYTES, false);
    } catch (RuntimeException e) {
      stateMirror.close();
      throw e;
    }
    this.rows = rowsMirror.host().asIntBuffer();
  }

  /** The table (V, C). */
  public Parameter table() {
    return table;
  }

  /**
   * Notes the rows that a micro-batch will add gradients to, and settles them.
   *
   * @param ids distinct
   */
  public void mark(int[] ids, int idCount) {
    int before = count;
    for (int i = 0; i < idCount; i++) {
      int id = ids[i];
      Check.argument(
          id >= 0 && id < table.rows(),
          "token id %d is outside the vocabulary of %d",
          id,
          table.rows());
      if (state.get(id) != NOW) {
        rows.put(count++, id);
      }
    }
    if (owed != null && count > before) {
      rowsMirror.push(before * Integer.BYTES, (count - before) * Integer.BYTES);
      owed.settle(rowsAddress() + (long) before * Integer.BYTES, count - before);
    }
    for (int i = before; i < count; i++) {
      int id = rows.get(i);
      Check.argument(state.get(id) != NOW, "token id %d is listed twice", id);
      state.put(id, NOW);
    }
  }

  /**
   * Tells that rows without a gradient lag from here on.
   *
   * @param updates makes what they lag behind
   */
  public void lag(Updates updates) {
    if (owed != updates) {
      settle();
      owed = updates;
    }
  }

  /** Brings all rows up to date: before anybody but a training pass reads or writes them. */
  public void settle() {
    if (owed != null) {
      owed.settleAll();
      owed = null;
    }
  }

  /** Address of the i32 list of rows that have a gradient in this step. */
  public long rowsAddress() {
    return rowsMirror.address();
  }

  /** How many rows have a gradient in this step. */
  public int rowCount() {
    return count;
  }

  /** Address of the (V) u8 row states. */
  public long stateAddress() {
    return stateMirror.address();
  }

  /** The (V) u8 row states, for checkpoints. */
  public Buffer stateBuffer() {
    return stateMirror.buffer();
  }

  /**
   * Brings the marks of this step to the device as a list of at least {@code atLeast} rows, or of
   * all rows there are: so that recorded work on them does not depend on their number. Rows without
   * a gradient fill it up, whose squares add nothing and which are zero already.
   *
   * @return the length of the list
   */
  public int publish(int atLeast) {
    int padded = Math.toIntExact(Math.min(table.rows(), Math.max(atLeast, count)));
    int at = count;
    for (int row = 0; at < padded; row++) {
      if (state.get(row) != NOW) {
        rows.put(at++, row);
      }
    }
    stateMirror.push(0, state.capacity());
    rowsMirror.push(0, padded * Integer.BYTES);
    return padded;
  }

  /** Zeroes the gradients of the first rows of the list. */
  public void zeroGradients(int listed) {
    backend.run(new ZeroRowsCall(table.gradient(), rowsAddress(), listed, table.cols()));
  }

  /** Takes over row states that were written to {@link #stateBuffer} from outside. */
  void refresh() {
    stateMirror.pull(0, state.capacity());
  }

  /** Starts the next step; the gradient rows of this one are zero. */
  public void endStep() {
    for (int i = 0; i < count; i++) {
      state.put(rows.get(i), EARLIER);
    }
    count = 0;
    stateMirror.push(0, state.capacity());
  }

  /** Whether a row has ever had a gradient. */
  public boolean everTouched(int row) {
    return state.get(row) != NEVER;
  }

  @Override
  public void close() {
    owed = null;
    stateMirror.close();
    rowsMirror.close();
  }
}
