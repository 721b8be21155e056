package dev.attune.kernels.calls;

import dev.attune.core.DType;
import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;

/**
 * Causal attention of a few new rows of B sequences over a key/value cache: sequence b's keys are
 * cache rows {@code kStart[b] .. kStart[b] + kCount[b]}, the last of them its own queries'.
 */
public record AttentionCachedCall(
    long out,
    long q,
    long kCache,
    long vCache,
    long cuQ,
    long kStart,
    long kCount,
    long qStride,
    long kvStride,
    long B,
    long H,
    long Hkv,
    long D,
    float scale,
    long window,
    DType dtype)
    implements Call {
  private static final long MAX_HEADS = 65_535;
  private static final long MAX_HEAD_SIZE = 256;

  @Override
  public void fill(Frame frame) {
    frame.writes(out).reads(q).reads(kCache).reads(vCache);
    frame.reads(cuQ).reads(kStart).reads(kCount);
    frame.stride(qStride, H * D, B).stride(kvStride, Hkv * D, B).count(B);
    if (Hkv < 1 || H % Hkv != 0) {
      frame.refuse("is %d, must be a multiple of Hkv, which is %d", H, Hkv);
    }
    frame.dim(H, MAX_HEADS).dim(Hkv).dim(D, MAX_HEAD_SIZE);
    frame.finite(scale).bound(window).dtype(dtype);
  }
}
