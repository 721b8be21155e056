package dev.attune.kernels.cpu;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.stream.DoubleStream;

/**
 * Times the levels of this machine: the products and the attention of a small layer, forward and
 * backward, on one thread, in fp32 and in bf16. The levels take turns, and of each call the best
 * time counts: a call takes half a millisecond, so that on a busy machine too some are not
 * interrupted. About a fifth of a second for three levels.
 */
final class LevelTiming {
  /** To be raised when other work is timed, so that what was kept of the old is not read. */
  static final int VERSION = 1;

  private static final int ROUNDS = 8;

  // One sequence of 64 rows through MiniLM's layer: width 384, 12 heads.
  private static final int ROWS = 64;
  private static final int WIDTH = 384;
  private static final int HEADS = 12;
  private static final int WIDE = 4 * WIDTH;

  private LevelTiming() {}

  /** The rates of all levels but the portable one, unless that is the only one. */
  static LevelFigures measure() {
    List<Isa> levels = new ArrayList<>(Isa.ofThisMachine());
    if (levels.size() > 1) {
      levels.remove(Isa.PORTABLE);
    }
    Map<Isa, Bench> benches = new EnumMap<>(Isa.class);
    try {
      for (Isa level : levels) {
        benches.put(level, new Bench(level));
      }
      for (int round = -1; round < ROUNDS; round++) { // the first warms up
        for (Bench bench : benches.values()) {
          bench.run(round >= 0);
        }
      }
      LevelFigures figures = new LevelFigures();
      benches.forEach(
          (level, bench) -> figures.with(level, gigaflops(bench.f32), gigaflops(bench.bf16)));
      return figures;
    } finally {
      benches.values().forEach(Bench::close);
    }
  }

  private static double gigaflops(double[] nanos) {
    double products = 3.0 * 2 * ROWS * (3L * WIDTH * WIDTH + 2L * WIDTH * WIDE);
    double attention = 7.0 * 2 * ROWS * ROWS * WIDTH;
    return (products + attention) / DoubleStream.of(nanos).sum();
  }

  /** A level with its layer, and the best time of each call so far. */
  private static final class Bench implements AutoCloseable {
    private final CpuBackend backend;
    private final List<Buffer> buffers = new ArrayList<>();
    private final List<Call> f32Calls;
    private final List<Call> bf16Calls;
    private final double[] f32;
    private final double[] bf16;

    Bench(Isa level) {
      backend = new CpuBackend(1, level);
      f32Calls = calls(DType.F32);
      bf16Calls = calls(DType.BF16);
      f32 = new double[f32Calls.size()];
      bf16 = new double[bf16Calls.size()];
      Arrays.fill(f32, Double.POSITIVE_INFINITY);
      Arrays.fill(bf16, Double.POSITIVE_INFINITY);
    }

    private Buffer allocate(long elements, int size) {
      Buffer buffer = Buffer.allocate(backend, elements * size, true);
      buffers.add(buffer);
      return buffer;
    }

    private List<Call> calls(DType dtype) {
      int size = dtype.sizeBytes();
      Buffer narrow = allocate((long) ROWS * WIDTH, size);
      Buffer qkv = allocate(3L * ROWS * WIDTH, size);
      Buffer dqkv = allocate(3L * ROWS * WIDTH, size);
      Buffer wide = allocate((long) ROWS * WIDE, size);
      Buffer weight = allocate((long) WIDTH * WIDE, Float.BYTES);
      Buffer dweight = allocate((long) WIDTH * WIDE, Float.BYTES);
      Buffer lse = allocate((long) HEADS * ROWS, Float.BYTES);
      Buffer offsets = allocate(2, Integer.BYTES);
      offsets.write(
          0,
          ByteBuffer.allocateDirect(2 * Integer.BYTES)
              .order(ByteOrder.nativeOrder())
              .putInt(4, ROWS));
      List<Call> calls = new ArrayList<>();
      calls.addAll(product(qkv, narrow, weight, dweight, WIDTH, 3 * WIDTH, dtype));
      calls.addAll(attention(narrow, qkv, dqkv, lse, offsets, dtype));
      calls.addAll(product(wide, narrow, weight, dweight, WIDTH, WIDE, dtype));
      calls.addAll(product(narrow, wide, weight, dweight, WIDE, WIDTH, dtype));
      return calls;
    }

    void run(boolean counts) {
      time(f32Calls, f32, counts);
      time(bf16Calls, bf16, counts);
    }

    private void time(List<Call> calls, double[] best, boolean counts) {
      for (int i = 0; i < best.length; i++) {
        long begin = System.nanoTime();
        backend.run(calls.get(i));
        long nanos = System.nanoTime() - begin;
        if (counts) {
          best[i] = Math.min(best[i], nanos);
        }
      }
    }

    @Override
    public void close() {
      buffers.forEach(Buffer::close);
      backend.close();
    }
  }

  /** There and back; what the numbers are makes no difference to the time. */
  private static List<Call> product(
      Buffer out, Buffer inp, Buffer weight, Buffer dweight, int C, int F, DType dtype) {
    return List.of(
        new LinearCall.Forward(
            out.address(),
            0,
            inp.address(),
            weight.address(),
            0,
            ROWS,
            C,
            F,
            Activation.NONE,
            dtype,
            DType.F32),
        new LinearCall.BackwardWeight(
            dweight.address(), 0, out.address(), inp.address(), ROWS, C, F, false, dtype),
        new LinearCall.BackwardInput(
            inp.address(),
            0,
            out.address(),
            weight.address(),
            0,
            ROWS,
            C,
            F,
            Activation.NONE,
            false,
            dtype,
            DType.F32));
  }

  private static List<Call> attention(
      Buffer out, Buffer qkv, Buffer dqkv, Buffer lse, Buffer offsets, DType dtype) {
    int D = WIDTH / HEADS;
    long step = (long) WIDTH * dtype.sizeBytes();
    float scale = (float) (1 / Math.sqrt(D));
    AttentionCall.Problem problem =
        new AttentionCall.Problem(
            3L * WIDTH, 3L * WIDTH, 1, ROWS, HEADS, HEADS, D, scale, false, 0, 0, 0, 0, dtype);
    long q = qkv.address();
    long dq = dqkv.address();
    long cu = offsets.address();
    return List.of(
        new AttentionCall.Forward(
            out.address(), lse.address(), q, q + step, q + 2 * step, cu, cu, problem),
        new AttentionCall.Backward(
            dq,
            dq + step,
            dq + 2 * step,
            out.address(),
            q,
            q + step,
            q + 2 * step,
            out.address(),
            lse.address(),
            cu,
            cu,
            problem));
  }
}
