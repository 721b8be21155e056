package dev.attune.optim;

import dev.attune.core.Term;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.optim.RateFactors.Range;
import dev.attune.store.Parameters;
import java.util.List;
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

    /** The same of numbers that may be beyond what 32 bits hold, without Nesterov's momentum. */
    public static Config of(double momentum, double weightDecay) {
      Bounds.share(Term.SGD_MOMENTUM, momentum);
      Bounds.within(Term.WEIGHT_DECAY, weightDecay, 0, Bounds.MAX_DECAY);
      return new Config((float) momentum, (float) weightDecay, false);
    }
  }

  private final Parameters parameters;
  private final Config config;
  private final List<Range> decaying;
  private final List<Range> others;
  private final Buffer momentum;
  private long steps;

  /** With one rate for all parameters. */
  public Sgd(Parameters parameters, Config config) {
    this(parameters, config, RateFactors.ONE);
  }

  public Sgd(Parameters parameters, Config config, RateFactors factors) {
    this.parameters = parameters;
    this.config = config;
    this.decaying = factors.ranges(parameters, 0, parameters.decayEnd());
    this.others = factors.ranges(parameters, parameters.decayEnd(), parameters.size());
    this.momentum =
        Buffer.allocate(
            parameters.backend(),
            parameters.size() * Float.BYTES,
            true,
            "the momentum of SGD",
            Term.LORA_R + ", which has it of adapters alone,");
  }

  @Override
  public void announce(float learningRate, long targets, float meanWeight) {
    steps++;
    parameters.backend().run(new StepCall.Update(learningRate, 1f, 1f, targets, meanWeight));
  }

  /** The momentum of the first step is zero, as it was allocated. */
  @Override
  public void step() {
    decaying.forEach(range -> update(range, config.weightDecay));
    others.forEach(range -> update(range, 0f));
  }

  private void update(Range range, float weightDecay) {
    long offset = range.begin() * Float.BYTES;
    parameters
        .backend()
        .run(
            new SgdCall.Flat(
                parameters.weights().address() + offset,
                momentum.address() + offset,
                parameters.shadowAddress(range.begin()),
                parameters.gradients().address() + offset,
                range.end() - range.begin(),
                config.momentum,
                weightDecay,
                range.factor(),
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
