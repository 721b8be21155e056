package dev.attune.store;

import dev.attune.core.NotFinite;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.SumOfSquaresCall;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Optional;

/**
 * Looks for values that are infinite or NaN in what is trained. One pass of a reduction over the
 * flat store tells that there are none; only where it does not, tensors are looked at one by one.
 */
public final class FiniteValues {
  private FiniteValues() {}

  /** The name of the first trained tensor that holds such a value; empty: none does. */
  public static Optional<String> badWeight(Parameters parameters) {
    return bad(parameters, parameters.weights());
  }

  /** The same of gradients, where all that ops have not written are zero. */
  public static Optional<String> badGradient(Parameters parameters) {
    return bad(parameters, parameters.gradients());
  }

  private static Optional<String> bad(Parameters parameters, Buffer store) {
    Backend backend = parameters.backend();
    if (Double.isFinite(sumOfSquares(backend, store.address(), parameters.size()))) {
      return Optional.empty();
    }
    HostWindow window = new HostWindow(backend);
    return parameters.segments().stream()
        .filter(segment -> !segment.frozen() && !isFinite(window, store, segment))
        .map(Segment::name)
        .findFirst(); // none, where squares alone are too large
  }

  private static double sumOfSquares(Backend backend, long address, long count) {
    try (Buffer sum = Buffer.allocate(backend, Double.BYTES, false)) {
      backend.run(new SumOfSquaresCall.Flat(sum.address(), address, count));
      ByteBuffer bytes = ByteBuffer.allocateDirect(Double.BYTES).order(ByteOrder.nativeOrder());
      sum.read(0, bytes);
      return bytes.getDouble(0);
    }
  }

  private static boolean isFinite(HostWindow window, Buffer store, Segment segment) {
    long piece = window.pieceBytes() / Float.BYTES;
    for (long first = 0; first < segment.count(); first += piece) {
      long count = Math.min(piece, segment.count() - first);
      long address = store.address() + (segment.first() + first) * Float.BYTES;
      FloatBuffer values = window.read(address, count * Float.BYTES).asFloatBuffer();
      if (NotFinite.first(values, 0, (int) count) >= 0) {
        return false;
      }
    }
    return true;
  }
}
