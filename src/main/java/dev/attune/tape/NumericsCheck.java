package dev.attune.tape;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostWindow;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * Reads what every op of a training pass makes, forward and backward, as soon as it is made. Since
 * all that came before was finite, the op that is reported is the one that made the first value
 * that is not. Costs the time of reading every activation on the host.
 */
final class NumericsCheck {
  /** Outside the layers: embeddings, the last norm, the head. */
  static final int NO_LAYER = -1;

  private final Backend backend;
  private final HostWindow window;
  private final Map<Node, Integer> layers = new IdentityHashMap<>();
  private final List<Tensor> written = new ArrayList<>();

  NumericsCheck(Backend backend) {
    this.backend = backend;
    this.window = new HostWindow(backend);
  }

  void begin() {
    layers.clear();
    written.clear();
  }

  /** An op has run forward. */
  void forward(Node node, int layer) {
    layers.put(node, layer);
    Tensor out = node.out();
    if (out.address() != 0 && isReal(out)) {
      check(
          "the forward of " + place(node),
          "output",
          out.address(),
          out.dtype(),
          out.rows(),
          out.cols());
    }
  }

  /** A gradient is being written by the op whose backward runs. */
  void writes(Tensor tensor) {
    written.add(tensor);
  }

  /** Backward is about to begin, from what the loss has left. */
  void loss() {
    checkWritten("the loss", "gradient");
  }

  /** An op has run backward. */
  void backward(Node node) {
    checkWritten("the backward of " + place(node), "input's gradient");
    layers.remove(node);
  }

  private void checkWritten(String maker, String what) {
    for (Tensor tensor : written) {
      if (tensor.gradient() != 0 && isReal(tensor)) {
        check(maker, what, tensor.gradient(), tensor.dtype(), tensor.rows(), tensor.cols());
      }
    }
    written.clear();
  }

  private static boolean isReal(Tensor tensor) {
    return tensor.dtype() == DType.F32 || tensor.dtype() == DType.BF16;
  }

  private String place(Node node) {
    int layer = layers.getOrDefault(node, NO_LAYER);
    Class<?> type = node.getClass();
    while (type.getEnclosingClass() != null) {
      type = type.getEnclosingClass();
    }
    return type.getSimpleName() + (layer == NO_LAYER ? "" : " in layer " + layer);
  }

  /**
   * Reads a matrix.
   *
   * @param maker what made it
   * @param what it is of the maker
   * @throws NonFiniteException unless all values are finite
   */
  void check(String maker, String what, long address, DType dtype, long rows, long cols) {
    backend.synchronize();
    int size = dtype.sizeBytes();
    long piece = window.pieceBytes() / size;
    long bad = 0;
    long firstBad = 0;
    float value = 0;
    for (long first = 0; first < rows * cols; first += piece) {
      int count = (int) Math.min(piece, rows * cols - first);
      ByteBuffer bytes = window.read(address + first * size, (long) count * size);
      for (int i = 0; i < count; i++) {
        float read =
            dtype == DType.BF16 ? DType.fromBf16(bytes.getShort(2 * i)) : bytes.getFloat(4 * i);
        if (!Float.isFinite(read) && bad++ == 0) {
          firstBad = first + i;
          value = read;
        }
      }
    }
    if (bad > 0) {
      throw new NonFiniteException(
          String.format(
              "%s made the first values that are not finite: %d of the %d x %d of its %s (%s), the"
                  + " first %s in row %d, column %d",
              maker, bad, rows, cols, what, dtype, value, firstBad / cols, firstBad % cols));
    }
  }
}
