package dev.attune.kernels.torch;

import dev.attune.core.DType;
import dev.attune.kernels.calls.AdamWCall;
import java.nio.ByteBuffer;

/**
 * AdamW with moments in blocks of codes, number by number: libtorch has no operation for the map.
 */
final class TorchAdamW8Bit {
  private static final int BLOCK = AdamWCall.MOMENT_BLOCK;
  private static final int DECADES = 7;

  /** Codes of the map with a sign from here on stand for 0 and more. */
  private static final int ZERO = 127;

  private static final float[] SIGNED = signed();
  private static final float[] UNSIGNED = magnitudes(2);

  private TorchAdamW8Bit() {}

  /** 0, the middles of {@code bins} * 2^i bins in each decade i, and 1. */
  private static float[] magnitudes(int bins) {
    float[] map = new float[bins * ((1 << DECADES) - 1) + 2];
    int at = 1;
    for (int decade = 0; decade < DECADES; decade++) {
      int count = bins << decade;
      for (int bin = 0; bin < count; bin++) {
        map[at++] =
            (float) (Math.pow(10, decade - DECADES + 1) * (0.1 + 0.9 * (bin + 0.5) / count));
      }
    }
    map[at] = 1;
    return map;
  }

  private static float[] signed() {
    float[] positive = magnitudes(1);
    float[] map = new float[ZERO + positive.length];
    for (int i = 0; i < positive.length; i++) {
      map[ZERO + i] = positive[i];
      if (i <= ZERO) {
        map[ZERO - i] = -positive[i];
      }
    }
    map[ZERO] = 0;
    return map;
  }

  private static int nearest(float[] map, float x) {
    int below = 0;
    int above = map.length - 1;
    while (above - below > 1) {
      int middle = (below + above) / 2;
      if (map[middle] <= x) {
        below = middle;
      } else {
        above = middle;
      }
    }
    return x - map[below] < map[above] - x ? below : above;
  }

  static void update(TorchPool pool, TorchStep now, AdamWCall.EightBit call) {
    if (now.stopped()) {
      return;
    }
    long blocks = (call.count() + BLOCK - 1) / BLOCK;
    pool.ranges(
        blocks,
        TorchPool.TILE / BLOCK,
        (at, length) -> {
          for (long block = at; block < at + length; block++) {
            block(now, call, block);
          }
        });
  }

  private static void block(TorchStep now, AdamWCall.EightBit call, long block) {
    long first = block * BLOCK;
    int count = (int) Math.min(BLOCK, call.count() - first);
    ByteBuffer weights = floats(call.weight(), first, count);
    ByteBuffer gradients = floats(call.grad(), first, count);
    ByteBuffer mCodes = TorchMemory.view(call.m() + first, count);
    ByteBuffer vCodes = TorchMemory.view(call.v() + first, count);
    ByteBuffer mScale = floats(call.mScale(), block, 1);
    ByteBuffer vScale = floats(call.vScale(), block, 1);
    float lr = now.lr() * call.lrFactor();
    float root = (float) Math.sqrt(now.biasCorrection2());
    float[] m = new float[count];
    float[] v = new float[count];
    float mostM = 0;
    float mostV = 0;
    for (int i = 0; i < count; i++) {
      float g = gradients.getFloat(i * Float.BYTES) * now.gradScale();
      float w = weights.getFloat(i * Float.BYTES);
      w -= lr * call.weightDecay() * w;
      m[i] = SIGNED[mCodes.get(i) & 0xFF] * mScale.getFloat(0);
      v[i] = UNSIGNED[vCodes.get(i) & 0xFF] * vScale.getFloat(0);
      m[i] += (g - m[i]) * (1 - call.beta1());
      v[i] = v[i] * call.beta2() + g * g * (1 - call.beta2());
      float denominator = (float) Math.sqrt(v[i]) / root + call.eps();
      weights.putFloat(i * Float.BYTES, w - m[i] * (lr / now.biasCorrection1()) / denominator);
      v[i] = Math.min(v[i], Float.MAX_VALUE);
      mostM = Math.max(mostM, Math.abs(m[i]));
      mostV = Math.max(mostV, v[i]);
    }
    mostM = scale(mostM);
    mostV = scale(mostV);
    for (int i = 0; i < count; i++) {
      int code = nearest(SIGNED, mostM > 0 ? m[i] / mostM : 0);
      mCodes.put(i, (byte) code);
      // What is above 0 never becomes 0.
      int square = nearest(UNSIGNED, mostV > 0 ? v[i] / mostV : 0);
      vCodes.put(i, (byte) (v[i] > 0 ? Math.max(1, square) : 0));
    }
    mScale.putFloat(0, mostM);
    vScale.putFloat(0, mostV);
    if (call.shadow() != 0) {
      ByteBuffer shadow =
          TorchMemory.view(call.shadow() + first * DType.BF16.sizeBytes(), count * Short.BYTES);
      for (int i = 0; i < count; i++) {
        shadow.putShort(i * Short.BYTES, DType.toBf16(weights.getFloat(i * Float.BYTES)));
      }
    }
  }

  private static float scale(float most) {
    return most > 0 ? Math.max(most, Float.MIN_NORMAL) : 0;
  }

  private static ByteBuffer floats(long address, long first, int count) {
    return TorchMemory.view(address + first * Float.BYTES, (long) count * Float.BYTES);
  }
}
