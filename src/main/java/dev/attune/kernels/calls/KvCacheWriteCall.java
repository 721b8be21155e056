package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * Copies rows of {@code k, v (N,width)}, {@code inpStride} apart, to {@code rows (N)} of the
 * caches, {@code cacheStride} apart.
 */
public record KvCacheWriteCall(
    long kCache,
    long vCache,
    long k,
    long v,
    long rows,
    long N,
    long width,
    long inpStride,
    long cacheStride,
    DType dtype)
    implements Call {
  @Override
  public void fill(Frame frame) {
    frame.writes(kCache).writes(vCache).reads(k).reads(v).reads(rows);
    frame.count(N).columns(width, N);
    frame.stride(inpStride, width, N).stride(cacheStride, width, N).dtype(dtype);
  }
}
