package dev.attune.optim;

import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Learning rates by step, as Transformers' get_scheduler gives them.
 *
 * @param kind shape after the warmup
 * @param peak learning rate at the end of the warmup
 * @param warmupSteps steps of linear warmup, whose first step mostly has rate 0; not every kind
 *     {@linkplain Kind#hasWarmup has} one
 * @param totalSteps steps of the run
 * @param parameters of the shape, where they are not the defaults: see {@link Kind}
 */
public record Schedule(
    Kind kind, double peak, long warmupSteps, long totalSteps, Map<String, Double> parameters) {
  private static final String CYCLES = "num_cycles";
  private static final String POWER = "power";
  private static final String END = "lr_end";
  private static final double DEFAULT_END = 1e-7;
  private static final String TIMESCALE = "timescale";
  private static final String LEAST = "min_lr";
  private static final String LEAST_RATE = "min_lr_rate";
  private static final String LEAST_RATIO = "min_lr_ratio";
  private static final String DECAY_STEPS = "num_decay_steps";
  private static final String WARMUP_RATE = "warmup_lr_rate";
  private static final String FACTOR = "factor";
  private static final String PATIENCE = "patience";
  private static final String THRESHOLD = "threshold";
  private static final String COOLDOWN = "cooldown";
  private static final String EPS = "eps";
  private static final String WARMUP = "warmup";
  private static final String MOST = "max_lr";
  private static final String SMOOTH = "smooth";
  private static final String WINDOW = "window_size";
  private static final String RESET_START = "reset_start";

  /** Of Transformers' parameters, one that is no number. */
  private static final String MODE = "mode";

  /** Shapes, with the parameters that they take: Transformers' names and defaults. */
  public enum Kind {
    /** To 0 in a straight line. */
    LINEAR,
    /** To 0 along {@code num_cycles} (0.5) of a cosine. */
    COSINE(CYCLES),
    /** Half a cosine {@code num_cycles} (1) times. */
    COSINE_WITH_RESTARTS(CYCLES),
    /** As COSINE (0.5), to {@code min_lr}, or to the share {@code min_lr_rate} of the peak. */
    COSINE_WITH_MIN_LR(CYCLES, LEAST, LEAST_RATE),
    /**
     * The same, a step ahead: its warmup begins above 0, at {@code warmup_lr_rate} of the peak or
     * at one step's share of it, and it ends at the least rate.
     */
    COSINE_WARMUP_WITH_MIN_LR(CYCLES, LEAST, LEAST_RATE, WARMUP_RATE),
    /** To {@code lr_end} (1e-7) along the {@code power} (1) of what is left. */
    POLYNOMIAL(POWER, END),
    /** By the square root of the step, over {@code timescale} (the warmup, or 10,000) steps. */
    INVERSE_SQRT(TIMESCALE),
    /** The peak throughout, without a warmup. */
    CONSTANT,
    /** The peak after the warmup. */
    CONSTANT_WITH_WARMUP,
    /**
     * The peak, then along {@code num_cycles} (0.5) of a cosine to the share {@code min_lr_ratio}
     * (0) of it in the last {@code num_decay_steps} (a tenth of all, where Transformers has no
     * default).
     */
    WARMUP_STABLE_DECAY(DECAY_STEPS, LEAST_RATIO, CYCLES),
    /** The peak, without a warmup, until evaluations reduce it: see {@link Plateau}. */
    REDUCE_LR_ON_PLATEAU(FACTOR, PATIENCE, THRESHOLD, COOLDOWN, LEAST, EPS),
    /** The same, and raised while they get better: see {@link GreedyRate}. */
    GREEDY(
        FACTOR,
        PATIENCE,
        THRESHOLD,
        COOLDOWN,
        WARMUP,
        LEAST,
        MOST,
        EPS,
        SMOOTH,
        WINDOW,
        RESET_START);

    private final String[] parameters;

    Kind(String... parameters) {
      this.parameters = parameters;
    }

    /** The kind that a run names, with dashes or underscores. */
    public static Kind ofOption(String option) {
      for (Kind kind : values()) {
        if (kind.option().equals(option.strip().toLowerCase(Locale.ROOT).replace('-', '_'))) {
          return kind;
        }
      }
      throw new InputException(
          Term.LR_SCHEDULER
              + " is '"
              + option
              + "'; allowed are "
              + Arrays.stream(values()).map(Kind::option).collect(Collectors.joining(", ")));
    }

    /** Transformers' name: {@code cosine_with_restarts}. */
    public String option() {
      return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Refuses parameters that this shape does not take, and values that it cannot have.
     *
     * @param peak the rate from which a schedule falls
     * @return the parameters
     */
    public Map<String, Double> checked(Map<String, Double> given, double peak) {
      for (String least : List.of(END, LEAST)) {
        double ifAbsent = this == POLYNOMIAL && least.equals(END) ? DEFAULT_END : 0;
        double end = given.getOrDefault(least, ifAbsent);
        if (end > peak) {
          throw new InputException(
              Term.LR_SCHEDULER_KWARGS
                  + ": "
                  + least
                  + " is "
                  + end
                  + ", above "
                  + Term.LEARNING_RATE
                  + " "
                  + peak
                  + ", from which rates fall");
        }
      }
      given.forEach(
          (name, value) -> {
            checkName(name, Double.toString(value));
            checkRange(name, value);
          });
      if (this == GREEDY && given.getOrDefault(FACTOR, 1.0) == 0) {
        throw new InputException(
            Term.LR_SCHEDULER_KWARGS + ": " + FACTOR + " is 0, by which rates are divided too");
      }
      if (given.containsKey(LEAST) && given.containsKey(LEAST_RATE)) {
        throw new InputException(
            Term.LR_SCHEDULER_KWARGS + " has both " + LEAST + " and " + LEAST_RATE + "; give one");
      }
      if (Arrays.asList(parameters).contains(LEAST_RATE)
          && !given.containsKey(LEAST)
          && !given.containsKey(LEAST_RATE)) {
        throw new InputException(
            Term.LR_SCHEDULER.of(option())
                + " needs "
                + Term.LR_SCHEDULER_KWARGS.of(LEAST + "=X")
                + " or "
                + Term.LR_SCHEDULER_KWARGS.of(LEAST_RATE + "=X"));
      }
      return given;
    }

    /**
     * Parameters as a command line gives them: numbers, but for the names of others, which are
     * refused by their names.
     */
    public Map<String, Double> parsed(Map<String, String> given) {
      Map<String, Double> numbers = new LinkedHashMap<>();
      given.forEach(
          (name, value) -> {
            checkName(name, value);
            double number = DecimalText.number(value);
            if (Double.isNaN(number)) {
              throw new InputException(
                  Term.LR_SCHEDULER_KWARGS
                      + ": "
                      + name
                      + " is '"
                      + value
                      + "', which is no number; it must be "
                      + range(name));
            }
            numbers.put(name, number);
          });
      return numbers;
    }

    private void checkName(String name, String value) {
      if (!Arrays.asList(parameters).contains(name)) {
        throw new InputException(
            Term.LR_SCHEDULER_KWARGS
                + " has "
                + name
                + "="
                + value
                + ", which "
                + option()
                + " does not take; "
                + (parameters.length == 0
                    ? "it takes none"
                    : "it takes " + String.join(", ", parameters))
                + (followsEvaluations() && name.equals(MODE)
                    ? ". Whether less or more is better follows from " + Term.METRIC_FOR_BEST_MODEL
                    : ""));
      }
    }

    /** What a parameter may be, in words. */
    private static String range(String name) {
      return switch (name) {
        case LEAST_RATE, LEAST_RATIO, WARMUP_RATE -> "from 0 to 1";
        case TIMESCALE, DECAY_STEPS -> "at least 1";
        case FACTOR -> "from 0 to below 1";
        case PATIENCE, COOLDOWN, WARMUP, RESET_START -> "a whole number of at least 0";
        case SMOOTH -> "0 or 1";
        case WINDOW -> "a whole number of at least 1";
        default -> "at least 0";
      };
    }

    private static void checkRange(String name, double value) {
      boolean isAllowed =
          switch (name) {
            case LEAST_RATE, LEAST_RATIO, WARMUP_RATE -> value >= 0 && value <= 1;
            case TIMESCALE, DECAY_STEPS -> value >= 1;
            case SMOOTH -> value == 0 || value == 1;
            case WINDOW -> value >= 1 && value == Math.rint(value);
            case FACTOR -> value >= 0 && value < 1;
            case PATIENCE, COOLDOWN, WARMUP, RESET_START -> value >= 0 && value == Math.rint(value);
            default -> value >= 0;
          };
      if (!isAllowed || value > Double.MAX_VALUE) {
        throw new InputException(
            String.format(
                "%s: %s is %s; it must be %s", Term.LR_SCHEDULER_KWARGS, name, value, range(name)));
      }
    }

    /** Whether it begins at the peak, without a warmup. */
    public boolean hasWarmup() {
      return this != CONSTANT && !followsEvaluations();
    }

    /** Whether evaluations decide on rates: see {@link EvaluatedRate}. */
    public boolean followsEvaluations() {
      return this == REDUCE_LR_ON_PLATEAU || this == GREEDY;
    }
  }

  public Schedule {
    parameters = Map.copyOf(new TreeMap<>(parameters));
  }

  /** A schedule with the defaults of its shape. */
  public Schedule(Kind kind, double peak, long warmupSteps, long totalSteps) {
    this(kind, peak, warmupSteps, totalSteps, Map.of());
  }

  private double parameter(String name, double ifAbsent) {
    return parameters.getOrDefault(name, ifAbsent);
  }

  /** The rate of a step, counted from 0. */
  public float rate(long step) {
    return (float) (peak * factor(step));
  }

  private double factor(long step) {
    if (!kind.hasWarmup()) {
      return 1;
    }
    if (kind == Kind.COSINE_WARMUP_WITH_MIN_LR) {
      return cosineAhead(step);
    }
    if (step < warmupSteps) {
      // Of the shapes that end above 0 only this one begins there too.
      double least = kind == Kind.WARMUP_STABLE_DECAY ? parameter(LEAST_RATIO, 0) : 0;
      return (double) step / Math.max(1, warmupSteps) * (1 - least) + least;
    }
    double progress = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return switch (kind) {
      case LINEAR -> Math.max(0, 1 - progress);
      case COSINE -> cosine(parameter(CYCLES, 0.5), progress, 0);
      case COSINE_WITH_RESTARTS ->
          progress >= 1 ? 0 : cosine(0.5, parameter(CYCLES, 1) * progress % 1, 0);
      case COSINE_WITH_MIN_LR -> cosine(parameter(CYCLES, 0.5), progress, leastRate());
      case POLYNOMIAL -> polynomial(progress);
      case INVERSE_SQRT -> inverseSquareRoot(step);
      case CONSTANT_WITH_WARMUP -> 1;
      case WARMUP_STABLE_DECAY -> stableThenDecay(step);
      case CONSTANT, REDUCE_LR_ON_PLATEAU, GREEDY, COSINE_WARMUP_WITH_MIN_LR ->
          throw new IllegalStateException(kind + " has a rule of its own");
    };
  }

  private double leastRate() {
    return parameter(LEAST_RATE, parameter(LEAST, 0) / peak);
  }

  /** Transformers counts this one's steps from 1. */
  private double cosineAhead(long step) {
    if (step < warmupSteps) {
      double first = parameter(WARMUP_RATE, Double.NaN);
      return Double.isNaN(first)
          ? (step + 1.0) / warmupSteps
          : first + (1 - first) * step / Math.max(1, warmupSteps - 1);
    }
    double progress = (step - warmupSteps + 1.0) / Math.max(1, totalSteps - warmupSteps);
    return cosine(parameter(CYCLES, 0.5), progress, leastRate());
  }

  /**
   * What changes the rate by evaluations; null where this kind goes by the step alone.
   *
   * @param lowerIsBetter of the metric that evaluations are compared by
   */
  public EvaluatedRate evaluated(boolean lowerIsBetter) {
    return switch (kind) {
      case REDUCE_LR_ON_PLATEAU ->
          new Plateau(
              peak,
              new Plateau.Rule(
                  lowerIsBetter,
                  parameter(FACTOR, 0.1),
                  (long) parameter(PATIENCE, 10),
                  parameter(THRESHOLD, 1e-4),
                  (long) parameter(COOLDOWN, 0),
                  parameter(LEAST, 0),
                  parameter(EPS, 1e-8)));
      case GREEDY ->
          new GreedyRate(
              peak,
              new GreedyRate.Rule(
                  lowerIsBetter,
                  parameter(FACTOR, 0.95),
                  (long) parameter(PATIENCE, 10),
                  parameter(THRESHOLD, 1e-6),
                  (long) parameter(COOLDOWN, 0),
                  (long) parameter(WARMUP, 0),
                  parameter(LEAST, 1e-3),
                  parameter(MOST, 1),
                  parameter(EPS, 1e-8),
                  parameter(SMOOTH, 0) == 0 ? 1 : (int) parameter(WINDOW, 50),
                  (long) parameter(RESET_START, 500)));
      default -> null;
    };
  }

  private static double cosine(double cycles, double progress, double least) {
    double factor = 0.5 * (1 + Math.cos(Math.PI * cycles * 2 * progress));
    return Math.max(0, factor * (1 - least) + least);
  }

  private double polynomial(double progress) {
    double end = parameter(END, DEFAULT_END);
    double left = Math.max(0, 1 - progress);
    return ((peak - end) * Math.pow(left, parameter(POWER, 1)) + end) / peak;
  }

  private double inverseSquareRoot(long step) {
    double timescale = parameter(TIMESCALE, warmupSteps > 0 ? warmupSteps : 10_000);
    return 1 / Math.sqrt((step - warmupSteps + timescale) / timescale);
  }

  private double stableThenDecay(long step) {
    double decaySteps = parameter(DECAY_STEPS, Math.max(1, totalSteps / 10));
    double into = step - (totalSteps - decaySteps);
    return into < 0
        ? 1
        : cosine(parameter(CYCLES, 0.5), into / decaySteps, parameter(LEAST_RATIO, 0));
  }
}
