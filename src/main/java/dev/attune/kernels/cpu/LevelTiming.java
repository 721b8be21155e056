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
  static final int VERSION = 2;

  private static final int ROUNDS = 8;

  /** Some bf16 roundings one after the other; a wrong product is off by its whole size. */
  private static final double ROUNDING = 0.125;

  // One sequence of 64 rows through MiniLM's layer: width 384, 12 heads.
  private static final int ROWS = 64;
  private static final int WIDTH = 384;
  private static final int HEAD_SIZE = 32;

  /** Of a layer that is only compared, at every start: a third in each direction. */
  private static final int COMPARED_WIDTH = WIDTH / 3;

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
        benches.put(level, new Bench(level, WIDTH));
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

  private static int wide(int width) {
    return 4 * width;
  }

  private static double gigaflops(double[] nanos) {
    double products = 3.0 * 2 * ROWS * (3L * WIDTH * WIDTH + 2L * WIDTH * wide(WIDTH));
    double attention = 7.0 * 2 * ROWS * ROWS * WIDTH;
    return (products + attention) / DoubleStream.of(nanos).sum();
  }

  /**
   * Whether a level gives the numbers of another, but for rounding: what is asked of a level before
   * it is chosen on a processor that nobody has seen it on.
   */
  static boolean agrees(Isa level, Isa with) {
    try (Bench one = new Bench(level, COMPARED_WIDTH);
        Bench other = new Bench(with, COMPARED_WIDTH)) {
      return agree(other.numbers(), one.numbers());
    }
  }

  /** Whether no number is off by more than a part of the root of its array's mean square. */
  static boolean agree(List<float[]> expected, List<float[]> numbers) {
    for (int i = 0; i < expected.size(); i++) {
      float[] a = expected.get(i);
      float[] b = numbers.get(i);
      double squares = 0;
      double worst = 0;
      for (int j = 0; j < a.length; j++) {
        squares += (double) a[j] * a[j];
        double error = Math.abs((double) a[j] - b[j]);
        worst = error <= worst ? worst : error; // NaN counts
      }
      if (!(worst <= ROUNDING * Math.sqrt(squares / a.length))) {
        return false;
      }
    }
    return true;
  }

  /** A tensor in a bench. */
  private record Region(Buffer buffer, int elements, DType dtype) {
    void fill(int[] state) {
      ByteBuffer bytes = bytes();
      for (int i = 0; i < elements; i++) {
        state[0] = state[0] * 1_664_525 + 1_013_904_223;
        float value = (state[0] >> 16) / 262_144f; // -0.125 .. 0.125
        if (dtype == DType.BF16) {
          bytes.putShort(DType.toBf16(value));
        } else {
          bytes.putFloat(value);
        }
      }
      buffer.write(0, bytes.flip());
    }

    float[] read() {
      ByteBuffer bytes = bytes();
      buffer.read(0, bytes);
      bytes.flip();
      float[] values = new float[elements];
      for (int i = 0; i < elements; i++) {
        values[i] = dtype == DType.BF16 ? DType.fromBf16(bytes.getShort()) : bytes.getFloat();
      }
      return values;
    }

    private ByteBuffer bytes() {
      return ByteBuffer.allocateDirect(elements * dtype.sizeBytes()).order(ByteOrder.nativeOrder());
    }
  }

  /** A level with its layer, and the best time of each call so far. */
  private static final class Bench implements AutoCloseable {
    private final CpuBackend backend;
    private final int width;
    private final List<Buffer> buffers = new ArrayList<>();
    private final List<Call> f32Calls;
    private final List<Region> regions = new ArrayList<>();
    private final List<Call> bf16Calls;
    private final double[] f32;
    private final double[] bf16;

    Bench(Isa level, int width) {
      this.width = width;
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

    /** A tensor of the layer. */
    private Buffer tensor(long elements, DType dtype) {
      Buffer buffer = allocate(elements, dtype.sizeBytes());
      regions.add(new Region(buffer, (int) elements, dtype));
      return buffer;
    }

    private List<Call> calls(DType dtype) {
      int wideWidth = wide(width);
      Buffer narrow = tensor((long) ROWS * width, dtype);
      Buffer qkv = tensor(3L * ROWS * width, dtype);
      Buffer dqkv = tensor(3L * ROWS * width, dtype);
      Buffer wide = tensor((long) ROWS * wideWidth, dtype);
      Buffer weight = tensor((long) width * wideWidth, DType.F32);
      Buffer dweight = tensor((long) width * wideWidth, DType.F32);
      Buffer lse = tensor((long) width / HEAD_SIZE * ROWS, DType.F32);
      Buffer offsets = allocate(2, Integer.BYTES);
      offsets.write(
          0,
          ByteBuffer.allocateDirect(2 * Integer.BYTES)
              .order(ByteOrder.nativeOrder())
              .putInt(4, ROWS));
      List<Call> calls = new ArrayList<>();
      calls.addAll(product(qkv, narrow, weight, dweight, width, 3 * width, dtype));
      calls.addAll(attention(narrow, qkv, dqkv, lse, offsets, width, dtype));
      calls.addAll(product(wide, narrow, weight, dweight, width, wideWidth, dtype));
      calls.addAll(product(narrow, wide, weight, dweight, wideWidth, width, dtype));
      return calls;
    }

    /** What the calls leave of numbers that are always the same. */
    List<float[]> numbers() {
      int[] state = {1};
      for (Region region : regions) {
        region.fill(state);
      }
      f32Calls.forEach(backend::run);
      bf16Calls.forEach(backend::run);
      return regions.stream().map(Region::read).toList();
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
      Buffer out, Buffer qkv, Buffer dqkv, Buffer lse, Buffer offsets, int width, DType dtype) {
    int heads = width / HEAD_SIZE;
    long step = (long) width * dtype.sizeBytes();
    float scale = (float) (1 / Math.sqrt(HEAD_SIZE));
    AttentionCall.Problem problem =
        new AttentionCall.Problem(
            3L * width,
            3L * width,
            1,
            ROWS,
            heads,
            heads,
            HEAD_SIZE,
            scale,
            false,
            0,
            0,
            0,
            0,
            dtype);
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
