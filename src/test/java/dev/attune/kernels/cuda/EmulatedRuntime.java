package dev.attune.kernels.cuda;

import dev.attune.kernels.cpu.CpuBackend;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Set;

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
  private String fault;
  private boolean closed;

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
    return closed && blocks.isEmpty() && pageLocked.isEmpty() && events.isEmpty();
  }

  private void call(String name) {
    if (fault != null) {
      throw new CudaFailure(name, fault);
    }
    if (closed) {
      throw new IllegalStateException(name + " after close");
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
  public void copyToHost(ByteBuffer to, long address, int sizeBytes) {
    checkPageLocked("cudaMemcpyAsync", to);
    to.put(0, host.view(address, sizeBytes), 0, sizeBytes);
  }

  @Override
  public void zero(long address, long sizeBytes) {
    call("cudaMemsetAsync");
    host.fillZero(address, sizeBytes);
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

  @Override
  public double elapsedSeconds(long begin, long end) {
    throw new UnsupportedOperationException("the emulated device has no clock");
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
