package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.store.Adapter;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * {@code out (N,C) = word[ids] + position[positions] + type[typeIds]}, each with {@code scale
 * A[ids] B^T} where its table has a low-rank adapter.
 */
public final class Embedding implements Node {
  /**
   * A table.
   *
   * @param weight (rows, C)
   * @param adapter A (rows, R) and B (C,R), or null
   */
  public record Table(Parameter weight, Adapter adapter) {
    private boolean trainable() {
      return weight.trainable() || adapter != null && adapter.up().trainable();
    }
  }

  /**
   * A table's adapter at work.
   *
   * @param ids (N) i32, rows of the table
   * @param low (N,R) rows of A
   */
  private record Lookup(Adapter adapter, long ids, long low) {}

  private final Parameter word;
  private final Parameter position;
  private final Parameter type;
  private final long ids;
  private final long positions;
  private final long typeIds;
  private final List<Lookup> lookups;
  private final long scratch; // freed with the op; 0: none
  private final Tensor out;

  private Embedding(
      Parameter word,
      Parameter position,
      Parameter type,
      long ids,
      long positions,
      long typeIds,
      List<Lookup> lookups,
      long scratch,
      Tensor out) {
    this.word = word;
    this.position = position;
    this.type = type;
    this.ids = ids;
    this.positions = positions;
    this.typeIds = typeIds;
    this.lookups = lookups;
    this.scratch = scratch;
    this.out = out;
  }

  /** Without adapters: see below. */
  public static Tensor apply(
      Tape tape,
      Parameter word,
      Parameter position,
      Parameter type,
      long N,
      long ids,
      long positions,
      long typeIds) {
    return apply(tape, table(word), table(position), table(type), N, ids, positions, typeIds);
  }

  private static Table table(Parameter weight) {
    return weight == null ? null : new Table(weight, null);
  }

  /**
   * @param words (V,C)
   * @param places (P,C), or null
   * @param types (T,C), or null
   * @param N rows
   * @param ids (N) i32 on the device; likewise positions and typeIds where their table is given
   * @return (N,C) in the tape's type
   */
  public static Tensor apply(
      Tape tape,
      Table words,
      Table places,
      Table types,
      long N,
      long ids,
      long positions,
      long typeIds) {
    return apply(tape, words, places, types, N, ids, positions, typeIds, 0);
  }

  /** The first row of a table, N times: (N,C) in the tape's type. */
  public static Tensor firstRow(Tape tape, Table table, long N) {
    long ids = tape.allocate(N * Integer.BYTES);
    tape.run(new FillZeroCall(ids, N * Integer.BYTES));
    return apply(tape, table, null, null, N, ids, 0, 0, ids);
  }

  private static Tensor apply(
      Tape tape,
      Table words,
      Table places,
      Table types,
      long N,
      long ids,
      long positions,
      long typeIds,
      long scratch) {
    Parameter word = words.weight;
    Parameter position = places == null ? null : places.weight;
    Parameter type = types == null ? null : types.weight;
    long C = word.cols();
    Check.argument(
        (position == null || position.cols() == C) && (type == null || type.cols() == C),
        "the embedding tables differ in width");
    boolean trainable =
        words.trainable()
            || places != null && places.trainable()
            || types != null && types.trainable();
    Tensor out = tape.tensor(N, C, trainable);
    boolean isNarrow = lookUpAll(tape, out, word, position, type, ids, positions, typeIds);
    List<Lookup> lookups = new ArrayList<>();
    addAdapter(tape, out, words, ids, lookups);
    addAdapter(tape, out, places, positions, lookups);
    addAdapter(tape, out, types, typeIds, lookups);
    Embedding node =
        new Embedding(word, position, type, ids, positions, typeIds, lookups, scratch, out);
    return isNarrow && !trainable && lookups.isEmpty() && scratch == 0 ? out : tape.record(node);
  }

