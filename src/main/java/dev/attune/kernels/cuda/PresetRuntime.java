package dev.attune.kernels.cuda;

import dev.attune.memory.DeviceMemoryException;
import dev.attune.memory.NativePointer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.Map;
import java.util.Optional;
import org.bytedeco.cuda.cudart.CUevent_st;
import org.bytedeco.cuda.cudart.CUmemPoolHandle_st;
import org.bytedeco.cuda.cudart.CUstream_st;
import org.bytedeco.cuda.cudart.cudaDeviceProp;
import org.bytedeco.cuda.global.cudart;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.SizeTPointer;

/** The CUDA runtime through its JavaCPP preset. */
final class PresetRuntime implements CudaRuntime {
  /** The first device that CUDA_VISIBLE_DEVICES leaves: the choice is the environment's. */
  private static final int DEVICE = 0;

  private final CUstream_st stream = new CUstream_st();
  private final Map<ByteBuffer, BytePointer> hostBlocks = new IdentityHashMap<>();
  private final Map<Long, CUevent_st> events = new HashMap<>();
  private final Properties properties;
  private final CUmemPoolHandle_st pool = new CUmemPoolHandle_st();
  private final Address target = new Address();
  private final Address hostTarget = new Address();
  private boolean open;

  /** Why there is no device to open, or empty. Loads the CUDA runtime where it is installed. */
  static Optional<String> unavailableReason() {
    int[] count = new int[1];
    Optional<String> problem =
        Linkage.problem("the CUDA runtime", () -> cudart.cudaGetDeviceCount(count));
    if (problem.isPresent()) {
      return problem;
    }
    int status = cudart.cudaGetDeviceCount(count);
    if (status != cudart.cudaSuccess) {
      return Optional.of("CUDA finds no device: " + cudart.cudaGetErrorString(status).getString());
    }
    return count[0] == 0 ? Optional.of("CUDA finds no device") : Optional.empty();
  }

  PresetRuntime() {
    check("cudaSetDevice", cudart.cudaSetDevice(DEVICE));
    this.properties = readProperties();
    check(
        "cudaStreamCreateWithFlags",
        cudart.cudaStreamCreateWithFlags(stream, cudart.cudaStreamNonBlocking));
    open = true;
    // Freed memory stays with the pool, so that taking it again costs nothing.
    check("cudaDeviceGetDefaultMemPool", cudart.cudaDeviceGetDefaultMemPool(pool, DEVICE));
    try (LongPointer everything = new LongPointer(1L)) {
      everything.put(-1L);
      check(
          "cudaMemPoolSetAttribute",
          cudart.cudaMemPoolSetAttribute(pool, cudart.cudaMemPoolAttrReleaseThreshold, everything));
    }
  }

  private static Properties readProperties() {
    try (cudaDeviceProp prop = new cudaDeviceProp()) {
      check("cudaGetDeviceProperties", cudart.cudaGetDeviceProperties(prop, DEVICE));
      int[] driver = new int[1];
      int[] runtime = new int[1];
      check("cudaDriverGetVersion", cudart.cudaDriverGetVersion(driver));
      check("cudaRuntimeGetVersion", cudart.cudaRuntimeGetVersion(runtime));
      return new Properties(
          prop.name().getString(),
          10 * prop.major() + prop.minor(),
          prop.multiProcessorCount(),
          prop.totalGlobalMem(),
          driver[0],
          runtime[0]);
    }
  }

  @Override
  public Properties properties() {
    return properties;
  }

  @Override
  public int device() {
    return DEVICE;
  }

  @Override
  public long stream() {
    return stream.address();
  }

  CUstream_st streamPointer() {
    return stream;
  }

  @Override
  public long freeBytes() {
    // What was freed is still the pool's, which cudaMemGetInfo counts as used.
    synchronize();
    check("cudaMemPoolTrimTo", cudart.cudaMemPoolTrimTo(pool, 0));
    try (SizeTPointer free = new SizeTPointer(1);
        SizeTPointer total = new SizeTPointer(1)) {
      check("cudaMemGetInfo", cudart.cudaMemGetInfo(free, total));
      return free.get();
    }
  }

