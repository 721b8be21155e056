package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.BackendException;
import dev.attune.kernels.ChoiceFile;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Backends;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Our kernels or an engine's: an engine that is a stand-in, on the emulated device. */
class AttentionChoiceTest {
  private static final int H = 2;
  private static final int D = 16;
  private static final int WIDTH = 3 * H * D;
  private static final int[] BOUNDS = {0, 3, 3, 20};
  private static final int B = BOUNDS.length - 1;
  private static final int N = BOUNDS[B];
  private static final long LONG = 600;

  /** Calls of the engine for a decision: one that is compared, three measurements of five. */
  private static final int ASKED = 16;

  @TempDir Path folder;

  private CpuBackend cpu;
  private EmulatedRuntime runtime;
  private CudaBackend backend;
  private StandIn engine;
  private Buffer qkv;
  private Buffer cu;
  private Buffer out;
  private Buffer lse;
  private Buffer dout;
  private Buffer dqkv;

  /** Computes with our kernels; its outputs carry a mark that is within the tolerance. */
  private static final class StandIn implements AttentionEngine {
    private CudaBackend backend;
    private CpuBackend host;
    private int forwards;
    private int backwards;
    private boolean wrong;
    private String failure;
    private Shape asked;

    @Override
    public String name() {
      return "stand-in 1.0";
    }

    private void begin(Shape shape) {
      asked = shape;
      if (failure != null) {
        throw new CudaFailure("engine", failure);
      }
    }

    @Override
    public void forward(Shape shape, Batch batch, long out, long lse) {
      begin(shape);
      forwards++;
      long q = batch.qkv();
      backend.runOurs(
          new AttentionCall.Forward(
              out,
              lse,
              q,
              q + 2L * H * D,
              q + 4L * H * D,
              batch.cuSeqlens(),
              batch.cuSeqlens(),
              problem(shape, batch)));
      mark(out);
    }

    @Override
    public void backward(Shape shape, Batch batch, long out, long lse, long dout, long dqkv) {
      begin(shape);
      backwards++;
      long q = batch.qkv();
      backend.runOurs(
          new AttentionCall.Backward(
              dqkv,
              dqkv + 2L * H * D,
              dqkv + 4L * H * D,
              dout,
              q,
              q + 2L * H * D,
              q + 4L * H * D,
              out,
              lse,
              batch.cuSeqlens(),
              batch.cuSeqlens(),
              problem(shape, batch)));
      mark(dqkv);
    }

    private static AttentionCall.Problem problem(Shape shape, Batch batch) {
      return new AttentionCall.Problem(
          WIDTH,
          WIDTH,
          batch.sequences(),
          shape.length(),
          H,
          H,
          D,
          shape.scale(),
          shape.causal(),
          0,
          0,
          0,
          0,
          DType.BF16);
    }

    /** The last bit of the first element, or all of it. */
    private void mark(long at) {
      ByteBuffer first = host.view(at, 2 * D);
      for (int i = 0; i < D; i++) {
        short bits = first.getShort(2 * i);
        first.putShort(2 * i, wrong ? DType.toBf16(9f) : (short) (bits ^ 1));
      }
    }

    @Override
    public void close() {}
  }

  @BeforeEach
  void open() {
    Assumptions.assumeFalse(
        Backends.onDevice(), "this process has loaded the kernels for a device");
    cpu = new CpuBackend(1);
    runtime = new EmulatedRuntime(cpu);
    engine = new StandIn();
    engine.host = cpu;
    openBackend();
  }

  private void openBackend() {
    backend =
        Emulation.open(
            runtime,
            cpu,
            b ->
                new AttentionChoice(
                    b,
                    b.scratch(),
                    runtime,
                    engine,
                    new ChoiceFile(folder.resolve("choices.txt"), AttentionChoice.Verdict.BYTES)));
    engine.backend = backend;
    Random random = new Random(3);
    qkv = bf16(random, N * WIDTH);
    dout = bf16(random, N * H * D);
    out = bf16(random, N * H * D);
    dqkv = bf16(random, N * WIDTH);
    lse = Buffer.allocate(backend, (long) H * N * Float.BYTES, false);
    cu = Buffer.allocate(backend, BOUNDS.length * Integer.BYTES, false);
    ByteBuffer bounds = ByteBuffer.allocate(BOUNDS.length * 4).order(ByteOrder.nativeOrder());
    Arrays.stream(BOUNDS).forEach(bounds::putInt);
    cu.write(0, bounds.flip());
  }

