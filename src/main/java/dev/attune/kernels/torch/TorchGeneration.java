package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What generation needs besides the model: the key/value cache, the choice of a token. */
final class TorchGeneration {
  private TorchGeneration() {}

  static void kvCacheWrite(
      long kCache,
      long vCache,
      long k,
      long v,
      long rows,
      long N,
      long width,
      long inpStride,
      long cacheStride,
      DType dtype) {
    String op = "kvCacheWrite";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "width", width);
    Arguments.stride(op, "inpStride", inpStride, width);
    Arguments.stride(op, "cacheStride", cacheStride, width);
    Arguments.floating(op, "dtype", dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "kCache", kCache);
    Arguments.present(op, "vCache", vCache);
    Arguments.present(op, "k", k);
    Arguments.present(op, "v", v);
    long last = Arguments.indices(op, "rows", rows, N, Integer.MAX_VALUE);
    Tensor index = view(rows, DType.I32, N).to(ScalarType.Long);
    matrix(kCache, last + 1, width, cacheStride, dtype)
        .index_copy_(0, index, matrix(k, N, width, inpStride, dtype));
    matrix(vCache, last + 1, width, cacheStride, dtype)
        .index_copy_(0, index, matrix(v, N, width, inpStride, dtype));
  }

  static void argmax(TorchPool pool, long out, long inp, long N, long K, DType dtype) {
    String op = "argmax";
    Arguments.count(op, "N", N);
    Arguments.dimension(op, "K", K);
    Arguments.floating(op, "dtype", dtype);
    if (N == 0) {
      return;
    }
    Arguments.present(op, "out", out);
    Arguments.present(op, "inp", inp);
    pool.ranges(
        N,
        TorchPool.rowsOfTile(K),
        (row, rows) -> {
          Tensor x = widen(view(inp + row * K * dtype.sizeBytes(), dtype, rows, K));
          Tensor index = x.argmax(new LongOptional(1), false);
          index.masked_fill_(x.isnan().any(1, false), scalar(-1));
          view(out + row * Integer.BYTES, DType.I32, rows).copy_(index);
        });
  }

  private static Tensor matrix(long address, long rows, long width, long stride, DType dtype) {
    return strided(address, dtype, new long[] {rows, width}, new long[] {stride, 1});
  }
}
