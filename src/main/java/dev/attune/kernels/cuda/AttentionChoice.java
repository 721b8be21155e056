package dev.attune.kernels.cuda;

import dev.attune.core.Cache;
import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.ChoiceFile;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.cuda.AttentionEngine.Batch;
import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongFunction;

/**
 * Which kernels compute attention: ours, or an engine's where it is there and faster. Decided for
 * each shape and direction, when it occurs for the first time, by running both on the batch at
 * hand: the engine's numbers must be ours up to rounding, and its time clearly less. The decision
 * is kept in a file, so that another run computes the same bytes.
 */
final class AttentionChoice implements AutoCloseable {
  /**
   * Shorter sequences are left to our kernels unasked: below this length attention is a few
   * hundredths of a model's work, and an engine's second of compilation would not come back.
   */
  static final int MIN_LENGTH = 512;

  private static final String KIND = "attention";

  private static final int MAX_LENGTH = 1 << 17;

  /** What the engines know: see the support matrix of cuDNN's attention for Hopper. */
  private static final int MAX_HEAD_SIZE = 128;

  /** Of the memory that keeps the device busy before a measurement. */
  private static final long FILL_BYTES = 32L << 20;

  /** Of outputs that are on the host at a time. */
  private static final int COMPARED_BYTES = 4 << 20;

  /** What an engine must save to be taken: a difference that the noise of measuring is not. */
  private static final double FASTER = 0.95;

  /**
   * Root mean square difference, relative to ours, that two orders of rounding to bf16 explain: a
   * rounding of the result and one of each probability are 0.002 each; a gradient has been through
   * three. A wrong mask or offset is of order one.
   */
  private static final double TOLERANCE = 0.02;

  private static final double STATS_TOLERANCE = 1e-3;

  private enum Direction {
    FORWARD,
    BACKWARD
  }

  private record Key(Direction direction, Shape shape) {
    String text() {
      return String.format(
          Locale.ROOT,
          "%s_%dx%d_%dx%dx%d%s",
          direction.name().toLowerCase(Locale.ROOT),
          shape.sequences(),
          shape.length(),
          shape.heads(),
          shape.keyValueHeads(),
          shape.headSize(),
          shape.causal() ? "_causal" : "");
    }
  }

  /**
   * What was measured.
   *
   * @param engineMillis NaN where the engine has nothing for the shape or gives other numbers
   */
  record Verdict(boolean engine, float ourMillis, float engineMillis) {
    static final int BYTES = 1 + 2 * Float.BYTES;

    byte[] encode() {
      return ByteBuffer.allocate(BYTES)
          .put((byte) (engine ? 1 : 0))
          .putFloat(ourMillis)
          .putFloat(engineMillis)
          .array();
    }

    static Verdict decode(byte[] bytes) {
      ByteBuffer from = ByteBuffer.wrap(bytes);
      return new Verdict(from.get() == 1, from.getFloat(), from.getFloat());
    }

    @Override
    public String toString() {
      String ours = String.format(Locale.ROOT, "%.3f ms", ourMillis);
      if (Float.isNaN(engineMillis)) {
        return "our kernels (" + ours + "), the engine cannot";
      }
      return String.format(
          Locale.ROOT,
          "%s (%s by ours, %.3f ms by the engine)",
          engine ? "the engine" : "our kernels",
          ours,
          engineMillis);
    }
  }

  /** Where an output is, and its parts, which are compared each for itself. */
  private record Output(
      long address, DType dtype, long rows, List<Long> columns, double tolerance) {
    long width() {
      return columns.stream().mapToLong(Long::longValue).sum();
    }

    long sizeBytes() {
      return rows * width() * dtype.sizeBytes();
    }
  }

  /** Runs the engine, with its outputs in the given places. */
  private interface EngineCall {
    void into(List<Long> outputs);
  }

  private final Backend backend;
  private final Scratch scratch;
  private final CudaRuntime runtime;
  private final AttentionEngine engine;
  private final ChoiceFile file;
  private final Map<Key, Boolean> takesEngine = new HashMap<>();

  AttentionChoice(
      Backend backend,
      Scratch scratch,
      CudaRuntime runtime,
      AttentionEngine engine,
      ChoiceFile file) {
    this.backend = backend;
    this.scratch = scratch;
    this.runtime = runtime;
    this.engine = engine;
    this.file = file;
  }

  /** The choices between ours and an engine's kernels on a device. */
  static ChoiceFile file(CudaRuntime.Properties device, AttentionEngine engine) {
    return ChoiceFile.of(
        Cache.user(), KIND, device.name(), engine.name().replace(' ', '-'), Verdict.BYTES);
  }

  String engineName() {
    return engine.name();
  }

