package dev.attune.optim;

import dev.attune.memory.Buffer;
import java.util.Map;

/** Updates the weights of a flat store from its gradients. */
public interface Optimizer extends AutoCloseable {
  /**
   * Counts the next update and puts its values into the step block, where {@link #step} reads them.
   *
   * @param learningRate of this update
   * @param targets what gradients are divided by first, at least 1, times {@code meanWeight}
   * @param meanWeight what a target counts in the mean
   */
  void announce(float learningRate, long targets, float meanWeight);

  /** The same of targets that all count alike. */
  default void announce(float learningRate, long targets) {
    announce(learningRate, targets, 1f);
  }

  /**
   * Enqueues the update that was announced, on gradients that are divided and clipped as the step
   * block says ({@link GradientNorm#clip}): the same work for all updates. Does nothing once a loss
   * or a norm was not finite.
   */
  void step();

  /** Updates announced so far: part of the state. */
  long steps();

  /** Restores {@link #steps}; the buffers of {@link #state} are restored by the caller. */
  void restore(long steps);

  /** The state that a checkpoint keeps, by name. */
  Map<String, Buffer> state();

  @Override
  void close();
}
