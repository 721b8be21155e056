package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.DoraCall;
import dev.attune.memory.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.function.LongSupplier;

/**
 * A weight W (F,C) whose adapters are weight-decomposed (Liu et al., DoRA, 2024): each row of
 * {@code W + scale B A} gets the norm that a trained magnitude says. The factors that do so change
 * when the parameters do, and with nothing else: they are computed once an optimizer step, and once
 * in all for inference. Rows of modules without an adapter keep the gain 1.
 */
public final class Decomposition {
  /** Arrays of F: gain, excess, norm. */
  private static final int ARRAYS = 3;

  private final Parameter weight;
  private final List<Adapter> adapters;
  private final long stride;
  private Backend backend; // null, as the rest, until the parameters are built
  private LongSupplier versions; // of the parameters
  private Buffer buffer;
  private long offset;
  private long version = -1;

  /**
   * @param adapters of modules of the weight, each with magnitudes
   */
  Decomposition(Parameter weight, List<Adapter> adapters) {
    this.weight = weight;
    this.adapters = List.copyOf(adapters);
    this.stride = strideBytes(weight.rows());
  }

  /**
   * Gives the factors their place.
   *
   * @param parametersVersion grows whenever the parameters may have changed
   * @param factors a buffer with {@link #sizeBytes} bytes for them
   * @param at their first byte in it
   */
  void place(Backend device, LongSupplier parametersVersion, Buffer factors, long at) {
    this.backend = device;
    this.versions = parametersVersion;
    this.buffer = factors;
    this.offset = at;
    ByteBuffer ones =
        ByteBuffer.allocateDirect(Math.toIntExact(weight.rows() * Float.BYTES))
            .order(ByteOrder.nativeOrder());
    while (ones.hasRemaining()) {
      ones.putFloat(1f);
    }
    buffer.write(offset, ones.flip());
  }

  /** What the factors take. */
  long sizeBytes() {
    return ARRAYS * stride;
  }

  private static long strideBytes(long rows) {
    return (rows * Float.BYTES + 63) / 64 * 64;
  }

  /** Address of {@code magnitude / norm} (F) f32, of the last {@link #refresh}. */
  public long gain() {
    Check.state(buffer != null, "the decomposition of %s has no place yet", weight.name());
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
    long now = versions.getAsLong();
    if (version == now) {
      return;
    }
    for (Adapter adapter : adapters) {
      long at = adapter.firstColumn() * Float.BYTES;
      compute(adapter, gain() + at, excess() + at, norm() + at, adapter.magnitude().address());
    }
    version = now;
  }

  /** Sets the magnitudes to the norms: so nothing is changed by an adapter that is zero. */
  void initialize() {
    for (Adapter adapter : adapters) {
      compute(adapter, 0, 0, adapter.magnitude().address(), 0);
    }
  }

  private void compute(Adapter adapter, long gain, long excess, long norm, long magnitude) {
    backend.run(
        new DoraCall.Gain(
            gain,
            excess,
            norm,
            weight.address(),
            adapter.down().address(),
            adapter.up().address(),
            magnitude,
            weight.rows(),
            adapter.firstColumn(),
            adapter.up().rows(),
            weight.cols(),
            adapter.rank(),
            adapter.scale(),
            weight.dtype()));
  }
}
