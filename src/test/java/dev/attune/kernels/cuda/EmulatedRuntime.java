package dev.attune.kernels.cuda;

import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeCalls;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.kernels.cpu.CpuBackend;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.DoubleSupplier;
import org.bytedeco.javacpp.LongPointer;

/**
 * A device whose memory is the host's, one gibibyte of it unless told otherwise. Fresh memory is
 * full of NaN; what is freed twice, copied from memory that is not page-locked or left behind is an
 * error.
 */
final class EmulatedRuntime implements CudaRuntime {
  static final long MEMORY_BYTES = 1L << 30;

  private final CpuBackend host;
  private final long memoryBytes;
  private final Map<Long, Long> blocks = new HashMap<>();
  private final IdentityHashMap<ByteBuffer, Boolean> pageLocked = new IdentityHashMap<>();
  private final Set<Long> events = new HashSet<>();
  private long usedBytes;
  private long nextEvent = 1;
  private DoubleSupplier clock =
      () -> {
        throw new UnsupportedOperationException("the emulated device has no clock");
      };
  private String fault;
  private boolean closed;
  private final Map<Long, List<Piece>> graphs = new HashMap<>();
  private List<Piece> recording;
  private long nextGraph = 1;
  private int launches;

  EmulatedRuntime(CpuBackend host) {
    this(host, MEMORY_BYTES);
  }

  EmulatedRuntime(CpuBackend host, long memoryBytes) {
    this.host = host;
    this.memoryBytes = memoryBytes;
  }

  /** Makes every call from now on fail. */
  void breakDown(String reason) {
    fault = reason;
  }

  /** Blocks of device memory that are in use. */
  int liveBlocks() {
    return blocks.size();
  }

  /** Page-locked buffers of the host that are in use. */
  int pageLockedBuffers() {
    return pageLocked.size();
  }

  /** Events that exist. */
  int liveEvents() {
    return events.size();
  }

  /** Whether everything was given back. */
  boolean isClean() {
    return closed
        && blocks.isEmpty()
        && pageLocked.isEmpty()
        && events.isEmpty()
        && graphs.isEmpty();
  }

  private void call(String name) {
    if (fault != null) {
      throw new CudaFailure(name, fault);
    }
    if (closed) {
      throw new IllegalStateException(name + " after close");
    }
    if (recording != null) {
      throw new IllegalStateException(name + " while the stream is being captured");
    }
  }

  @Override
  public Properties properties() {
    return new Properties("emulated device", 90, 3, memoryBytes, 13000, 13000);
  }

  @Override
  public int device() {
    return 0;
  }

  @Override
  public long stream() {
    return 0;
  }

  @Override
  public long freeBytes() {
    call("cudaMemGetInfo");
    return memoryBytes - usedBytes;
  }

  @Override
  public long allocate(long sizeBytes) {
    call("cudaMallocAsync");
    if (sizeBytes > memoryBytes - usedBytes) {
      return 0;
    }
    long address = host.allocate(sizeBytes, false);
    byte[] poison = new byte[(int) Math.min(sizeBytes, 1 << 16)];
    Arrays.fill(poison, (byte) 0xFF);
    host.view(address, poison.length).put(poison);
    blocks.put(address, sizeBytes);
    usedBytes += sizeBytes;
    return address;
  }

  @Override
  public void free(long address) {
    call("cudaFreeAsync");
    Long sizeBytes = blocks.remove(address);
    if (sizeBytes == null) {
      throw new CudaFailure("cudaFreeAsync", "not a block: " + Long.toHexString(address));
    }
    host.free(address, sizeBytes);
    usedBytes -= sizeBytes;
  }

  @Override
  public ByteBuffer allocateHost(int sizeBytes) {
    call("cudaMallocHost");
    ByteBuffer buffer = ByteBuffer.allocateDirect(sizeBytes).order(ByteOrder.nativeOrder());
    pageLocked.put(buffer, true);
    return buffer;
  }

  @Override
  public void freeHost(ByteBuffer buffer) {
    call("cudaFreeHost");
    if (pageLocked.remove(buffer) == null) {
      throw new CudaFailure("cudaFreeHost", "not page-locked memory");
    }
  }

  private void checkPageLocked(String name, ByteBuffer buffer) {
    call(name);
    if (!pageLocked.containsKey(buffer)) {
      throw new CudaFailure(name, "not page-locked memory");
    }
  }

