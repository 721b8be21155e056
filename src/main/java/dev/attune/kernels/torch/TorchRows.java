package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Ops that move whole rows: embedding, gathering, pooling. */
final class TorchRows {
  private TorchRows() {}

  static void embeddingForward(
      TorchPool pool,
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
      DType dtype) {
    String op = "embeddingForward";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    checkTable(op, "word", word, "ids", ids, N, "V", V);
    if (position != 0) {
      checkTable(op, "position", position, "positions", positions, N, "P", P);
    }
    if (type != 0) {
      checkTable(op, "type", type, "typeIds", typeIds, N, "T", T);
    }
    pool.ranges(
        N,
        TorchPool.rowsOfTile(C),
        (row, rows) -> {
          Tensor sum = lookUp(word, ids, row, rows, C, V);
          if (position != 0) {
            sum.add_(lookUp(position, positions, row, rows, C, P));
          }
          if (type != 0) {
            sum.add_(lookUp(type, typeIds, row, rows, C, T));
          }
          view(row(out, row, C, dtype), dtype, rows, C).copy_(sum);
        });
  }

  private static void checkTable(
      String op,
      String tableName,
      long table,
      String indexName,
      long indices,
      long N,
      String boundName,
      long bound) {
    Arguments.present(op, tableName, table);
    Arguments.dimension(op, boundName, bound);
    Arguments.indices(op, indexName, indices, N, bound);
  }

  /** A new tensor: the rows of a table that {@code indices} names from {@code row} on. */
  private static Tensor lookUp(long table, long indices, long row, long rows, long C, long bound) {
    Tensor index = view(indices + row * Integer.BYTES, DType.I32, rows);
    return view(table, DType.F32, bound, C).index_select(0, index);
  }

  static void embeddingBackward(
      long dword,
      long dposition,
      long dtokenType,
      long dout,
      long ids,
      long positions,
      long typeIds,
      long N,
      long C,
      DType dtype) {
    String op = "embeddingBackward";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "dout", dout);
    // All indices are checked before any table is written.
    long wordRows = rowsOf(op, dword, "ids", ids, N);
    long positionRows = rowsOf(op, dposition, "positions", positions, N);
    long tokenTypeRows = rowsOf(op, dtokenType, "typeIds", typeIds, N);
    Tensor gradient = widen(view(dout, dtype, N, C));
    scatter(dword, wordRows, ids, gradient, N, C);
    scatter(dposition, positionRows, positions, gradient, N, C);
    scatter(dtokenType, tokenTypeRows, typeIds, gradient, N, C);
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

  static void zeroRows(long table, long rows, long M, long C) {
    String op = "zeroRows";
    Arguments.count(op, "M", M);
    Arguments.dimension(op, "C", C);
    if (M == 0) {
      return;
    }
    Arguments.present(op, "table", table);
    int largest = Arguments.indices(op, "rows", rows, M, Integer.MAX_VALUE);
    view(table, DType.F32, largest + 1, C).index_fill_(0, longs(rows, M), scalar(0));
  }

  static void gatherForward(long out, long inp, long rows, long M, long C, DType dtype) {
    String op = "gatherRowsForward";
    Arguments.count(op, "M", M);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    if (M == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    int largest = Arguments.indices(op, "rows", rows, M, Integer.MAX_VALUE);
    Tensor selected = view(inp, dtype, largest + 1, C).index_select(0, view(rows, DType.I32, M));
    view(out, dtype, M, C).copy_(selected);
  }

  static void gatherBackward(
      long dinp, long dout, long rows, long N, long M, long C, boolean accumulate, DType dtype) {
    String op = "gatherRowsBackward";
    Arguments.count(op, "N", N);
    Arguments.count(op, "M", M);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    Arguments.indices(op, "rows", rows, M, N);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Tensor target = view(dinp, dtype, N, C);
    if (!accumulate) {
      target.zero_();
    }
    if (M > 0) {
      Arguments.present(op, "dout", dout);
      target.index_add_(0, view(rows, DType.I32, M), view(dout, dtype, M, C));
    }
  }

  static void meanPoolForward(
      TorchPool pool, long out, long inp, long cuSeqlens, long B, long C, DType dtype) {
    String op = "meanPoolForward";
    Arguments.count(op, "B", B);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    if (B == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    int[] offsets = Arguments.offsets(op, "cuSeqlens", cuSeqlens, B);
    if (offsets[(int) B] > 0) {
      Arguments.present(op, "inp", inp);
    }
    Tensor pooled = view(out, dtype, B, C);
    pool.tiles(
        B,
        b -> {
          int first = offsets[(int) b];
          int length = offsets[(int) b + 1] - first;
          if (length == 0) {
            pooled.select(0, b).zero_();
          } else {
            Tensor sequence = view(row(inp, first, C, dtype), dtype, length, C);
            pooled.select(0, b).copy_(widen(sequence).mean(0));
          }
        });
  }

  static void meanPoolBackward(
      TorchPool pool,
      long dinp,
      long dout,
      long cuSeqlens,
      long B,
      long C,
      boolean accumulate,
      DType dtype) {
    String op = "meanPoolBackward";
    Arguments.count(op, "B", B);
    Arguments.dimension(op, "C", C);
    Arguments.floating(op, "dtype", dtype);
    if (B == 0) {
      return;
    }
    int[] offsets = Arguments.offsets(op, "cuSeqlens", cuSeqlens, B);
    if (offsets[(int) B] == 0) {
      return;
    }
    Arguments.present(op, "dinp", dinp);
    Arguments.present(op, "dout", dout);
    pool.tiles(
        B,
        b -> {
          int first = offsets[(int) b];
          int length = offsets[(int) b + 1] - first;
          if (length > 0) {
            Tensor gradient = widen(view(row(dout, b, C, dtype), dtype, C));
            Tensor target = view(row(dinp, first, C, dtype), dtype, length, C);
            store(target, gradient.div(scalar(length)), accumulate);
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
