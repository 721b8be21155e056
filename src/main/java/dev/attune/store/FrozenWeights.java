package dev.attune.store;

import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.memory.HostWindow;
import java.util.List;

/**
 * The weights that are never trained: held once, in the type that products read (f32, bf16, or
 * packed in 8 or 4 bits), in a buffer of their own.
 */
final class FrozenWeights implements AutoCloseable {
  private final Backend backend;
  private final List<Segment> segments;
  private final List<QuantizedWeight> quantized;
  private final Buffer buffer;

  /** Allocates what the layout's frozen tensors take, which must be something. */
  FrozenWeights(Backend backend, ParameterLayout layout) {
    this.backend = backend;
    this.segments = layout.segments();
    this.quantized = layout.quantized();
    this.buffer =
        Buffer.allocate(
            backend,
            layout.frozenBytes(),
            true,
            "the frozen weights",
            Term.LOAD_IN_8BIT + " or " + Term.LOAD_IN_4BIT);
  }

  /** Address of a frozen tensor; of a packed one, of all that are packed with it. */
  long address(Segment segment) {
    return buffer.address() + segment.first();
  }

  /** Writes all values of a packed tensor; see {@link QuantizedWeight#write}. */
  void writeQuantized(HostWindow window, Segment segment, Parameters.Values values) {
    QuantizedWeight weight =
        quantized.stream().filter(q -> q.offset() == segment.first()).findFirst().orElseThrow();
    long before = 0;
    for (int i = segments.indexOf(segment) - 1;
        i >= 0 && segments.get(i).frozen() && segments.get(i).first() == segment.first();
        i--) {
      before += segments.get(i).count();
    }
    weight.write(backend, window, before, segment.count(), values, buffer.address());
  }

  @Override
  public void close() {
    buffer.close();
    quantized.forEach(QuantizedWeight::close);
  }
}
