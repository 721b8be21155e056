package dev.attune.store;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * Low-rank adapters (Hu et al., LoRA, 2021), with PEFT's names.
 *
 * @param rank R ("r")
 * @param alpha "lora_alpha": adapters are scaled by alpha / R
 * @param dropout "lora_dropout", on the adapter's input
 * @param targets "target_modules" with what narrows them
 * @param rankStabilized "use_rslora": scale by alpha / sqrt(R) (Kalajdzievski, 2023)
 * @param weightDecomposed "use_dora": the norm of each row of an adapted weight is a parameter of
 *     its own (Liu et al., 2024)
 * @param patterns ranks and alphas of single modules
 * @param initialization "init_lora_weights"
 * @param beside what is trained beside the adapters
 */
public record LoraConfig(
    int rank,
    double alpha,
    float dropout,
    ModuleTargets targets,
    boolean rankStabilized,
    boolean weightDecomposed,
    Patterns patterns,
    Initialization initialization,
    TrainedBeside beside) {
  /**
   * Values of the modules whose names end in a match of a regular expression; the first that
   * matches counts.
   *
   * @param ranks "rank_pattern"
   * @param alphas "alpha_pattern"
   */
  public record Patterns(Map<String, Integer> ranks, Map<String, Double> alphas) {
    /** The same values for all. */
    public static final Patterns NONE = new Patterns(Map.of(), Map.of());

    /** Checks that the keys are regular expressions. */
    public Patterns {
      ranks = Collections.unmodifiableMap(new LinkedHashMap<>(ranks));
      alphas = Collections.unmodifiableMap(new LinkedHashMap<>(alphas));
      ranks.keySet().forEach(key -> ofNameEnd(key, "rank_pattern"));
      alphas.keySet().forEach(key -> ofNameEnd(key, "alpha_pattern"));
      ranks.forEach((key, rank) -> checkRank("rank_pattern of '" + key + "'", rank));
      alphas.forEach((key, alpha) -> checkAlpha("alpha_pattern of '" + key + "'", alpha));
    }

    private static PythonPattern ofNameEnd(String key, String where) {
      return PythonPattern.compile("(.*\\.)?(" + key + ")$", where);
    }

    /** Whether a key is of a module. */
    static boolean matches(String key, String module) {
      return ofNameEnd(key, "pattern").matchBegin(module) != null;
    }

    private static <T> T find(Map<String, T> values, String module, T otherwise) {
      return values.entrySet().stream()
          .filter(entry -> matches(entry.getKey(), module))
          .map(Map.Entry::getValue)
          .findFirst()
          .orElse(otherwise);
    }
  }

  /** What the kernels take (lora_fwd). */
  private static final int MAX_RANK = 256;

  private static final double MIN_ALPHA = 1e-6;
  private static final double MAX_ALPHA = 1e6;

  /** Every product of the body. */
  public static final String ALL_LINEAR = ModuleTargets.ALL_LINEAR;

  /** What follows a module's name in that of its adapter's A. */
  public static final String DOWN = ".lora_A.weight";

  /** What follows a module's name in that of its adapter's B. */
  public static final String UP = ".lora_B.weight";

  /** What follows a module's name in that of its adapter's bias of B ("lora_bias"). */
  public static final String UP_BIAS = ".lora_B.bias";

  /** What follows a module's name in that of its adapter's magnitudes. */
  public static final String MAGNITUDE = ".lora_magnitude_vector";

  /** What follows a table's name in that of its adapter's A, (R,V) in the folder. */
  public static final String TABLE_DOWN = ".lora_embedding_A";

  /** What follows a table's name in that of its adapter's B. */
  public static final String TABLE_UP = ".lora_embedding_B";

  /** What follows a module's name in those of its adapter's tensors. */
  public static final List<String> SUFFIXES =
      List.of(DOWN, UP, UP_BIAS, MAGNITUDE, TABLE_DOWN, TABLE_UP);

  private static final Pattern AFTER_LAYER = Pattern.compile(".*\\.\\d+\\.");

  public LoraConfig {
    checkRank(Term.LORA_R.toString(), rank);
    checkAlpha(Term.LORA_ALPHA.toString(), alpha);
    if (!(dropout >= 0 && dropout < 1)) {
      throw new InputException(
          Term.LORA_DROPOUT + " is " + dropout + "; it must be from 0 to below 1");
    }
  }

  /** Adapters of modules by the last parts of their names, and nothing else. */
  public LoraConfig(
      int rank,
      double alpha,
      float dropout,
      List<String> targets,
      boolean rankStabilized,
      boolean weightDecomposed) {
    this(
        rank,
        alpha,
        dropout,
        ModuleTargets.of(targets),
        rankStabilized,
        weightDecomposed,
        Patterns.NONE,
        Initialization.TRUE,
        TrainedBeside.NOTHING);
  }

  private static void checkRank(String what, int rank) {
    if (rank < 1 || rank > MAX_RANK) {
      throw new InputException(what + " is " + rank + "; allowed are 1 to " + MAX_RANK);
    }
  }

  private static void checkAlpha(String what, double alpha) {
    if (!(alpha >= MIN_ALPHA && alpha <= MAX_ALPHA)) {
      throw new InputException(
          what + " is " + alpha + "; it must be from 0.000001 to " + (long) MAX_ALPHA);
    }
  }

  /** R of a module's adapter. */
  public int rank(String module) {
    return Patterns.find(patterns.ranks(), module, rank);
  }

  /** What the product of a module's adapter is multiplied by. */
  public float scale(String module) {
    int own = rank(module);
    double ownAlpha = Patterns.find(patterns.alphas(), module, alpha);
    return (float) (ownAlpha / (rankStabilized ? Math.sqrt(own) : own));
  }

  /** Whether a product gets an adapter. */
  public boolean targets(String module) {
    return !beside.keepsFromAdapters(module) && targets.matches(module);
  }

  /**
   * Whether a table, or the last product of a language model, gets an adapter: by its name only.
   */
  public boolean targetsByName(String module) {
    return !beside.keepsFromAdapters(module) && targets.matchesByName(module);
  }

  /** Whether a module is trained whole beside the adapters. */
  public boolean saves(String module) {
    return beside.saves(module);
  }

  /** Whether this bias is trained, of a module that is not trained whole. */
  public boolean trainsBias(String module) {
    return switch (beside.biases()) {
      case NONE -> false;
      case ALL -> true;
      case LORA_ONLY -> targets(module);
    };
  }

  /** Whether a tensor is such a bias. */
  boolean trainsBias(Part tensor) {
    return tensor.name().endsWith(".bias") && trainsBias(tensor.module());
  }

  /** A module's name after its layer's number: "self_attn.q_proj". */
  public static String suffix(String module) {
    return AFTER_LAYER.matcher(module).replaceFirst("");
  }

  /** Whether a tensor is part of an adapter. */
  public static boolean isAdapter(String tensorName) {
    return SUFFIXES.stream().anyMatch(tensorName::endsWith);
  }
}
