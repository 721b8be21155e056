package dev.attune.kernels.cuda;

import dev.attune.kernels.DeviceStep;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import java.nio.ByteBuffer;

/** The step block of {@code attune_cuda.h}, CUDA graphs, and page-locked room for results. */
final class CudaStep implements DeviceStep {
  private final CudaBackend backend;
  private final CudaRuntime runtime;

  CudaStep(CudaBackend backend, CudaRuntime runtime) {
    this.backend = backend;
    this.runtime = runtime;
  }

  @Override
  public void reset() {
    backend.run(new StepCall.Reset());
  }

  @Override
  public void end() {
    if (!backend.isLost()) {
      reset();
    }
  }

  @Override
  public void set(
      long streamBase,
      float learningRate,
      float biasCorrection1,
      float biasCorrection2,
      float lossScale) {
    backend.run(
        new StepCall.Set(streamBase, learningRate, biasCorrection1, biasCorrection2, lossScale));
  }

  @Override
  public void watch(long losses, long count) {
    backend.run(new StepCall.Watch(losses, count));
  }

  @Override
  public void clip(long sumsOfSquares, long count, float maxNorm, long outNorm) {
    backend.run(new StepCall.Clip(outNorm, sumsOfSquares, count, maxNorm));
  }

  @Override
  public void adamw(
      long weight,
      long m,
      long v,
      long shadow,
      long grad,
      long count,
      float beta1,
      float beta2,
      float eps,
      float weightDecay) {
    backend.run(
        new AdamWCall.FlatCaptured(
            weight, m, v, shadow, grad, count, beta1, beta2, eps, weightDecay));
  }

  @Override
  public void adamwRows(
      long weight,
      long m,
      long v,
      long grad,
      long rowState,
      long V,
      long C,
      float beta1,
      float beta2,
      float eps,
      float weightDecay) {
    backend.run(
        new AdamWCall.RowsCaptured(
            weight, m, v, grad, rowState, V, C, beta1, beta2, eps, weightDecay));
  }

  @Override
  public void sgd(
      long weight,
      long momentumBuffer,
      long shadow,
      long grad,
      long count,
      float momentum,
      float weightDecay,
      boolean nesterov) {
    backend.run(
        new SgdCall.FlatCaptured(
            weight, momentumBuffer, shadow, grad, count, momentum, weightDecay, nesterov));
  }

  @Override
  public Graph capture(Runnable body) {
    backend.beginCapture();
    try {
      body.run();
    } catch (RuntimeException e) {
      backend.abandonCapture();
      throw e;
    }
    return new CudaGraph(backend.endCapture());
  }

  private final class CudaGraph implements Graph {
    private long graph;

    CudaGraph(long graph) {
      this.graph = graph;
    }

    @Override
    public void launch() {
      backend.launch(graph);
    }

    @Override
    public void close() {
      if (graph != 0) {
        backend.destroy(graph);
        graph = 0;
      }
    }
  }

  @Override
  public Results results(int slots, int slotBytes) {
    return new PinnedResults(slots, slotBytes);
  }

  private final class PinnedResults implements Results {
    private final ByteBuffer[] memory;
    private final long[] events;

    PinnedResults(int slots, int slotBytes) {
      memory = new ByteBuffer[slots];
      events = new long[slots];
      backend.ctx();
      try {
        for (int i = 0; i < slots; i++) {
          memory[i] = runtime.allocateHost(slotBytes);
          events[i] = runtime.createEvent();
        }
      } catch (CudaFailure e) {
        throw backend.lost(e);
      }
    }

    @Override
    public void post(int slot, int offset, long address, int sizeBytes) {
      backend.ctx();
      try {
        runtime.copyToHost(memory[slot], offset, address, sizeBytes);
      } catch (CudaFailure e) {
        throw backend.lost(e);
      }
    }

    @Override
    public void seal(int slot) {
      backend.ctx();
      try {
        runtime.record(events[slot]);
      } catch (CudaFailure e) {
        throw backend.lost(e);
      }
    }

    @Override
    public ByteBuffer await(int slot) {
      backend.ctx();
      try {
        runtime.await(events[slot]);
      } catch (CudaFailure e) {
        throw backend.lost(e);
      }
      return memory[slot];
    }

    /** What belongs to a lost device goes with the process. */
    @Override
    public void close() {
      if (backend.isLost()) {
        return;
      }
      try {
        for (int i = 0; i < memory.length; i++) {
          runtime.await(events[i]);
          runtime.destroyEvent(events[i]);
          runtime.freeHost(memory[i]);
        }
      } catch (CudaFailure e) {
        throw backend.lost(e);
      }
    }
  }
}
