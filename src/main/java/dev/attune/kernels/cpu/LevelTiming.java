package dev.attune.kernels.cpu;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Call;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.LinearInt8Call;
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

  // Products that are only compared: of rows so deep that their sums go on from one block to the
  // next, and of few.
  private static final int DEEP = 1056;
  private static final int MANY_ROWS = ROWS + 1;
  private static final int FEW_ROWS = 16;
  private static final int COLUMNS = 40;

  /** Of numbers that are not the same: a prime, so that rows differ too. */
  private static final int NUMBERS = 4093;

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
      one.addRarerCalls();
      other.addRarerCalls();
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

  /** The numbers that tensors are filled with, over and over, in each type. */
  private static Map<DType, ByteBuffer> numbersToMultiply() {
    ByteBuffer f32 = direct(NUMBERS, DType.F32);
    ByteBuffer bf16 = direct(NUMBERS, DType.BF16);
    int state = 1;
    for (int i = 0; i < NUMBERS; i++) {
      state = state * 1_664_525 + 1_013_904_223;
      float value = (state >> 16) / 262_144f; // -0.125 .. 0.125
      f32.putFloat(value);
      bf16.putShort(DType.toBf16(value));
    }
    return Map.of(DType.F32, f32.flip(), DType.BF16, bf16.flip());
  }

  private static ByteBuffer direct(int elements, DType dtype) {
    return ByteBuffer.allocateDirect(elements * dtype.sizeBytes()).order(ByteOrder.nativeOrder());
  }

  /** A tensor in a bench; whether calls write it. */
  private record Region(Buffer buffer, int elements, DType dtype, boolean isWritten) {
    /** With numbers from the given one on. */
    void fill(Map<DType, ByteBuffer> numbers, int first) {
      ByteBuffer bytes = direct(elements, dtype);
      ByteBuffer from = numbers.get(dtype).duplicate().position(first * dtype.sizeBytes());
      for (; bytes.hasRemaining(); from.rewind()) {
        bytes.put(from.limit(Math.min(from.capacity(), from.position() + bytes.remaining())));
      }
      buffer.write(0, bytes.flip());
    }

    float[] read() {
      ByteBuffer bytes = direct(elements, dtype);
      buffer.read(0, bytes);
      bytes.flip();
      float[] values = new float[elements];
      if (dtype == DType.F32) {
        bytes.asFloatBuffer().get(values);
      } else {
        for (int i = 0; i < elements; i++) {
          values[i] = DType.fromBf16(bytes.getShort());
        }
      }
      return values;
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
    private final List<Call> rarerCalls = new ArrayList<>();
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

    /** A tensor that calls write. */
    private Buffer tensor(long elements, DType dtype) {
      return tensor(elements, dtype, true);
    }

    private Buffer input(long elements, DType dtype) {
      return tensor(elements, dtype, false);
    }

    private Buffer tensor(long elements, DType dtype, boolean isWritten) {
      Buffer buffer = allocate(elements, dtype.sizeBytes());
      regions.add(new Region(buffer, (int) elements, dtype, isWritten));
      return buffer;
    }

    private List<Call> calls(DType dtype) {
      int wideWidth = wide(width);
      Buffer narrow = tensor((long) ROWS * width, dtype);
      Buffer qkv = tensor(3L * ROWS * width, dtype);
      Buffer dqkv = tensor(3L * ROWS * width, dtype);
      Buffer wide = tensor((long) ROWS * wideWidth, dtype);
      Buffer weight = input((long) width * wideWidth, DType.F32);
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

    /**
     * What the layer's calls leave out of a level's kinds of products, for {@link #numbers}: bf16
     * in two blocks of the depth, few rows of f32 with a weight in bf16, and integers.
     */
    void addRarerCalls() {
      Buffer weight = input((long) COLUMNS * DEEP, DType.F32);
      rarerCalls.add(
          forward(
              tensor((long) MANY_ROWS * COLUMNS, DType.BF16),
              input((long) MANY_ROWS * DEEP, DType.BF16),
              weight,
              MANY_ROWS,
              DEEP,
              COLUMNS,
              DType.BF16,
              DType.F32));
      // Whole tiles of the weight, and the last of its rows.
      rarerCalls.add(
          forward(
              tensor((long) FEW_ROWS * COLUMNS, DType.F32),
              input((long) FEW_ROWS * WIDTH, DType.F32),
              input((long) COLUMNS * WIDTH, DType.BF16),
              FEW_ROWS,
              WIDTH,
              COLUMNS,
              DType.F32,
              DType.BF16));
      // Steps of which the last is not whole.
      int C = COMPARED_WIDTH + 4;
      Buffer inp = input((long) MANY_ROWS * C, DType.F32);
      Buffer codes = allocate(ChannelInt8Layout.of(C).sizeBytes(COLUMNS), 1);
      Buffer scratch = allocate(LinearInt8Call.Forward.scratchBytes(MANY_ROWS, C), 1);
      Buffer out = tensor((long) MANY_ROWS * COLUMNS, DType.F32);
      rarerCalls.add(new LinearInt8Call.Pack(codes.address(), weight.address(), COLUMNS, C));
      rarerCalls.add(
          new LinearInt8Call.Forward(
              out.address(),
              scratch.address(),
              inp.address(),
              codes.address(),
              0,
              MANY_ROWS,
              C,
              COLUMNS,
              Activation.NONE));
    }

    /** What the calls leave of numbers that are always the same. */
    List<float[]> numbers() {
      Map<DType, ByteBuffer> numbers = numbersToMultiply();
      for (int i = 0; i < regions.size(); i++) {
        regions.get(i).fill(numbers, i * (NUMBERS / regions.size()));
      }
      f32Calls.forEach(backend::run);
      bf16Calls.forEach(backend::run);
      rarerCalls.forEach(backend::run);
      return regions.stream().filter(Region::isWritten).map(Region::read).toList();
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
        forward(out, inp, weight, ROWS, C, F, dtype, DType.F32),
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

  private static Call forward(
      Buffer out, Buffer inp, Buffer weight, int N, int C, int F, DType dtype, DType weightDtype) {
    return new LinearCall.Forward(
        out.address(),
        0,
        inp.address(),
        weight.address(),
        0,
        N,
        C,
        F,
        Activation.NONE,
        dtype,
        weightDtype);
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
