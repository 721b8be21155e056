package dev.attune.store;

import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.memory.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/**
 * A weight W (F,C) whose adapters are weight-decomposed (Liu et al., DoRA, 2024): each row of
 * {@code W + scale B A} gets the norm that a trained magnitude says. The factors that do so change
 * when the parameters do, and with nothing else: they are computed once an optimizer step, and once
 * in all for inference. Rows of modules without an adapter keep the gain 1.
 */
public final class Decomposition {
  /** Arrays of F: gain, excess, norm. */
  private static final int ARRAYS = 3;

  /**
   * @param down A (R,C)
   * @param up B (rows,R)
   * @param magnitude (rows)
   * @param firstRow of the module in W
   */
  record Module(Parameter down, Parameter up, Parameter magnitude, long firstRow) {}

  private final Parameters store;
  private final Parameter weight;
  private final List<Module> modules;
  private final float scale;
  private final Buffer buffer;
  private final long offset;
  private final long stride;
  private long version = -1;

  /**
   * @param buffer holds the factors
   * @param offset of {@link #sizeBytes} bytes in it
   */
  Decomposition(
      Parameters store,
      Parameter weight,
      List<Module> modules,
      float scale,
      Buffer buffer,
      long offset) {
    this.store = store;
    this.weight = weight;
    this.modules = modules;
    this.scale = scale;
    this.buffer = buffer;
    this.offset = offset;
    this.stride = strideBytes(weight.rows());
    ByteBuffer ones =
        ByteBuffer.allocateDirect(Math.toIntExact(weight.rows() * Float.BYTES))
            .order(ByteOrder.nativeOrder());
    while (ones.hasRemaining()) {
      ones.putFloat(1f);
    }
    buffer.write(offset, ones.flip());
  }

  /** What the factors of a weight of so many rows take. */
  static long sizeBytes(long rows) {
    return ARRAYS * strideBytes(rows);
  }

  private static long strideBytes(long rows) {
    return (rows * Float.BYTES + 63) / 64 * 64;
  }

  /** Address of {@code magnitude / norm} (F) f32, of the last {@link #refresh}. */
  public long gain() {
    return buffer.address() + offset;
  }

  /** Address of {@code gain - 1} (F) f32, likewise. */
  public long excess() {
    return gain() + stride;
  }

  /** Address of the norms (F) f32 of the rows of {@code W + scale B A}, likewise. */
  public long norm() {
    return gain() + 2 * stride;
  }

  /** Brings the factors up to date with the parameters. */
  public void refresh() {
    if (version == store.version()) {
      return;
    }
    for (Module module : modules) {
      long at = module.firstRow * Float.BYTES;
      compute(module, gain() + at, excess() + at, norm() + at, module.magnitude.address());
    }
    version = store.version();
  }

  /** Sets the magnitudes to the norms: so nothing is changed by an adapter that is zero. */
  void initialize() {
    for (Module module : modules) {
      compute(module, 0, 0, module.magnitude.address(), 0);
    }
  }

  private void compute(Module module, long gain, long excess, long norm, long magnitude) {
    Backend backend = store.backend();
    backend.run(
        new DoraCall.Gain(
            gain,
            excess,
            norm,
            weight.address(),
            module.down.address(),
            module.up.address(),
            magnitude,
            weight.rows(),
            module.firstRow,
            module.up.rows(),
            weight.cols(),
            module.down.rows(),
            scale,
            weight.dtype()));
  }
}
