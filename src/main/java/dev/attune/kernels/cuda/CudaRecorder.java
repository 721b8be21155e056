package dev.attune.kernels.cuda;

import dev.attune.kernels.Recorder;

/** CUDA graphs. */
final class CudaRecorder implements Recorder {
  private final CudaBackend backend;

  CudaRecorder(CudaBackend backend) {
    this.backend = backend;
  }

  @Override
  public Recording record(Runnable body) {
    backend.beginCapture();
    try {
      body.run();
    } catch (RuntimeException | Error e) {
      backend.abandonCapture();
      throw e;
    }
    return new CudaGraph(backend.endCapture());
  }

  private final class CudaGraph implements Recording {
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
}