  private Buffer bf16(Random random, int count) {
    ByteBuffer bytes = ByteBuffer.allocate(count * 2).order(ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      bytes.putShort(DType.toBf16((float) random.nextGaussian()));
    }
    Buffer buffer = Buffer.allocate(backend, count * 2L, false);
    buffer.write(0, bytes.flip());
    return buffer;
  }

  @AfterEach
  void close() {
    if (cpu != null) {
      closeBackend();
      assertTrue(runtime.isClean(), "something was left behind");
      cpu.close();
    }
  }

  private void closeBackend() {
    for (Buffer buffer : new Buffer[] {qkv, dout, out, dqkv, lse, cu}) {
      buffer.close();
    }
    backend.close();
  }

  private byte[] forward(long maxLength, float p, long window, DType dtype) {
    long q = qkv.address();
    backend.run(
        new AttentionCall.Forward(
            out.address(),
            lse.address(),
            q,
            q + 2L * H * D,
            q + 4L * H * D,
            cu.address(),
            cu.address(),
            new AttentionCall.Problem(
                WIDTH, WIDTH, B, maxLength, H, H, D, 0.25f, true, window, p, 1, 0, dtype)));
    return bytes(out);
  }

  private byte[] forward() {
    return forward(LONG, 0, 0, DType.BF16);
  }

  private byte[] backward() {
    long q = qkv.address();
    long dq = dqkv.address();
    backend.run(
        new AttentionCall.Backward(
            dq,
            dq + 2L * H * D,
            dq + 4L * H * D,
            dout.address(),
            q,
            q + 2L * H * D,
            q + 4L * H * D,
            out.address(),
            lse.address(),
            cu.address(),
            cu.address(),
            new AttentionCall.Problem(
                WIDTH, WIDTH, B, LONG, H, H, D, 0.25f, true, 0, 0, 1, 0, DType.BF16)));
    return bytes(dqkv);
  }

  private byte[] bytes(Buffer buffer) {
    byte[] bytes = new byte[(int) buffer.sizeBytes()];
    cpu.view(buffer.address(), bytes.length).get(bytes);
    return bytes;
  }

  /** What our kernels give. */
  private byte[] ours() {
    engine.failure = "off";
    byte[] result = forward(10, 0, 0, DType.BF16);
    engine.failure = null;
    return result;
  }

  /**
   * Our kernels take {@code mine} for each of the three measurements, then the engine {@code its}.
   */
  private void times(double mine, double its) {
    int[] asked = {0};
    runtime.takes(() -> asked[0]++ % 6 < 3 ? mine : its);
  }

  @Test
  void takesAFasterEngineInEachDirectionAndRemembersIt() {
    byte[] ours = ours();
    times(2e-3, 1e-3);
    byte[] first = forward();
    assertFalse(Arrays.equals(ours, first), "the engine's numbers carry its mark");
    assertEquals(ASKED + 1, engine.forwards, "a trial, and the work itself");
    assertEquals(new Shape(4, 1024, H, H, D, 0.25f, true), engine.asked);
    assertArrayEquals(first, forward());
    assertEquals(ASKED + 2, engine.forwards);
    backward();
    assertEquals(ASKED + 1, engine.backwards);
    backward();
    assertEquals(ASKED + 2, engine.backwards);

    closeBackend();
    runtime = new EmulatedRuntime(cpu); // has no clock: nothing may be measured again
    openBackend();
    assertArrayEquals(first, forward());
    assertEquals(ASKED + 3, engine.forwards);
    backward();
    assertEquals(ASKED + 3, engine.backwards);
  }