  /** Which choices were made on this machine, and why, for people. */
  static String findings() {
    StringBuilder findings = new StringBuilder("our own kernels, or cuDNN's where measured faster");
    try (DirectoryStream<Path> files =
        Files.newDirectoryStream(Cache.user().folder(), KIND + "-*.txt")) {
      for (Path path : files) {
        String device = path.getFileName().toString();
        device = device.substring(KIND.length() + 1, device.length() - ".txt".length());
        for (var choice : new TreeMap<>(new ChoiceFile(path, Verdict.BYTES).all()).entrySet()) {
          findings
              .append("; ")
              .append(device + " " + choice.getKey() + ": " + Verdict.decode(choice.getValue()));
        }
      }
    } catch (IOException e) {
      findings.append("; none measured yet");
    }
    return findings.toString();
  }

  /** A bound on lengths: one of few. */
  static int rounded(int length) {
    return Math.max(MIN_LENGTH / 2, powerOfTwo(length));
  }

  private static int powerOfTwo(long least) {
    return least <= 1 ? 1 : Integer.highestOneBit(Math.toIntExact(least - 1)) << 1;
  }

  /** The shape of a call that an engine might run, rounded up as plans are; else null. */
  static Shape shape(AttentionCall.Problem a) {
    if (a.dtype() != DType.BF16
        || a.p() != 0
        || a.window() != 0
        || a.maxLength() < MIN_LENGTH
        || a.maxLength() > MAX_LENGTH
        || a.D() > MAX_HEAD_SIZE
        || a.D() % 8 != 0
        || a.B() < 1) {
      return null;
    }
    Shape shape =
        new Shape(
            powerOfTwo(a.B()),
            powerOfTwo(a.maxLength()),
            a.H(),
            a.Hkv(),
            a.D(),
            a.scale(),
            a.causal());
    // Offsets are of 32 bits.
    return shape.sequences() * shape.length() <= Integer.MAX_VALUE / shape.width() ? shape : null;
  }

  /**
   * Runs the forward pass, unless no engine could.
   *
   * @param ours runs our kernels
   * @return whether it was run
   */
  boolean forward(AttentionCall.Forward c, Runnable ours) {
    Shape shape = shape(c.problem());
    if (shape == null
        || c.bias() != 0
        || c.cuQ() != c.cuK()
        || !isPacked(c.q(), c.k(), c.v(), c.problem())
        || !isAligned(c.q() | c.out())) {
      return false;
    }
    Batch batch = new Batch(c.problem().B(), c.cuQ(), c.q());
    run(
        new Key(Direction.FORWARD, shape),
        batch,
        ours,
        rows ->
            List.of(
                new Output(c.out(), DType.BF16, rows, List.of(shape.outWidth()), TOLERANCE),
                new Output(c.lse(), DType.F32, shape.heads(), List.of(rows), STATS_TOLERANCE)),
        outputs -> engine.forward(shape, batch, outputs.get(0), outputs.get(1)));
    return true;
  }

  /**
   * Runs the backward pass, unless no engine could.
   *
   * @param ours runs our kernels
   * @return whether it was run
   */
  boolean backward(AttentionCall.Backward c, Runnable ours) {
    Shape shape = shape(c.problem());
    if (shape == null
        || c.bias() != 0
        || c.cuQ() != c.cuK()
        || !isPacked(c.q(), c.k(), c.v(), c.problem())
        || !isPacked(c.dq(), c.dk(), c.dv(), c.problem())
        || !isAligned(c.q() | c.out() | c.dout() | c.dq())) {
      return false;
    }
    Batch batch = new Batch(c.problem().B(), c.cuQ(), c.q());
    long keyWidth = shape.keyValueHeads() * shape.headSize();
    run(
        new Key(Direction.BACKWARD, shape),
        batch,
        ours,
        rows ->
            List.of(
                new Output(
                    c.dq(),
                    DType.BF16,
                    rows,
                    List.of(shape.outWidth(), keyWidth, keyWidth),
                    TOLERANCE)),
        outputs -> engine.backward(shape, batch, c.out(), c.lse(), c.dout(), outputs.get(0)));
    return true;
  }

  /** Whether queries, keys and values are the parts of bf16 rows. */
  private static boolean isPacked(long q, long k, long v, AttentionCall.Problem a) {
    return a.qStride() == (a.H() + 2 * a.Hkv()) * a.D()
        && a.kvStride() == a.qStride()
        && k == q + a.H() * a.D() * DType.BF16.sizeBytes()
        && v == k + a.Hkv() * a.D() * DType.BF16.sizeBytes();
  }

  private static boolean isAligned(long addressBits) {
    return addressBits % 16 == 0;
  }

