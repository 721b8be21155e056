package dev.attune.kernels.cuda;

import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeCalls;
import java.nio.ByteBuffer;
import org.bytedeco.javacpp.LongPointer;

/**
 * The few calls of the CUDA runtime that the backend makes, on one device and one stream. Tests put
 * host memory in its place. Calls are enqueued on the stream unless they say that they wait.
 *
 * <p>A failed call throws {@link CudaFailure}.
 */
interface CudaRuntime extends AutoCloseable {
  /**
   * A device.
   *
   * @param capability compute capability, 10 * major + minor
   * @param driver version of CUDA that the driver serves, as in 13000
   * @param runtime version of the CUDA runtime
   */
  record Properties(
      String name, int capability, int multiprocessors, long memoryBytes, int driver, int runtime) {
    /** A version number as people write it. */
    static String version(int number) {
      return number / 1000 + "." + number % 1000 / 10;
    }
  }

  Properties properties();

  /** Which device of the process this is. */
  int device();

  /** The stream, as an address. */
  long stream();

  /** Memory that nothing has reserved, this process's pool included. */
  long freeBytes();

  /** Takes uninitialised memory from the pool; 0 where there is not enough. */
  long allocate(long sizeBytes);

  /** Returns memory to the pool, after the work before. */
  void free(long address);

  /**
   * Page-locked host memory: the only kind that copies do not wait for. The buffer itself, not a
   * slice or duplicate, is what the copies take.
   */
  ByteBuffer allocateHost(int sizeBytes);

  /** Frees what {@link #allocateHost} gave. */
  void freeHost(ByteBuffer buffer);

  /** Copies the first bytes of page-locked memory to the device. */
  void copyToDevice(long address, ByteBuffer host, int sizeBytes);

  /** Copies from the device to page-locked memory. */
  void copyToHost(ByteBuffer host, int offset, long address, int sizeBytes);

  /**
   * Begins to record the stream's work instead of running it.
   *
   * @return a status of the native border, as from the three below
   */
  default int beginCapture(KernelLibrary library, long ctx) {
    return NativeCalls.graphBegin(library.handle(), ctx);
  }

  /** Ends that; the graph's address goes to {@code out}. */
  default int endCapture(KernelLibrary library, long ctx, LongPointer out) {
    return NativeCalls.graphEnd(library.handle(), ctx, out);
  }

  /** Enqueues recorded work. */
  default int launch(KernelLibrary library, long ctx, long graph) {
    return NativeCalls.graphLaunch(library.handle(), ctx, graph);
  }

  /** Frees recorded work. */
  default int destroy(KernelLibrary library, long ctx, long graph) {
    return NativeCalls.graphDestroy(library.handle(), ctx, graph);
  }

  /** Zeroes a range. */
  void zero(long address, long sizeBytes);

  /** A new marker for {@link #record}. */
  long createEvent();

  /** Moves a marker to the end of the work so far. */
  void record(long event);

  /** Waits until the stream has passed a marker. */
  void await(long event);

  /** Time between two markers that the stream has passed. */
  double elapsedSeconds(long begin, long end);

  void destroyEvent(long event);

  /** Waits for all work. */
  void synchronize();

  @Override
  void close();
}
