package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.ArgmaxCall;
import dev.attune.kernels.calls.KvCacheWriteCall;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** What generation needs besides the model: the key/value cache, the choice of a token. */
final class TorchGeneration {
  private TorchGeneration() {}

  static void kvCacheWrite(KvCacheWriteCall call) {
    long N = call.N();
    long width = call.width();
    DType dtype = call.dtype();
    String op = "kv_cache_write";
    if (N == 0) {
      return;
    }
    long last = Arguments.indices(op, "rows", call.rows(), N, Integer.MAX_VALUE);
    Tensor index = view(call.rows(), DType.I32, N).to(ScalarType.Long);
    matrix(call.kCache(), last + 1, width, call.cacheStride(), dtype)
        .index_copy_(0, index, matrix(call.k(), N, width, call.inpStride(), dtype));
    matrix(call.vCache(), last + 1, width, call.cacheStride(), dtype)
        .index_copy_(0, index, matrix(call.v(), N, width, call.inpStride(), dtype));
  }

  static void argmax(TorchPool pool, ArgmaxCall call) {
    long K = call.K();
    if (call.N() == 0) {
      return;
    }
    pool.ranges(
        call.N(),
        TorchPool.rowsOfTile(K),
        (row, rows) -> {
          Tensor x =
              widen(view(call.inp() + row * K * call.dtype().sizeBytes(), call.dtype(), rows, K));
          Tensor index = x.argmax(new LongOptional(1), false);
          index.masked_fill_(x.isnan().any(1, false), scalar(-1));
          view(call.out() + row * Integer.BYTES, DType.I32, rows).copy_(index);
        });
  }

  private static Tensor matrix(long address, long rows, long width, long stride, DType dtype) {
    return strided(address, dtype, new long[] {rows, width}, new long[] {stride, 1});
  }
}