  /** Returns whether some table is frozen in bf16. */
  private static boolean lookUpAll(
      Tape tape,
      Tensor out,
      Parameter word,
      Parameter position,
      Parameter type,
      long ids,
      long positions,
      long typeIds) {
    long N = out.rows();
    long C = out.cols();
    boolean isNarrow = false;
    for (Parameter table : new Parameter[] {word, position, type}) {
      isNarrow |= table != null && table.dtype() == DType.BF16;
    }
    if (isNarrow) {
      lookUp(tape, out, word, ids, false);
      if (position != null) {
        lookUp(tape, out, position, positions, true);
      }
      if (type != null) {
        lookUp(tape, out, type, typeIds, true);
      }
      return true;
    }
    tape.run(
        new EmbeddingCall.Forward(
            out.address(),
            tape.training() && word.trainable() ? word.markedAddress() : word.address(),
            position == null ? 0 : position.address(),
            type == null ? 0 : type.address(),
            ids,
            position == null ? 0 : positions,
            type == null ? 0 : typeIds,
            N,
            C,
            word.rows(),
            position == null ? 0 : position.rows(),
            type == null ? 0 : type.rows(),
            out.dtype()));
    return false;
  }

  private static void addAdapter(
      Tape tape, Tensor out, Table table, long ids, List<Lookup> lookups) {
    if (table == null || table.adapter == null) {
      return;
    }
    Adapter adapter = table.adapter;
    long N = out.rows();
    long R = adapter.rank();
    DType dtype = out.dtype();
    long low = tape.allocate(N * R * dtype.sizeBytes());
    tape.run(
        new EmbeddingCall.Forward(
            low,
            adapter.down().address(),
            0,
            0,
            ids,
            0,
            0,
            N,
            R,
            adapter.down().rows(),
            0,
            0,
            dtype));
    LowRank.add(tape, adapter, out.address(), low, N, out.cols(), dtype);
    lookups.add(new Lookup(adapter, ids, low));
  }

  /** {@code out (+)= table[ids]} where some table is frozen in bf16. */
  private static void lookUp(Tape tape, Tensor out, Parameter table, long ids, boolean accumulate) {
    long N = out.rows();
    long C = out.cols();
    DType dtype = table.dtype();
    if (out.dtype() == dtype && !accumulate) {
      tape.run(new GatherRowsCall.Forward(out.address(), table.address(), ids, N, C, dtype));
      return;
    }
    long rows = tape.allocate(N * C * dtype.sizeBytes());
    tape.run(new GatherRowsCall.Forward(rows, table.address(), ids, N, C, dtype));
    tape.run(new CastCall(out.address(), rows, N * C, accumulate, out.dtype(), dtype));
    tape.free(rows);
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    DType dtype = out.dtype();
    boolean writesAny = false;
    for (Parameter table : new Parameter[] {word, position, type}) {
      writesAny |= table != null && table.trainable();
    }
    if (writesAny) {
      tape.run(
          new EmbeddingCall.Backward(
              gradient(word),
              gradient(position),
              gradient(type),
              out.gradient(),
              ids,
              position == null ? 0 : positions,
              type == null ? 0 : typeIds,
              out.rows(),
              out.cols(),
              dtype));
    }
    for (Lookup lookup : lookups) {
      Adapter adapter = lookup.adapter;
      long N = out.rows();
      long R = adapter.rank();
      long dlow = tape.allocate(N * R * dtype.sizeBytes());
      LowRank.backwardUp(tape, adapter, dlow, out.gradient(), lookup.low, N, out.cols(), dtype);
      long ddown = adapter.down().addableGradient();
      tape.run(new EmbeddingCall.Backward(ddown, 0, 0, dlow, lookup.ids, 0, 0, N, R, dtype));
      tape.free(dlow);
    }
  }

  private static long gradient(Parameter table) {
    return table != null && table.trainable() ? table.addableGradient() : 0;
  }

  @Override
  public void release(Tape tape) {
    if (scratch != 0) {
      tape.free(scratch);
    }
    for (Lookup lookup : lookups) {
      tape.free(lookup.low);
    }
  }
}
