package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.EmbeddingCall;
import dev.attune.kernels.calls.GatherRowsCall;
import dev.attune.kernels.calls.MeanPoolCall;
import dev.attune.kernels.calls.ZeroRowsCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Ops that move whole rows: embedding, gathering, pooling. */
final class TorchRows {
  private TorchRows() {}

  static void embeddingForward(TorchPool pool, EmbeddingCall.Forward call) {
    long position = call.position();
    long type = call.type();
    long N = call.N();
    long C = call.C();
    String op = "embedding_fwd";
    if (N == 0) {
      return;
    }
    Arguments.indices(op, "ids", call.ids(), N, call.V());
    if (position != 0) {
      Arguments.indices(op, "positions", call.positions(), N, call.P());
    }
    if (type != 0) {
      Arguments.indices(op, "type_ids", call.typeIds(), N, call.T());
    }
    pool.ranges(
        N,
        TorchPool.rowsOfTile(C),
        (row, rows) -> {
          Tensor sum = lookUp(call.word(), call.ids(), row, rows, C, call.V());
          if (position != 0) {
            sum.add_(lookUp(position, call.positions(), row, rows, C, call.P()));
          }
          if (type != 0) {
            sum.add_(lookUp(type, call.typeIds(), row, rows, C, call.T()));
          }
          view(row(call.out(), row, C, call.dtype()), call.dtype(), rows, C).copy_(sum);
        });
  }

  /** A new tensor: the rows of a table that {@code indices} names from {@code row} on. */
  private static Tensor lookUp(long table, long indices, long row, long rows, long C, long bound) {
    Tensor index = view(indices + row * Integer.BYTES, DType.I32, rows);
    return view(table, DType.F32, bound, C).index_select(0, index);
  }

  static void embeddingBackward(EmbeddingCall.Backward call) {
    long N = call.N();
    long C = call.C();
    String op = "embedding_bwd";
    if (N == 0) {
      return;
    }
    // All indices are checked before any table is written.
    long wordRows = rowsOf(op, call.dword(), "ids", call.ids(), N);
    long positionRows = rowsOf(op, call.dposition(), "positions", call.positions(), N);
    long tokenTypeRows = rowsOf(op, call.dtokenType(), "type_ids", call.typeIds(), N);
    Tensor gradient = widen(view(call.dout(), call.dtype(), N, C));
    scatter(call.dword(), wordRows, call.ids(), gradient, N, C);
    scatter(call.dposition(), positionRows, call.positions(), gradient, N, C);
    scatter(call.dtokenType(), tokenTypeRows, call.typeIds(), gradient, N, C);
  }

  /** Rows of a table as far as this op knows: it ends at the largest index; 0 without a table. */
  private static long rowsOf(String op, long table, String indexName, long indices, long N) {
    return table == 0 ? 0 : 1L + Arguments.indices(op, indexName, indices, N, Integer.MAX_VALUE);
  }

  /** Adds rows in order. */
  private static void scatter(
      long table, long rows, long indices, Tensor gradient, long N, long C) {
    if (table != 0) {
      view(table, DType.F32, rows, C).index_add_(0, view(indices, DType.I32, N), gradient);
    }
  }

  static void zeroRows(ZeroRowsCall call) {
    long M = call.M();
    String op = "zero_rows";
    if (M == 0) {
      return;
    }
    int largest = Arguments.indices(op, "rows", call.rows(), M, Integer.MAX_VALUE);
    view(call.table(), DType.F32, largest + 1, call.C())
        .index_fill_(0, longs(call.rows(), M), scalar(0));
  }

  static void gatherForward(GatherRowsCall.Forward call) {
    long M = call.M();
    String op = "gather_rows_fwd";
    if (M == 0) {
      return;
    }
    int largest = Arguments.indices(op, "rows", call.rows(), M, Integer.MAX_VALUE);
    Tensor selected =
        view(call.inp(), call.dtype(), largest + 1, call.C())
            .index_select(0, view(call.rows(), DType.I32, M));
    view(call.out(), call.dtype(), M, call.C()).copy_(selected);
  }

  static void gatherBackward(GatherRowsCall.Backward call) {
    long N = call.N();
    long M = call.M();
    String op = "gather_rows_bwd";
    Arguments.indices(op, "rows", call.rows(), M, N);
    if (N == 0) {
      return;
    }
    Tensor target = view(call.dinp(), call.dtype(), N, call.C());
    if (!call.accumulate()) {
      target.zero_();
    }
    if (M > 0) {
      target.index_add_(
          0, view(call.rows(), DType.I32, M), view(call.dout(), call.dtype(), M, call.C()));
    }
  }

  static void meanPoolForward(TorchPool pool, MeanPoolCall.Forward call) {
    long B = call.B();
    long C = call.C();
    DType dtype = call.dtype();
    String op = "mean_pool_fwd";
    if (B == 0) {
      return;
    }
    int[] offsets = Arguments.offsets(op, "cu_seqlens", call.cuSeqlens(), B);
    Tensor pooled = view(call.out(), dtype, B, C);
    pool.tiles(
        B,
        b -> {
          int first = offsets[(int) b];
          int length = offsets[(int) b + 1] - first;
          if (length == 0) {
            pooled.select(0, b).zero_();
          } else {
            Tensor sequence = view(row(call.inp(), first, C, dtype), dtype, length, C);
            pooled.select(0, b).copy_(widen(sequence).mean(0));
          }
        });
  }

  static void meanPoolBackward(TorchPool pool, MeanPoolCall.Backward call) {
    long B = call.B();
    long C = call.C();
    DType dtype = call.dtype();
    String op = "mean_pool_bwd";
    if (B == 0) {
      return;
    }
    int[] offsets = Arguments.offsets(op, "cu_seqlens", call.cuSeqlens(), B);
    if (offsets[(int) B] == 0) {
      return;
    }
    pool.tiles(
        B,
        b -> {
          int first = offsets[(int) b];
          int length = offsets[(int) b + 1] - first;
          if (length > 0) {
            Tensor gradient = widen(view(row(call.dout(), b, C, dtype), dtype, C));
            Tensor target = view(row(call.dinp(), first, C, dtype), dtype, length, C);
            store(target, gradient.div(scalar(length)), call.accumulate());
          }
        });
  }

  private static long row(long address, long row, long C, DType dtype) {
    return address + row * C * dtype.sizeBytes();
  }

  private static Tensor longs(long address, long count) {
    return view(address, DType.I32, count).to(ScalarType.Long);
  }
}
