package dev.attune.kernels.cpu;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeBackend;
import dev.attune.kernels.NativeCalls;
import dev.attune.kernels.Replay;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Optional;

/** Our C++ kernels: {@code native/cpu}, one native context. */
public final class CpuBackend extends NativeBackend {
  private static final String ARITHMETIC = "cpu, ";
  private static final long FEW_ROWS = 16; // kFewRows of native/cpu/linear_few.h

  private final int threads;
  private final Isa isa;
  private final boolean fastBf16;
  private long ctx;

  /** Opens the highest instruction-set level, or the one that ATTUNE_ISA names. */
  public CpuBackend(int threads) {
    this(threads, Isa.fromEnvironment().orElse(Isa.BEST));
  }

  /** Opens a level, whose bf16 counts as slow. */
  public CpuBackend(int threads, Isa isa) {
    this(threads, isa, false);
  }

  /**
   * @param threads 1..4096
   * @param isa the level to run; an unavailable one throws {@link UnsupportedOperationException}
   * @param fastBf16 whether bf16 is the faster type on it: see {@link LevelChoice}
   */
  CpuBackend(int threads, Isa isa, boolean fastBf16) {
    super(KernelLibrary.cpu());
    this.ctx = NativeCalls.openCpu(threads, isa.code());
    if (ctx == 0) {
      String message = library().lastError();
      if (threads < 1 || threads > 4096) {
        throw new IllegalArgumentException(message);
      }
      throw new UnsupportedOperationException(
          "the instruction-set level " + isa.label() + " is not available: " + message);
    }
    this.threads = threads;
    this.isa = Isa.ofCode(NativeCalls.isa(ctx));
    this.fastBf16 = fastBf16;
  }

  /** Why this machine or build does not run a level; empty where it does. */
  public static Optional<String> unavailableReason(Isa isa) {
    try {
      new CpuBackend(1, isa).close();
      return Optional.empty();
    } catch (UnsupportedOperationException e) {
      return Optional.of(e.getMessage());
    }
  }

  @Override
  public String name() {
    return "cpu";
  }

  @Override
  public DeviceKind device() {
    return DeviceKind.CPU;
  }

  @Override
  public String description() {
    return "cpu, " + isa.label() + ", " + threads + (threads == 1 ? " thread" : " threads");
  }

  /** The number of threads makes no difference. */
  @Override
  public String arithmetic() {
    return ARITHMETIC + isa.label();
  }

  /** The level that {@link #arithmetic} named, if it is that of a CPU. */
  public static Optional<Isa> levelOf(String arithmetic) {
    return arithmetic.startsWith(ARITHMETIC)
        ? Isa.named(arithmetic.substring(ARITHMETIC.length()))
        : Optional.empty();
  }

  @Override
  public boolean hasFastBf16() {
    return fastBf16;
  }

  @Override
  public double peakFlopsPerSecond(DType dtype) {
    double peak = NativeCalls.peak(ctx(), dtype.code());
    Check.state(peak > 0, "no peak was measured: %s", library().lastError());
    return peak;
  }

  @Override
  public boolean readsNarrowWeights() {
    return true;
  }

  @Override
  public boolean updatesRowsLater() {
    return true;
  }

  @Override
  public long fewRows() {
    return FEW_ROWS;
  }

  /** On tiles an element is one chain of steps: see native/cpu/linear_amx.h. */
  @Override
  public boolean rowsAreAlike(DType dtype) {
    return isa.hasTiles() && dtype == DType.BF16;
  }

  @Override
  protected long ctx() {
    Check.state(ctx != 0, "the cpu backend is closed");
    return ctx;
  }

  @Override
  public Replay keep(Runnable body) {
    return keepCalls(body);
  }

  @Override
  public boolean wantsBf16Weights() {
    return isa.hasTiles();
  }

  @Override
  public boolean sumsSquares() {
    return isa.hasTiles();
  }

  /** The instruction-set level in use. */
  public Isa isa() {
    return isa;
  }

  @Override
  public boolean hasSiblings() {
    return true;
  }

  @Override
  public CpuBackend sibling() {
    return new CpuBackend(threads, isa, fastBf16);
  }

  @Override
  public int threads() {
    return threads;
  }

  @Override
  public void share(int share) {
    check(NativeCalls.share(ctx, share));
  }

  @Override
  public long allocate(long sizeBytes, boolean hugePages) {
    long address = NativeCalls.bufferAlloc(sizeBytes, hugePages ? 1 : 0);
    if (address == 0) {
      throw new DeviceMemoryException(library().lastError() + AddressSpace.advice());
    }
    return address;
  }

  @Override
  public void free(long address, long sizeBytes) {
    check(NativeCalls.bufferFree(address, sizeBytes));
  }

  @Override
  public void advise(long address, long sizeBytes, boolean hugePages) {
    check(NativeCalls.bufferAdvise(address, sizeBytes, hugePages ? 1 : 0));
  }

  @Override
  public void discard(long address, long sizeBytes) {
    check(NativeCalls.bufferDiscard(address, sizeBytes));
  }

  @Override
  public boolean hasViews() {
    return true;
  }

  @Override
  public ByteBuffer view(long address, long sizeBytes) {
    Check.argument(
        sizeBytes >= 0 && sizeBytes <= Integer.MAX_VALUE,
        "a view holds at most 2 GiB, not %d bytes",
        sizeBytes);
    return new NativePointer(address, sizeBytes).asByteBuffer().order(ByteOrder.nativeOrder());
  }

  @Override
  public void close() {
    if (ctx != 0) {
      check(NativeCalls.closeCpu(ctx));
      ctx = 0;
    }
  }
}
