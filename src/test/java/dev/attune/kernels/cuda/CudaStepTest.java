package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.core.Philox;
import dev.attune.kernels.Activation;
import dev.attune.kernels.DeviceStep;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.DropoutCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Values that lie on the device, graphs, and results that come by themselves. */
class CudaStepTest {
  private static final int V = 37;
  private static final int C = 24;
  private static final int COUNT = V * C;

  private CpuBackend cpu;
  private EmulatedRuntime runtime;
  private CudaBackend backend;
  private DeviceStep step;

  @BeforeEach
  void open() {
    Assumptions.assumeFalse(
        dev.attune.testkit.Backends.onDevice(), "this process has loaded the kernels for a device");
    cpu = new CpuBackend(1);
    runtime = new EmulatedRuntime(cpu);
    backend = Emulation.open(runtime, cpu);
    step = backend.deviceStep();
  }

  @AfterEach
  void close() {
    if (cpu != null) {
      backend.close();
      assertTrue(runtime.isClean(), "something was left behind");
      cpu.close();
    }
  }

  private Buffer floats(int seed, int count, double least) {
    Random random = new Random(seed);
    ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.nativeOrder());
    for (int i = 0; i < count; i++) {
      bytes.putFloat((float) (least + random.nextDouble()));
    }
    Buffer buffer = Buffer.allocate(backend, bytes.capacity(), false);
    buffer.write(0, bytes.flip());
    return buffer;
  }

  /** Weight, m, v, gradient, shadow and row states, the same each time. */
  private final class Store implements AutoCloseable {
    final Buffer weight = floats(1, COUNT, -0.5);
    final Buffer m = floats(2, COUNT, -0.5);
    final Buffer v = floats(3, COUNT, 0);
    final Buffer grad = floats(4, COUNT, -0.5);
    final Buffer shadow = Buffer.allocate(backend, COUNT * 2, false);
    final Buffer states = Buffer.allocate(backend, V, false);

    Store() {
      ByteBuffer rows = ByteBuffer.allocate(V);
      for (int row = 0; row < V; row++) {
        rows.put((byte) (row % 3));
      }
      states.write(0, rows.flip());
    }

    float[] all() {
      float[] all = new float[3 * COUNT];
      System.arraycopy(Host.floats(weight, 0, COUNT), 0, all, 0, COUNT);
      System.arraycopy(Host.floats(m, 0, COUNT), 0, all, COUNT, COUNT);
      System.arraycopy(Host.floats(v, 0, COUNT), 0, all, 2 * COUNT, COUNT);
      return all;
    }

    @Override
    public void close() {
      for (Buffer buffer : new Buffer[] {weight, m, v, grad, shadow, states}) {
        buffer.close();
      }
    }
  }

  @Test
  void theOptimizersGiveTheBitsOfThoseWithArguments() {
    try (Buffer sum = Buffer.allocate(backend, 8, false);
        Buffer norm = Buffer.allocate(backend, 8, false);
        Store plain = new Store();
        Store captured = new Store()) {
      float lossScale = 0.25f;
      double root = clip(sum, norm, plain, lossScale, 0.5f);
      assertEquals(lossScale * Math.sqrt(squares(plain)), root, 1e-6 * root);
      float scale = (float) (lossScale * Math.min(1, 0.5 / (root + 1e-6)));

      backend.run(
          new AdamWCall.Rows(
              plain.weight.address(),
              plain.m.address(),
              plain.v.address(),
              plain.grad.address(),
              plain.states.address(),
              V,
              C,
              1e-2f,
              0.9f,
              0.999f,
              1e-8f,
              0.01f,
              0.1f,
              0.001f,
              scale));
      step.adamwRows(
          captured.weight.address(),
          captured.m.address(),
          captured.v.address(),
          captured.grad.address(),
          captured.states.address(),
          V,
          C,
          0.9f,
          0.999f,
          1e-8f,
          0.01f);
      assertArrayEquals(plain.all(), captured.all());
      for (int i = 0; i < 2; i++) {
        // The buffer of a momentum starts at zero.
        for (Store store : new Store[] {plain, captured}) {
          if (i == 0) {
            backend.run(new FillZeroCall(store.m.address(), COUNT * Float.BYTES));
          }
        }
        backend.run(
            new SgdCall.Flat(
                plain.weight.address(),
                plain.m.address(),
                plain.shadow.address(),
                plain.grad.address(),
                COUNT,
                1e-2f,
                0.9f,
                0.01f,
                true,
                i == 0,
                scale));
        step.sgd(
            captured.weight.address(),
            captured.m.address(),
            captured.shadow.address(),
            captured.grad.address(),
            COUNT,
            0.9f,
            0.01f,
            true);
        assertArrayEquals(plain.all(), captured.all(), "SGD, step " + (i + 1));
        assertArrayEquals(
            Host.bytes(plain.shadow, 0, 2 * COUNT), Host.bytes(captured.shadow, 0, 2 * COUNT));
      }
    }
  }

  private double clip(Buffer sum, Buffer norm, Store store, float lossScale, float maxNorm) {
    step.set(0, 1e-2f, 0.1f, 0.001f, lossScale);
    backend.run(new SumOfSquaresCall.Flat(sum.address(), store.grad.address(), COUNT));
    step.clip(sum.address(), 1, maxNorm, norm.address());
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.nativeOrder());
    norm.read(0, bytes);
    return bytes.getDouble(0);
  }

  private static double squares(Store store) {
    double sum = 0;
    for (float g : Host.floats(store.grad, 0, COUNT)) {
      sum += (double) g * g;
    }
    return sum;
  }

  @Test
  void afterANormThatIsNotFiniteNothingIsUpdatedUntilReset() {
    try (Buffer sum = Buffer.allocate(backend, 8, false);
        Buffer norm = Buffer.allocate(backend, 8, false);
        Store store = new Store()) {
      float[] before = store.all();
      float[] good = Host.floats(store.grad, 0, COUNT);
      ByteBuffer nan = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
      store.grad.write(0, nan.putFloat(Float.NaN).flip());
      assertTrue(Double.isNaN(clip(sum, norm, store, 1f, 1f)));
      update(store);
      assertArrayEquals(before, store.all());
      ByteBuffer first = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
      store.grad.write(0, first.putFloat(good[0]).flip());
      clip(sum, norm, store, 1f, 1f);
      update(store);
      assertArrayEquals(before, store.all(), "a later gradient was good");
      step.reset();
      clip(sum, norm, store, 1f, 1f);
      update(store);
      assertTrue(store.all()[0] != before[0]);
    }
  }

  @Test
  void afterALossThatIsNotFiniteNothingIsUpdatedUntilReset() {
    int count = 1001; // whole vectors, and a rest
    for (int bad : new int[] {0, 517, count - 1}) {
      for (float value : new float[] {Float.NaN, Float.NEGATIVE_INFINITY}) {
        try (Buffer sum = Buffer.allocate(backend, 8, false);
            Buffer norm = Buffer.allocate(backend, 8, false);
            Buffer losses = floats(5, count, 0);
            Store store = new Store()) {
          step.watch(losses.address(), count);
          clip(sum, norm, store, 1f, 1f);
          update(store);
          float[] before = store.all();
          ByteBuffer bytes = ByteBuffer.allocate(4).order(ByteOrder.nativeOrder());
          losses.write(4L * bad, bytes.putFloat(value).flip());
          step.watch(losses.address(), count);
          losses.write(4L * bad, bytes.clear().putFloat(1f).flip());
          step.watch(losses.address(), count); // a later loss is good
          assertTrue(Double.isFinite(clip(sum, norm, store, 1f, 1f)));
          update(store);
          assertArrayEquals(before, store.all(), value + " at " + bad);
          step.reset();
          clip(sum, norm, store, 1f, 1f);
          update(store);
          assertFalse(Arrays.equals(before, store.all()));
        }
      }
    }
  }

  private void update(Store store) {
    step.adamw(
        store.weight.address(),
        store.m.address(),
        store.v.address(),
        store.shadow.address(),
        store.grad.address(),
        COUNT,
        0.9f,
        0.999f,
        1e-8f,
        0.01f);
  }

  @Test
  void whatIsRecordedRunsAtLaunchesAlone() {
    try (Buffer inp = floats(1, 64, 0);
        Buffer weight = floats(2, 64, 0);
        Buffer out = Buffer.allocate(backend, 64 * Float.BYTES, false);
        Buffer total = Buffer.allocate(backend, 64 * Float.BYTES, false)) {
      Runnable work =
          () -> {
            backend.run(
                new LinearCall.Forward(
                    out.address(),
                    0,
                    inp.address(),
                    weight.address(),
                    0,
                    8,
                    8,
                    8,
                    Activation.NONE,
                    DType.F32,
                    DType.F32));
            backend.run(
                new CastCall(total.address(), out.address(), 64, true, DType.F32, DType.F32));
          };
      work.run();
      float[] once = Host.floats(total, 0, 64);
      try (DeviceStep.Graph graph = step.capture(work)) {
        assertArrayEquals(once, Host.floats(total, 0, 64));
        graph.launch();
        graph.launch();
        float[] thrice = Host.floats(total, 0, 64);
        for (int i = 0; i < 64; i++) {
          assertEquals(once[i] + once[i] + once[i], thrice[i], 1e-5f * thrice[i]);
        }
        backend.run(new FillZeroCall(inp.address(), 64 * Float.BYTES));
        graph.launch(); // reads what lies there now
        assertArrayEquals(thrice, Host.floats(total, 0, 64));
      }
      assertEquals(0, runtime.liveGraphs());
      assertEquals(3, runtime.launches());
    }
  }

  @Test
  void whatCannotBeRecordedIsAnErrorAndTheBackendGoesOn() {
    try (Buffer buffer = Buffer.allocate(backend, 64, false)) {
      assertThrows(
          IllegalStateException.class,
          () -> step.capture(() -> buffer.read(0, ByteBuffer.allocate(8))));
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class, () -> step.capture(() -> backend.allocate(64, false)));
      assertTrue(e.getMessage().contains("being recorded"), e.getMessage());
      assertEquals(0, runtime.liveGraphs());
      Host.fill(buffer, 7);
      assertArrayEquals(new byte[] {7, 7}, Host.bytes(buffer, 3, 2));
    }
  }

  /** The next who uses the backend gets the masks of the streams it names. */
  @Test
  void afterARunRandomStreamsAreTheCallersAgain() {
    try (Buffer inp = floats(1, 100, 1);
        Buffer out = Buffer.allocate(backend, 100 * Float.BYTES, false)) {
      backend.run(new DropoutCall(out.address(), inp.address(), 100, 0.5f, 3, 8, DType.F32));
      float[] before = Host.floats(out, 0, 100);
      step.set(Philox.stream(5, 0), 0f, 1f, 1f, 1f);
      backend.run(new DropoutCall(out.address(), inp.address(), 100, 0.5f, 3, 8, DType.F32));
      assertFalse(Arrays.equals(before, Host.floats(out, 0, 100)));
      step.end();
      backend.run(new DropoutCall(out.address(), inp.address(), 100, 0.5f, 3, 8, DType.F32));
      assertArrayEquals(before, Host.floats(out, 0, 100));
    }
  }

  @Test
  void resultsArriveInTheirSlots() {
    try (Buffer source = floats(9, 6, 0);
        DeviceStep.Results results = step.results(2, 32)) {
      float[] values = Host.floats(source, 0, 6);
      results.post(0, 4, source.address(), 8);
      results.post(0, 12, source.address() + 8, 4);
      results.seal(0);
      results.post(1, 0, source.address() + 12, 12);
      results.seal(1);
      assertEquals(values[0], results.await(0).getFloat(4));
      assertEquals(values[1], results.await(0).getFloat(8));
      assertEquals(values[2], results.await(0).getFloat(12));
      assertEquals(values[5], results.await(1).getFloat(8));
    }
  }
}