  @Override
  public void copyToDevice(long address, ByteBuffer from, int sizeBytes) {
    checkPageLocked("cudaMemcpyAsync", from);
    host.view(address, sizeBytes).put(from.slice(0, sizeBytes));
  }

  @Override
  public void copyToHost(ByteBuffer to, int offset, long address, int sizeBytes) {
    checkPageLocked("cudaMemcpyAsync", to);
    to.put(offset, host.view(address, sizeBytes), 0, sizeBytes);
  }

  // ---- graphs: pieces that the native library records, and the calls of the host between them
  // ----

  @Override
  public int beginCapture(KernelLibrary library, long ctx) {
    call("cudaStreamBeginCapture");
    recording = new ArrayList<>();
    return NativeCalls.graphBegin(Emulation.library().handle(), ctx);
  }

  @Override
  public int endCapture(KernelLibrary library, long ctx, LongPointer out) {
    capturing("cudaStreamEndCapture");
    cut(ctx);
    graphs.put(nextGraph, recording);
    recording = null;
    out.put(nextGraph++);
    return 0;
  }

  @Override
  public int launch(KernelLibrary library, long ctx, long graph) {
    call("cudaGraphLaunch");
    graphs.get(graph).forEach(piece -> piece.accept(ctx));
    launches++;
    return 0;
  }

  @Override
  public int destroy(KernelLibrary library, long ctx, long graph) {
    call("cudaGraphExecDestroy");
    graphs.remove(graph).forEach(Piece::close);
    return 0;
  }

  /** Runs work of the host that stands for work of the device, or records it. */
  void enqueue(long ctx, Runnable work) {
    if (recording == null) {
      work.run();
      return;
    }
    cut(ctx);
    recording.add(
        new Piece() {
          @Override
          public void accept(long to) {
            work.run();
          }

          @Override
          public void close() {}
        });
    assertDone(NativeCalls.graphBegin(Emulation.library().handle(), ctx));
  }

  /** Ends the native library's recording and keeps it as one piece. */
  private void cut(long ctx) {
    try (LongPointer graph = new LongPointer(1)) {
      assertDone(NativeCalls.graphEnd(Emulation.library().handle(), ctx, graph));
      long address = graph.get();
      recording.add(
          new Piece() {
            @Override
            public void accept(long to) {
              assertDone(NativeCalls.graphLaunch(Emulation.library().handle(), to, address));
            }

            @Override
            public void close() {
              assertDone(NativeCalls.graphDestroy(Emulation.library().handle(), ctx, address));
            }
          });
    }
  }

  private static void assertDone(int status) {
    if (status != 0) {
      throw new IllegalStateException(Emulation.library().lastError());
    }
  }

  private void capturing(String name) {
    if (fault != null) {
      throw new CudaFailure(name, fault);
    }
    if (recording == null) {
      throw new IllegalStateException(name + ": nothing is being captured");
    }
  }

  /** How often a graph was launched. */
  int launches() {
    return launches;
  }

  /** Graphs that were not destroyed. */
  int liveGraphs() {
    return graphs.size();
  }

  private interface Piece {
    void accept(long ctx);

    void close();
  }

  @Override
  public void zero(long address, long sizeBytes) {
    call("cudaMemsetAsync");
    host.run(new FillZeroCall(address, sizeBytes));
  }

  @Override
  public long createEvent() {
    call("cudaEventCreate");
    events.add(nextEvent);
    return nextEvent++;
  }

  private void checkEvent(String name, long event) {
    call(name);
    if (!events.contains(event)) {
      throw new CudaFailure(name, "not an event");
    }
  }

  @Override
  public void record(long event) {
    checkEvent("cudaEventRecord", event);
  }

  @Override
  public void await(long event) {
    checkEvent("cudaEventSynchronize", event);
  }

  /** What two events are apart from now on: the device has no clock of its own. */
  void takes(DoubleSupplier seconds) {
    clock = seconds;
  }

  @Override
  public double elapsedSeconds(long begin, long end) {
    checkEvent("cudaEventElapsedTime", begin);
    checkEvent("cudaEventElapsedTime", end);
    return clock.getAsDouble();
  }

  @Override
  public void destroyEvent(long event) {
    checkEvent("cudaEventDestroy", event);
    events.remove(event);
  }

  @Override
  public void synchronize() {
    call("cudaStreamSynchronize");
  }

  @Override
  public void close() {
    closed = true;
  }
}
