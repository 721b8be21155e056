package dev.attune.weights;

import dev.attune.core.NotFinite;
import java.nio.FloatBuffer;
import java.nio.file.Path;
import java.util.Set;

/**
 * Weights of which no value that is read may be infinite or NaN: what is computed, trained or
 * merged from them would have no number left, and the fault would show far from its cause.
 */
public final class FiniteSource implements WeightSource {
  private final WeightSource source;
  private final Path origin;

  /**
   * @param source closed with this
   * @param origin what messages name
   */
  public FiniteSource(WeightSource source, Path origin) {
    this.source = source;
    this.origin = origin;
  }

  @Override
  public Set<String> names() {
    return source.names();
  }

  @Override
  public TensorInfo info(String name) {
    return source.info(name);
  }

  /**
   * {@inheritDoc}
   *
   * @throws dev.attune.core.InputException also for a value that is not finite, by the tensor's
   *     name
   */
  @Override
  public void read(String name, long first, FloatBuffer out) {
    int begin = out.position();
    source.read(name, first, out);
    int bad = NotFinite.first(out, begin, out.position());
    if (bad >= 0) {
      throw Messages.bad(
          origin,
          "the weights %s hold %s (element %d), which no computation survives. Take another copy"
              + " of the model, or the one from before it diverged",
          Messages.shown(name),
          out.get(bad),
          first + bad - begin);
    }
  }

  @Override
  public boolean holdsSame(String one, String other) {
    return source.holdsSame(one, other);
  }

  @Override
  public void close() {
    source.close();
  }
}
