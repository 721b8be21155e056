package dev.attune.optim;

import dev.attune.kernels.DeviceStep;
import dev.attune.memory.Buffer;
import java.util.Map;

/** Updates the weights of a flat store from its gradients. */
public interface Optimizer extends AutoCloseable {
  /**
   * One update.
   *
   * @param learningRate of this step
   * @param gradientScale what gradients are multiplied by first: 1 / targets, times the clip factor
   */
  void step(float learningRate, float gradientScale);

  /**
   * Counts the next update and tells the device its values, for {@link #stepOn}.
   *
   * @param streamBase see {@link DeviceStep#set}
   * @param lossScale what gradients are multiplied by before they are clipped: 1 / targets
   */
  void announce(DeviceStep device, long streamBase, float learningRate, float lossScale);

  /** Enqueues the update that was announced: the same work whatever its values are. */
  void stepOn(DeviceStep device);

  /** Updates done so far: part of the state. */
  long steps();

  /** Restores {@link #steps}; the buffers of {@link #state} are restored by the caller. */
  void restore(long steps);

  /** The state that a checkpoint keeps, by name. */
  Map<String, Buffer> state();

  @Override
  void close();
}
