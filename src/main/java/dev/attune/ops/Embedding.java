package dev.attune.ops;

import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** {@code out (N,C) = word[ids] + position[positions] + type[typeIds]}. */
public final class Embedding implements Node {
  private final Parameter word;
  private final Parameter position;
  private final Parameter type;
  private final long ids;
  private final long positions;
  private final long typeIds;
  private final Tensor out;

  private Embedding(
      Parameter word,
      Parameter position,
      Parameter type,
      long ids,
      long positions,
      long typeIds,
      Tensor out) {
    this.word = word;
    this.position = position;
    this.type = type;
    this.ids = ids;
    this.positions = positions;
    this.typeIds = typeIds;
    this.out = out;
  }

  /**
   * @param word (V,C)
   * @param position (P,C), or null
   * @param type (T,C), or null
   * @param N rows
   * @param ids (N) i32 on the device; likewise positions and typeIds where their table is given
   * @return (N,C) in the tape's type
   */
  public static Tensor apply(
      Tape tape,
      Parameter word,
      Parameter position,
      Parameter type,
      long N,
      long ids,
      long positions,
      long typeIds) {
    long C = word.cols();
    Check.argument(
        (position == null || position.cols() == C) && (type == null || type.cols() == C),
        "the embedding tables differ in width");
    Tensor out = tape.tensor(N, C, word.trainable());
    if (word.dtype() == DType.BF16) {
      lookUp(tape, out, word, ids, false);
      if (position != null) {
        lookUp(tape, out, position, positions, true);
      }
      if (type != null) {
        lookUp(tape, out, type, typeIds, true);
      }
      return out;
    }
    tape.backend()
        .run(new EmbeddingCall.Forward(
            out.address(),
            word.address(),
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
    return tape.record(new Embedding(word, position, type, ids, positions, typeIds, out));
  }

  /** {@code out (+)= table[ids]} from a frozen bf16 table. */
  private static void lookUp(Tape tape, Tensor out, Parameter table, long ids, boolean accumulate) {
    long N = out.rows();
    long C = out.cols();
    if (out.dtype() == DType.BF16 && !accumulate) {
      tape.backend().run(new GatherRowsCall.Forward(out.address(), table.address(), ids, N, C, DType.BF16));
      return;
    }
    long rows = tape.allocate(N * C * DType.BF16.sizeBytes());
    tape.backend().run(new GatherRowsCall.Forward(rows, table.address(), ids, N, C, DType.BF16));
    tape.backend().run(new CastCall(out.address(), rows, N * C, accumulate, out.dtype(), DType.BF16));
    tape.free(rows);
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    tape.backend()
        .run(new EmbeddingCall.Backward(
            word.addableGradient(),
            position == null ? 0 : position.addableGradient(),
            type == null ? 0 : type.addableGradient(),
            out.gradient(),
            ids,
            position == null ? 0 : positions,
            type == null ? 0 : typeIds,
            out.rows(),
            out.cols(),
            out.dtype()));
  }
}
