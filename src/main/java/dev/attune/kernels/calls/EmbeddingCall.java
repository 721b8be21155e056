package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;
import dev.attune.kernels.RowCall;
import dev.attune.kernels.RowRange;

/** Rows of embedding tables, which are f32. */
public final class EmbeddingCall {
  private EmbeddingCall() {}

  /**
   * {@code out (N,C) = word[ids] + position[positions] + type[typeIds]}.
   *
   * @param position (P,C), or 0 with its positions
   * @param type (T,C), or 0 with its typeIds
   * @param V rows of {@code word}
   */
  public record Forward(
      long out,
      long word,
      long position,
      long type,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      long V,
      long P,
      long T,
      DType dtype)
      implements RowCall {
    @Override
    public Forward ofRows(RowRange range) {
      return new Forward(
          range.at(out, C * dtype.sizeBytes()),
          word,
          position,
          type,
          range.at(ids, Integer.BYTES),
          range.at(positions, Integer.BYTES),
          range.at(typeIds, Integer.BYTES),
          range.of(N),
          C,
          V,
          P,
          T,
          dtype);
    }

    @Override
    public void fill(Frame frame) {
      frame.writes(out).reads(word).mayRead(position).mayRead(type);
      frame.reads(ids).reads(positions, position != 0).reads(typeIds, type != 0);
      frame.count(N).columns(C, Math.max(Math.max(N, V), Math.max(P, T)));
      frame.bound(V).bound(P).bound(T).dtype(dtype);
    }
  }

  /** Adds the rows of dout to the tables at their indices. Each table may be 0. */
  public record Backward(
      long dword,
      long dposition,
      long dtokenType,
      long dout,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      DType dtype)
      implements Call {
    @Override
    public void fill(Frame frame) {
      frame.mayWrite(dword).mayWrite(dposition).mayWrite(dtokenType).reads(dout);
      frame.reads(ids, dword != 0).reads(positions, dposition != 0);
      frame.reads(typeIds, dtokenType != 0);
      frame.count(N).columns(C, N).dtype(dtype);
    }
  }
}
