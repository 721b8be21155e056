package dev.attune.bench;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LayerNormCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.kernels.cpu.CpuBackend;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What a kernel call costs besides its work: the record, the frame with its checks, the native
 * border and back. A step of MiniLM makes about 150 calls.
 */
@State(Scope.Thread)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
@Fork(1)
public class CallBench {
  private static final int BYTES = 4096;
  private static final int ROOM = 64; // of each of the small tensors below

  private CpuBackend kernels;
  private long memory;
  private long step;

  @Setup
  public void open() {
    kernels = new CpuBackend(1);
    memory = kernels.allocate(BYTES, false);
  }

  @TearDown
  public void close() {
    kernels.free(memory, BYTES);
    kernels.close();
  }

  /** One argument, and nothing to do but to keep it. */
  @Benchmark
  public void oneArgument() {
    kernels.run(new StepCall.StreamBase(step++));
  }

  /** Sixteen arguments, over one row of four columns. */
  @Benchmark
  public void sixteenArguments() {
    kernels.run(
        new LayerNormCall.Forward(
            memory,
            0,
            memory + ROOM,
            memory + 2 * ROOM,
            memory + 3 * ROOM,
            0,
            memory + 4 * ROOM,
            memory + 5 * ROOM,
            1,
            4,
            1e-5f,
            0f,
            0f,
            0,
            0,
            DType.F32));
  }
}
