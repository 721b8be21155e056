package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.calls.AttentionCall;
import dev.attune.kernels.cuda.AttentionEngine.Batch;
import dev.attune.kernels.cuda.AttentionGraph.Shape;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** cuDNN's attention on a GPU that it has kernels for, beside ours. */
@Tag("gpu")
class CudnnAttentionTest {
  /** Of the sequences, which do not fill the shape. */
  private static final int[] LENGTHS = {700, 1, 0, 333, 513};

  private final List<Buffer> buffers = new ArrayList<>();
  private PresetRuntime runtime;
  private CudaBackend backend;
  private CudnnAttention cudnn;

  @BeforeEach
  void open() {
    Optional<String> reason = CudaBackend.unavailableReason();
    Assumptions.assumeTrue(reason.isEmpty(), () -> "no GPU to test on: " + reason.orElseThrow());
    Assumptions.assumeTrue(
        Backends.onDevice(), "this process tests the emulated device; see -Dattune.targets=cuda");
    Optional<String> missing = CudnnAttention.unavailableReason();
    Assumptions.assumeTrue(missing.isEmpty(), () -> missing.orElseThrow());
    runtime = new PresetRuntime();
    Assumptions.assumeTrue(runtime.properties().capability() >= 90, "older than Hopper");
    backend =
        new CudaBackend(
            KernelLibrary.cuda(), runtime, b -> new LtProducts(runtime, b, b.scratch()), b -> null);
    cudnn = new CudnnAttention(runtime, backend, backend.scratch());
  }

  @AfterEach
  void close() {
    buffers.forEach(Buffer::close);
    if (cudnn != null) {
      cudnn.close();
    }
    if (backend != null) {
      backend.close();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "16, 16, 64, false",
    "12, 12, 64, true",
    "32, 8, 128, true",
    "14, 2, 64, true",
    "8, 8, 80, true",
  })
  void agreesWithOurKernelsAndWithItself(
      int heads, int keyValueHeads, int headSize, boolean causal) {
    float scale = (float) (1 / Math.sqrt(headSize));
    Shape shape = new Shape(8, 1024, heads, keyValueHeads, headSize, scale, causal);
    int width = (int) shape.width();
    int outWidth = (int) shape.outWidth();
    int B = LENGTHS.length;
    ByteBuffer bounds = bytes((B + 1) * Integer.BYTES).putInt(0);
    int N = 0;
    for (int length : LENGTHS) {
      bounds.putInt(N += length);
    }
    Buffer cu = buffer(bounds.flip());
    Buffer qkv = random(1, N * width);
    Buffer dout = random(2, N * outWidth);
    Buffer[] out = pair(N * outWidth * 2L);
    Buffer[] lse = pair((long) N * heads * Float.BYTES);
    Buffer[] dqkv = pair(N * width * 2L);

    long q = qkv.address();
    long k = q + 2L * outWidth;
    long v = k + 2L * keyValueHeads * headSize;
    long c = cu.address();
    AttentionCall.Problem problem =
        new AttentionCall.Problem(
            width,
            width,
            B,
            1024,
            heads,
            keyValueHeads,
            headSize,
            scale,
            causal,
            0,
            0,
            0,
            0,
            DType.BF16);
    backend.run(
        new AttentionCall.Forward(out[0].address(), lse[0].address(), q, k, v, c, c, problem));
    long dq = dqkv[0].address();
    backend.run(
        new AttentionCall.Backward(
            dq,
            dq + (k - q),
            dq + (v - q),
            dout.address(),
            q,
            k,
            v,
            out[0].address(),
            lse[0].address(),
            c,
            c,
            problem));

    Batch batch = new Batch(B, c, q);
    cudnn.forward(shape, batch, out[1].address(), lse[1].address());
    cudnn.backward(
        shape, batch, out[0].address(), lse[0].address(), dout.address(), dqkv[1].address());
    assertClose("out", bf16(out[0]), bf16(out[1]), 0.01);
    assertClose("lse", Host.floats(lse[0], 0, N * heads), Host.floats(lse[1], 0, N * heads), 1e-4);
    assertClose("dqkv", bf16(dqkv[0]), bf16(dqkv[1]), 0.02);

    byte[] first = Host.bytes(dqkv[1], 0, (int) dqkv[1].sizeBytes());
    for (int i = 0; i < 3; i++) {
      cudnn.backward(
          shape, batch, out[0].address(), lse[0].address(), dout.address(), dqkv[1].address());
      assertArrayEquals(first, Host.bytes(dqkv[1], 0, first.length), "backward, again");
    }
  }

  private static ByteBuffer bytes(int size) {
    return ByteBuffer.allocate(size).order(ByteOrder.nativeOrder());
  }

  private Buffer buffer(ByteBuffer content) {
    Buffer buffer = Buffer.allocate(backend, content.remaining(), false);
    buffer.write(0, content);
    buffers.add(buffer);
    return buffer;
  }

  private Buffer random(int seed, int count) {
    Random random = new Random(seed);
    ByteBuffer content = bytes(2 * count);
    for (int i = 0; i < count; i++) {
      content.putShort(DType.toBf16((float) random.nextGaussian()));
    }
    return buffer(content.flip());
  }

  private Buffer[] pair(long sizeBytes) {
    Buffer[] pair = {
      Buffer.allocate(backend, sizeBytes, false), Buffer.allocate(backend, sizeBytes, false)
    };
    buffers.addAll(List.of(pair));
    return pair;
  }

  private static float[] bf16(Buffer buffer) {
    ByteBuffer content =
        ByteBuffer.wrap(Host.bytes(buffer, 0, (int) buffer.sizeBytes()))
            .order(ByteOrder.nativeOrder());
    float[] values = new float[content.remaining() / 2];
    for (int i = 0; i < values.length; i++) {
      values[i] = DType.fromBf16(content.getShort());
    }
    return values;
  }

  /** Root mean square difference, relative. */
  private static void assertClose(String what, float[] ours, float[] theirs, double tolerance) {
    double squares = 0;
    double errors = 0;
    for (int i = 0; i < ours.length; i++) {
      squares += (double) ours[i] * ours[i];
      errors += ((double) ours[i] - theirs[i]) * ((double) ours[i] - theirs[i]);
    }
    double relative = Math.sqrt(errors / squares);
    assertTrue(relative <= tolerance, what + " is off by " + relative);
  }
}
