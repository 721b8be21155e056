package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Recorder;
import dev.attune.kernels.Results;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.testkit.Host;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Graphs, and results that come by themselves. */
class CudaRecorderTest {
  private CpuBackend cpu;
  private EmulatedRuntime runtime;
  private CudaBackend backend;
  private Recorder recorder;

  @BeforeEach
  void open() {
    Assumptions.assumeFalse(
        dev.attune.testkit.Backends.onDevice(), "this process has loaded the kernels for a device");
    cpu = new CpuBackend(1);
    runtime = new EmulatedRuntime(cpu);
    backend = Emulation.open(runtime, cpu);
    recorder = backend.recorder();
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
      try (Recorder.Recording graph = recorder.record(work)) {
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
          () -> recorder.record(() -> buffer.read(0, ByteBuffer.allocate(8))));
      IllegalStateException e =
          assertThrows(
              IllegalStateException.class,
              () -> recorder.record(() -> backend.allocate(64, false)));
      assertTrue(e.getMessage().contains("being recorded"), e.getMessage());
      assertEquals(0, runtime.liveGraphs());
      Host.fill(buffer, 7);
      assertArrayEquals(new byte[] {7, 7}, Host.bytes(buffer, 3, 2));
    }
  }

  @Test
  void resultsArriveInTheirSlots() {
    try (Buffer source = floats(9, 6, 0);
        Results results = backend.results(2, 32)) {
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