  @Test
  void keepsOurKernelsWhereTheEngineIsNotClearlyFaster() {
    byte[] ours = ours();
    times(1.00e-3, 0.97e-3);
    assertArrayEquals(ours, forward());
    assertEquals(ASKED, engine.forwards);
    assertArrayEquals(ours, forward());
    assertEquals(ASKED, engine.forwards);
  }

  @Test
  void keepsOurKernelsWhereTheEngineGivesOtherNumbers() {
    byte[] ours = ours();
    times(1, 1e-9);
    engine.wrong = true;
    assertArrayEquals(ours, forward());
    engine.wrong = false;
    assertArrayEquals(ours, forward());
    assertEquals(1, engine.forwards);
  }

  @Test
  void keepsOurKernelsWhereTheEngineFails() throws Exception {
    byte[] ours = ours();
    times(1, 1e-9);
    engine.failure = "no plan";
    assertArrayEquals(ours, forward());
    engine.failure = null;
    assertArrayEquals(ours, forward());
    assertTrue(Files.readString(folder.resolve("choices.txt")).contains("forward_4x1024_2x2x16_c"));
  }

  @Test
  void anEngineThatFailsLaterIsNamed() {
    times(2e-3, 1e-3);
    forward();
    engine.failure = "no more";
    BackendException e = assertThrows(BackendException.class, this::forward);
    assertEquals(
        "stand-in 1.0 cannot run attention that it ran before: engine: no more;"
            + " ATTUNE_CUDNN=0 leaves it to our own kernels",
        e.getMessage());
    engine.failure = null;
    forward();
  }

  @Test
  void zerosDecideNothing() {
    times(2e-3, 1e-3);
    byte[] values = bytes(dout);
    forward();
    cpu.run(new FillZeroCall(dout.address(), values.length));
    byte[] zeros = backward();
    assertArrayEquals(new byte[zeros.length], zeros);
    cpu.view(dout.address(), values.length).put(values);
    int before = engine.backwards;
    times(2e-3, 1e-3);
    backward();
    assertEquals(before + ASKED + 1, engine.backwards, "asked anew");
  }

  @Test
  void withoutRoomForATrialOursRunAndNothingIsRemembered() {
    byte[] ours = ours();
    times(2e-3, 1e-3);
    Buffer hog = Buffer.allocate(backend, EmulatedRuntime.MEMORY_BYTES - usedBytes() - 1024, false);
    assertArrayEquals(ours, forward());
    hog.close();
    assertArrayEquals(ours, forward());
    assertEquals(0, engine.forwards);
    assertFalse(Files.exists(folder.resolve("choices.txt")));
  }

  private long usedBytes() {
    return EmulatedRuntime.MEMORY_BYTES - runtime.freeBytes();
  }

  @Test
  void asksNoEngineForWhatItCannotDo() {
    times(2e-3, 1e-3);
    forward(511, 0, 0, DType.BF16);
    forward(LONG, 0.1f, 0, DType.BF16);
    forward(LONG, 0, 4, DType.BF16);
    long q = qkv.address();
    backend.run(
        new AttentionCall.Forward( // the key where the value is
            out.address(),
            lse.address(),
            q,
            q + 4L * H * D,
            q + 2L * H * D,
            cu.address(),
            cu.address(),
            new AttentionCall.Problem(
                WIDTH, WIDTH, B, LONG, H, H, D, 0.25f, true, 0, 0, 1, 0, DType.BF16)));
    assertEquals(0, engine.forwards);
  }

  @Test
  void whatIsRecordedIsWhatRanBefore() {
    times(2e-3, 1e-3);
    byte[] ours = ours();
    backend.beginCapture();
    forward(); // not known yet, and nothing can be measured now
    long unknown = backend.endCapture();
    backend.launch(unknown);
    assertArrayEquals(ours, bytes(out));
    backend.destroy(unknown);
    assertEquals(0, engine.forwards);
  }

  @Test
  void boundsAreFew() {
    assertEquals(256, backend.paddedLength(1));
    assertEquals(256, backend.paddedLength(256));
    assertEquals(512, backend.paddedLength(257));
    assertEquals(1024, backend.paddedLength(513));
  }
}