  @Override
  public long allocate(long sizeBytes) {
    Pointer memory = new Address();
    int status = cudart.cudaMallocAsync(memory, sizeBytes, stream);
    if (status == cudart.cudaErrorMemoryAllocation) {
      cudart.cudaGetLastError(); // this failure is not the device's; later calls are not to see it
      return 0;
    }
    check("cudaMallocAsync", status);
    return memory.address();
  }

  @Override
  public void free(long address) {
    check("cudaFreeAsync", cudart.cudaFreeAsync(target.at(address), stream));
  }

  @Override
  public ByteBuffer allocateHost(int sizeBytes) {
    BytePointer memory = new BytePointer((Pointer) null);
    int status = cudart.cudaMallocHost(memory, sizeBytes);
    if (status == cudart.cudaErrorMemoryAllocation) {
      cudart.cudaGetLastError();
      throw new DeviceMemoryException(
          "out of page-locked host memory: " + sizeBytes + " bytes were wanted");
    }
    check("cudaMallocHost", status);
    ByteBuffer buffer =
        new NativePointer(memory.address(), sizeBytes)
            .asByteBuffer()
            .order(ByteOrder.nativeOrder());
    hostBlocks.put(buffer, memory);
    return buffer;
  }

  @Override
  public void freeHost(ByteBuffer buffer) {
    check("cudaFreeHost", cudart.cudaFreeHost(hostBlocks.remove(buffer)));
  }

  @Override
  public void copyToDevice(long address, ByteBuffer host, int sizeBytes) {
    check(
        "cudaMemcpyAsync",
        cudart.cudaMemcpyAsync(
            target.at(address),
            hostBlocks.get(host),
            sizeBytes,
            cudart.cudaMemcpyHostToDevice,
            stream));
  }

  @Override
  public void copyToHost(ByteBuffer host, int offset, long address, int sizeBytes) {
    check(
        "cudaMemcpyAsync",
        cudart.cudaMemcpyAsync(
            hostTarget.at(hostBlocks.get(host).address() + offset),
            target.at(address),
            sizeBytes,
            cudart.cudaMemcpyDeviceToHost,
            stream));
  }

  @Override
  public void zero(long address, long sizeBytes) {
    check("cudaMemsetAsync", cudart.cudaMemsetAsync(target.at(address), 0, sizeBytes, stream));
  }

  @Override
  public long createEvent() {
    CUevent_st event = new CUevent_st();
    check("cudaEventCreate", cudart.cudaEventCreate(event));
    events.put(event.address(), event);
    return event.address();
  }

  @Override
  public void record(long event) {
    check("cudaEventRecord", cudart.cudaEventRecord(events.get(event), stream));
  }

  @Override
  public void await(long event) {
    check("cudaEventSynchronize", cudart.cudaEventSynchronize(events.get(event)));
  }

  @Override
  public double elapsedSeconds(long begin, long end) {
    float[] millis = new float[1];
    check(
        "cudaEventElapsedTime",
        cudart.cudaEventElapsedTime(millis, events.get(begin), events.get(end)));
    return millis[0] * 1e-3;
  }

  @Override
  public void destroyEvent(long event) {
    check("cudaEventDestroy", cudart.cudaEventDestroy(events.remove(event)));
  }

  @Override
  public void synchronize() {
    check("cudaStreamSynchronize", cudart.cudaStreamSynchronize(stream));
  }

  @Override
  public void close() {
    if (open) {
      open = false;
      check("cudaStreamDestroy", cudart.cudaStreamDestroy(stream));
    }
  }

  private static void check(String call, int status) {
    if (status != cudart.cudaSuccess) {
      throw new CudaFailure(
          call,
          cudart.cudaGetErrorName(status).getString()
              + " ("
              + cudart.cudaGetErrorString(status).getString()
              + ")");
    }
  }
}
