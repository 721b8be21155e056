package dev.attune.optim;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.RandomStream;
import dev.attune.core.Term;
import dev.attune.kernels.calls.AdamWCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.memory.Buffer;
import dev.attune.optim.MomentLayout.Piece;
import dev.attune.store.Parameters;
import dev.attune.store.RowSparse;
import java.util.Map;

/**
 * Adam with decoupled weight decay (Loshchilov and Hutter, 2019), PyTorch's order of operations.
 * Three passes: the word embedding by row, the weights that decay, the rest; more where rates
 * differ.
 *
 * <p>Moments in bf16 take half the memory, and the update a quarter less of the memory's time. They
 * are rounded at random, in the mean exactly: the second moment changes by a thousandth a step,
 * which rounding to the nearest would lose each time. In blocks of 8 bits (Dettmers et al., 2022)
 * they take a quarter; those of embeddings and of small tensors stay f32 there.
 */
public final class AdamW implements Optimizer {
  /**
   * @param beta1 decay of the first moment
   * @param beta2 decay of the second moment
   * @param eps added to the root of the second moment
   * @param weightDecay applied to matrices and embeddings, not to biases and norms
   * @param moments what the moments are kept as: f32, bf16, or int8: codes in blocks
   * @param seed of the rounding of bf16 moments; no matter where they are f32
   */
  public record Config(
      float beta1, float beta2, float eps, float weightDecay, DType moments, long seed) {
    public Config {
      Check.argument(
          moments == DType.F32 || moments == DType.BF16 || moments == DType.INT8,
          "moments in %s are not kept",
          moments);
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

    /** The same with moments in blocks of 8 bits. */
    public Config with8BitMoments() {
      return new Config(beta1, beta2, eps, weightDecay, DType.INT8, 0);
    }

    private boolean areCoded() {
      return moments == DType.INT8;
    }

    /** Of the moments that are numbers. */
    private DType plainType() {
      return areCoded() ? DType.F32 : moments;
    }

    /** What takes less than such moments. */
    private String smaller() {
      String narrow =
          switch (moments) {
            case F32 -> Term.OPTIMIZER.of("adamw-bf16") + ", " + Term.OPTIMIZER.of("adamw-8bit");
            case BF16 -> Term.OPTIMIZER.of("adamw-8bit");
            default -> "";
          };
      return (narrow.isEmpty() ? "" : narrow + ", ") + Term.OPTIMIZER.of("sgd") + ", or ";
    }
  }

  /** To which kernels add the stream of the step. */
  private static final long STREAM = RandomStream.MOMENTS.of(0);

  private final Parameters parameters;
  private Config config;
  private final RateFactors factors;
  private final MomentLayout layout;
  private final Moments moments;
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
    this.layout =
        config.areCoded()
            ? MomentLayout.coded(parameters, factors)
            : MomentLayout.plain(parameters, factors);
    this.moments = new Moments(parameters, layout, config.plainType(), config.smaller());
    try {
      this.lagging =
          LaggingRows.serve(parameters)
              ? new LaggingRows(parameters, moments.m(), moments.v(), config.plainType())
              : null;
    } catch (RuntimeException e) {
      moments.close();
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
                  moments.m().address(),
                  moments.v().address(),
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
                  config.plainType()));
    }
    layout.plain().forEach(this::update);
    layout.coded().forEach(this::updateCoded);
  }

  private void update(Piece piece) {
    long moment = piece.first() * config.plainType().sizeBytes();
    parameters
        .backend()
        .run(
            new AdamWCall.Flat(
                parameters.updatedAddress(piece.begin()),
                moments.m().address() + moment,
                moments.v().address() + moment,
                parameters.shadowAddress(piece.begin()),
                gradient(piece),
                piece.end() - piece.begin(),
                config.beta1,
                config.beta2,
                config.eps,
                decay(piece),
                piece.factor(),
                config.seed,
                STREAM,
                piece.begin(),
                config.plainType()));
  }

  private void updateCoded(Piece piece) {
    parameters
        .backend()
        .run(
            new AdamWCall.EightBit(
                parameters.updatedAddress(piece.begin()),
                moments.mCodes(piece.first()),
                moments.mScale(piece.first()),
                moments.vCodes(piece.first()),
                moments.vScale(piece.first()),
                parameters.shadowAddress(piece.begin()),
                gradient(piece),
                piece.end() - piece.begin(),
                config.beta1,
                config.beta2,
                config.eps,
                decay(piece),
                piece.factor()));
  }

  private long gradient(Piece piece) {
    return parameters.gradients().address() + piece.begin() * Float.BYTES;
  }

  private float decay(Piece piece) {
    return piece.decays() ? config.weightDecay : 0f;
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
    Map<String, Buffer> state = moments.buffers();
    if (lagging != null) {
      parameters.rowSparse().settle();
      state.put("adam_rows", lagging.notes());
    }
    return state;
  }

  @Override
  public void close() {
    if (lagging != null) {
      lagging.close();
    }
    moments.close();
  }
}
