package dev.attune.optim;

import dev.attune.core.Term;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.store.Parameters;
import java.util.Map;

/** Stochastic gradient descent with momentum, as PyTorch's SGD. */
public final class Sgd implements Optimizer {
  /**
   * @param momentum 0 for none
   * @param weightDecay coupled (L2), on matrices and embeddings
   * @param nesterov whether to look ahead
   */
  public record Config(float momentum, float weightDecay, boolean nesterov) {
    public Config {
      Bounds.share(Term.SGD_MOMENTUM, momentum);
      Bounds.within(Term.WEIGHT_DECAY, weightDecay, 0, Bounds.MAX_DECAY);
    }
  }

  private final Parameters parameters;
  private final Config config;
  private final Buffer momentum;
  private long steps;

  public Sgd(Parameters parameters, Config config) {
    this.parameters = parameters;
    this.config = config;
    this.momentum =
        Buffer.allocate(
            parameters.backend(),
            parameters.size() * Float.BYTES,
            true,
            "the momentum of SGD",
            Term.LORA_R + ", which has it of adapters alone,");
  }

  @Override
  public void announce(float learningRate, long targets) {
    steps++;
    parameters.backend().run(new StepCall.Update(learningRate, 1f, 1f, targets));
  }

  /** The momentum of the first step is zero, as it was allocated. */
  @Override
  public void step() {
    range(0, parameters.decayEnd(), config.weightDecay);
    range(parameters.decayEnd(), parameters.size(), 0f);
  }

  private void range(long begin, long end, float weightDecay) {
    long offset = begin * Float.BYTES;
    parameters
        .backend()
        .run(
            new SgdCall.Flat(
                parameters.weights().address() + offset,
                momentum.address() + offset,
                parameters.shadowAddress(begin),
                parameters.gradients().address() + offset,
                end - begin,
                config.momentum,
                weightDecay,
                config.nesterov));
  }

  @Override
  public long steps() {
    return steps;
  }

  @Override
  public void restore(long restored) {
    this.steps = restored;
  }

  @Override
  public Map<String, Buffer> state() {
    return Map.of("momentum", momentum);
  }

  @Override
  public void close() {
    momentum.close();
  }
}
