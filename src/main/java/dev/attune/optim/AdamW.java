package dev.attune.optim;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.RandomStream;
import dev.attune.core.Term;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.optim.RateFactors.Range;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;
import java.util.List;
import java.util.Map;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), PyTorch's order of operations.
 * Three passes: the word embedding by row, the weights that decay, the rest; more where rates
 * differ.
 *
 * <p>Moments in bf16 take half the memory, and the update a quarter less of the memory's time. They
 * are rounded at random, in the mean exactly: the second moment changes by a thousandth a step,
 * which rounding to the nearest would lose each time.
 */
public final class AdamW implements Optimizer {
  /**
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param eps added to the root of the second moment
   * @param weightDecay applied to matrices and embeddings, not to biases and norms
   * @param moments what the moments are kept as: f32 or bf16
   * @param seed of the rounding of bf16 moments; no matter where they are f32
   */
  public record Config(
      float beta1, float beta2, float eps, float weightDecay, DType moments, long seed) {
    public Config {
      Check.argument(
          moments == DType.F32 || moments == DType.BF16, "moments in %s are not kept", moments);
      Bounds.share(Term.ADAM_BETA1, beta1);
      Bounds.share(Term.ADAM_BETA2, beta2);
      Bounds.within(Term.ADAM_EPSILON, eps, Float.MIN_NORMAL, 1);
      Bounds.within(Term.WEIGHT_DECAY, weightDecay, 0, Bounds.MAX_DECAY);
    }

    /** The same of numbers that may be beyond what 32 bits hold. */
    public static Config of(double beta1, double beta2, double eps, double weightDecay) {
      Bounds.floatShare(Term.ADAM_BETA1, beta1);
      Bounds.floatShare(Term.ADAM_BETA2, beta2);
      Bounds.within(Term.ADAM_EPSILON, eps, Float.MIN_NORMAL, 1);
      Bounds.within(Term.WEIGHT_DECAY, weightDecay, 0, Bounds.MAX_DECAY);
      return new Config((float) beta1, (float) beta2, (float) eps, (float) weightDecay);
    }

    /** With moments in f32. */
    public Config(float beta1, float beta2, float eps, float weightDecay) {
      this(beta1, beta2, eps, weightDecay, DType.F32, 0);
    }

    /** Betas 0.9 and 0.999, eps 1e-8. */
    public static Config withDecay(float weightDecay) {
      return new Config(0.9f, 0.999f, 1e-8f, weightDecay);
    }

    private LaggingRows.Rule rule() {
      return new LaggingRows.Rule(beta1, beta2, eps, weightDecay, seed);
    }

    /** The same with moments in bf16. */
    public Config withBf16Moments(long roundingSeed) {
      return new Config(beta1, beta2, eps, weightDecay, DType.BF16, roundingSeed);
    }
  }

  /** To which kernels add the stream of the step. */
  private static final long STREAM = RandomStream.MOMENTS.of(0);

  /** Moments of a word embedding of more bytes lie in small pages. */
  private static final long SPARSE_BYTES = 256L << 20;

  private final Parameters parameters;
  private Config config;
  private final RateFactors factors;
  private final List<Range> decaying;
  private final List<Range> others;
  private final Buffer m;
  private final Buffer v;
  private final LaggingRows lagging; // null: all rows are updated in their step
  private long steps;

  /** With one rate for all parameters. */
  public AdamW(Parameters parameters, Config config) {
    this(parameters, config, RateFactors.ONE);
  }

  public AdamW(Parameters parameters, Config config, RateFactors factors) {
    this.parameters = parameters;
    this.config = config;
    this.factors = factors;
    this.decaying = factors.ranges(parameters, parameters.rowSparseEnd(), parameters.decayEnd());
    this.others = factors.ranges(parameters, parameters.decayEnd(), parameters.size());
    this.m = moments();
    try {
      this.v = moments();
    } catch (RuntimeException e) {
      m.close();
      throw e;
    }
    try {
      this.lagging =
          LaggingRows.serve(parameters) ? new LaggingRows(parameters, m, v, config.moments) : null;
    } catch (RuntimeException e) {
      m.close();
      v.close();
      throw e;
    }
  }

  /**
   * Goes on with other numbers.
   *
   * @param other with moments of the same type
   */
  public void become(Config other) {
    Check.argument(other.moments == config.moments, "moments stay %s", config.moments);
    config = other;
  }

  private Buffer moments() {
    int width = config.moments.sizeBytes();
    long bytes = parameters.size() * width;
    Buffer buffer =
        Buffer.allocate(
            parameters.backend(),
            bytes,
            true,
            "the moments of AdamW",
            (config.moments == DType.F32 ? Term.OPTIMIZER.of("adamw-bf16") + ", " : "")
                + Term.OPTIMIZER.of("sgd")
                + ", or "
                + Term.LORA_R
                + ", which has them of adapters alone,");
    // Many rows of a word embedding never get moments. In small pages those take no memory, but the
    // pages of new rows cost a step up to a tenth of its time: so only where there is much to save.
    if (parameters.rowSparseEnd() * width > SPARSE_BYTES) {
      parameters.backend().advise(buffer.address(), parameters.rowSparseEnd() * width, false);
    }
    return buffer;
  }

  @Override
  public void announce(float learningRate, long targets, float meanWeight) {
    steps++;
    parameters
        .backend()
        .run(
            new StepCall.Update(
                learningRate,
                correction(config.beta1),
                correction(config.beta2),
                targets,
                meanWeight));
  }

  private float correction(float beta) {
    return (float) (1 - Math.pow(beta, steps));
  }

  @Override
  public void step() {
    RowSparse sparse = parameters.rowSparse();
    if (lagging != null) {
      lagging.step(config.rule(), factors.of(sparse.table().depth()), STREAM);
    } else if (sparse != null) {
      parameters
          .backend()
          .run(
              new AdamWCall.Rows(
                  parameters.updatedAddress(0),
                  m.address(),
                  v.address(),
                  parameters.gradients().address(),
                  sparse.stateAddress(),
                  sparse.table().rows(),
                  sparse.table().cols(),
                  config.beta1,
                  config.beta2,
                  config.eps,
                  config.weightDecay,
                  factors.of(sparse.table().depth()),
                  config.seed,
                  STREAM,
                  config.moments));
    }
    decaying.forEach(range -> update(range, config.weightDecay));
    others.forEach(range -> update(range, 0f));
  }

  private void update(Range range, float weightDecay) {
    long offset = range.begin() * Float.BYTES;
    long moment = range.begin() * config.moments.sizeBytes();
    parameters
        .backend()
        .run(
            new AdamWCall.Flat(
                parameters.updatedAddress(range.begin()),
                m.address() + moment,
                v.address() + moment,
                parameters.shadowAddress(range.begin()),
                parameters.gradients().address() + offset,
                range.end() - range.begin(),
                config.beta1,
                config.beta2,
                config.eps,
                weightDecay,
                range.factor(),
                config.seed,
                STREAM,
                range.begin(),
                config.moments));
  }

  @Override
  public long steps() {
    return steps;
  }

  @Override
  public void restore(long restored) {
    this.steps = restored;
  }

  /** The moments, all of them up to date until the next step. */
  @Override
  public Map<String, Buffer> state() {
    if (lagging != null) {
      parameters.rowSparse().settle();
    }
    return Map.of("adam_m", m, "adam_v", v);
  }

  @Override
  public void close() {
    if (lagging != null) {
      lagging.close();
    }
    m.close();
    v.close();
  }
}