  private void run(
      Key key, Batch batch, Runnable ours, LongFunction<List<Output>> outputs, EngineCall call) {
    Boolean takes = takesEngine.computeIfAbsent(key, this::kept);
    if (takes == null && !scratch.isRecording()) {
      judge(key, ours, outputs.apply(rows(batch)), call);
      takes = takesEngine.get(key);
      if (takes == null || !takes) {
        return; // ours have run, and left their outputs
      }
    }
    if (takes == null || !takes) {
      ours.run();
      return;
    }
    try {
      call.into(outputs.apply(0).stream().map(Output::address).toList());
    } catch (CudaFailure e) {
      backend.synchronize(); // throws where the device itself is what failed
      throw new BackendException(
          engine.name()
              + " cannot run attention that it ran before: "
              + e.getMessage()
              + "; ATTUNE_CUDNN=0 leaves it to our own kernels",
          e);
    }
  }

  private Boolean kept(Key key) {
    byte[] bytes = file.get(key.text());
    return bytes == null ? null : Verdict.decode(bytes).engine();
  }

  /** N: the last bound. */
  private int rows(Batch batch) {
    ByteBuffer last = host(Integer.BYTES);
    backend.download(last, batch.cuSeqlens() + batch.sequences() * Integer.BYTES);
    return last.getInt(0);
  }

  /** Runs ours, tries the engine beside them, and decides unless this batch cannot tell. */
  private void judge(Key key, Runnable ours, List<Output> outputs, EngineCall call) {
    ours.run();
    List<Buffer> trials = new ArrayList<>();
    float ourMillis = Float.NaN;
    Verdict verdict;
    try (Buffer fill = Buffer.allocate(backend, FILL_BYTES, true, "measuring attention")) {
      ourMillis = millis(fill, ours);
      for (Output output : outputs) {
        trials.add(Buffer.allocate(backend, output.sizeBytes(), true, "trial of attention"));
      }
      List<Long> places = trials.stream().map(Buffer::address).toList();
      call.into(places);
      double worst = 0;
      for (int i = 0; i < outputs.size(); i++) {
        double difference = difference(outputs.get(i), places.get(i));
        if (Double.isNaN(difference)) {
          return;
        }
        worst = Math.max(worst, difference / outputs.get(i).tolerance());
      }
      float engineMillis = worst <= 1 ? millis(fill, () -> call.into(places)) : Float.NaN;
      verdict = new Verdict(engineMillis < FASTER * ourMillis, ourMillis, engineMillis);
    } catch (DeviceMemoryException e) {
      takesEngine.put(key, false); // in this run: the next may have more room
      return;
    } catch (CudaFailure e) {
      backend.synchronize(); // throws where the device itself is what failed
      verdict = new Verdict(false, ourMillis, Float.NaN);
    } finally {
      trials.forEach(Buffer::close);
    }
    takesEngine.put(key, verdict.engine());
    file.put(key.text(), verdict.encode());
  }

  private float millis(Buffer fill, Runnable work) {
    return (float) (1e3 * DeviceClock.seconds(runtime, fill.address(), fill.sizeBytes(), work));
  }

  /**
   * The largest difference of a part: root mean square, relative to ours. Infinite where it is not
   * finite, NaN where ours is all zeros and nothing is relative to it.
   */
  private double difference(Output output, long trial) {
    int rowBytes = Math.toIntExact(output.width() * output.dtype().sizeBytes());
    int rowsAtOnce = (int) Math.min(output.rows(), Math.max(1, COMPARED_BYTES / rowBytes));
    double[] difference = new double[output.columns().size()];
    double[] magnitude = new double[output.columns().size()];
    for (long row = 0; row < output.rows(); row += rowsAtOnce) {
      int rows = (int) Math.min(rowsAtOnce, output.rows() - row);
      ByteBuffer mine = host(rows * rowBytes);
      ByteBuffer theirs = host(rows * rowBytes);
      backend.download(mine, output.address() + row * rowBytes);
      backend.download(theirs, trial + row * rowBytes);
      mine.flip();
      theirs.flip();
      for (int r = 0; r < rows; r++) {
        for (int part = 0; part < difference.length; part++) {
          for (long c = 0; c < output.columns().get(part); c++) {
            double a = element(mine, output.dtype());
            double d = element(theirs, output.dtype()) - a;
            difference[part] += d * d;
            magnitude[part] += a * a;
          }
        }
      }
    }
    double worst = 0;
    for (int part = 0; part < difference.length; part++) {
      if (magnitude[part] == 0) {
        return Double.NaN;
      }
      double relative = Math.sqrt(difference[part] / magnitude[part]);
      worst = Math.max(worst, Double.isNaN(relative) ? Double.POSITIVE_INFINITY : relative);
    }
    return worst;
  }

  private static float element(ByteBuffer from, DType dtype) {
    return dtype == DType.BF16 ? DType.fromBf16(from.getShort()) : from.getFloat();
  }

  private static ByteBuffer host(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
  }

  @Override
  public void close() {
    engine.close();
  }
}
