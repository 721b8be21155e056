package dev.attune.store;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.kernels.calls.LinearInt8Call;
import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import java.nio.FloatBuffer;

/**
 * A frozen weight of 4 or 8 bits while it is being loaded: its tensors arrive one by one, and are
 * packed together once all are there.
 */
final class QuantizedWeight {
  private final DType dtype;
  private final long offset;
  private final long rows;
  private final long cols;
  private Buffer staging;
  private long written;

  /**
   * @param offset first byte among the frozen
   * @param rows of all tensors together
   */
  QuantizedWeight(DType dtype, long offset, long rows, long cols) {
    this.dtype = dtype;
    this.offset = offset;
    this.rows = rows;
    this.cols = cols;
  }

  /**
   * What a weight takes once it is packed.
   *
   * @throws IllegalArgumentException if the layout has no place for rows of that width
   */
  static long sizeBytes(DType dtype, long rows, long cols) {
    return dtype == DType.CHANNEL_INT8
        ? ChannelInt8Layout.of(cols).sizeBytes(rows)
        : QuantizedLayout.of(rows, cols, dtype).sizeBytes();
  }

  /** First byte among the frozen. */
  long offset() {
    return offset;
  }

  /**
   * Takes the values of one tensor.
   *
   * @param firstElement of the tensor among all elements
   * @param address of the frozen weights
   */
  void write(
      Backend backend,
      HostWindow window,
      long firstElement,
      long count,
      Parameters.Values values,
      long address) {
    if (staging == null) {
      staging = Buffer.allocate(backend, rows * cols * Float.BYTES, false);
    }
    long piece = window.pieceBytes() / Float.BYTES;
    for (long first = 0; first < count; first += piece) {
      long elements = Math.min(piece, count - first);
      long target = staging.address() + (firstElement + first) * Float.BYTES;
      FloatBuffer room = window.prepare(target, elements * Float.BYTES).asFloatBuffer();
      values.fill(first, room);
      window.commit();
    }
    written += count;
    if (written == rows * cols) {
      long target = address + offset;
      backend.run(
          dtype == DType.CHANNEL_INT8
              ? new LinearInt8Call.Pack(target, staging.address(), rows, cols)
              : new QuantizeCall.Pack(target, staging.address(), rows, cols, DType.F32, dtype));
      close();
      written = 0;
    }
  }

  void close() {
    if (staging != null) {
      staging.close();
      staging = null;
    }
  }
}
