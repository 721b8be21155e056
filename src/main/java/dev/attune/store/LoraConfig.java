package dev.attune.store;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Low-rank adapters (Hu et al., LoRA, 2021), with PEFT's names.
 *
 * @param rank R ("r")
 * @param alpha "lora_alpha": adapters are scaled by alpha / R
 * @param dropout "lora_dropout", on the adapter's input
 * @param targets "target_modules": last parts of module names, or {@value #ALL_LINEAR}
 * @param rankStabilized "use_rslora": scale by alpha / sqrt(R) (Kalajdzievski, 2023)
 * @param weightDecomposed "use_dora": the norm of each row of an adapted weight is a parameter of
 *     its own (Liu et al., 2024)
 */
public record LoraConfig(
    int rank,
    double alpha,
    float dropout,
    List<String> targets,
    boolean rankStabilized,
    boolean weightDecomposed) {
  /** What the kernels take (lora_fwd). */
  private static final int MAX_RANK = 256;

  /** Every product of the body. */
  public static final String ALL_LINEAR = "all-linear";

  /** What follows a module's name in that of its adapter's A. */
  public static final String DOWN = ".lora_A.weight";

  /** What follows a module's name in that of its adapter's B. */
  public static final String UP = ".lora_B.weight";

  /** What follows a module's name in that of its adapter's magnitudes. */
  public static final String MAGNITUDE = ".lora_magnitude_vector";

  /** What follows a module's name in those of its adapter's tensors. */
  public static final List<String> SUFFIXES = List.of(DOWN, UP, MAGNITUDE);

  private static final Pattern AFTER_LAYER = Pattern.compile(".*\\.\\d+\\.");

  public LoraConfig {
    if (rank < 1 || rank > MAX_RANK) {
      throw new InputException(Term.LORA_R + " is " + rank + "; allowed are 1 to " + MAX_RANK);
    }
    if (!(alpha > 0) || Double.isInfinite(alpha)) {
      throw new InputException(Term.LORA_ALPHA + " is " + alpha + "; it must be above 0");
    }
    if (!(dropout >= 0 && dropout < 1)) {
      throw new InputException(
          Term.LORA_DROPOUT + " is " + dropout + "; it must be from 0 to below 1");
    }
    if (targets.isEmpty()) {
      throw new InputException(Term.LORA_TARGETS + " is empty; name modules, or " + ALL_LINEAR);
    }
    targets = List.copyOf(targets);
  }

  /** What an adapter's product is multiplied by. */
  public float scale() {
    return (float) (alpha / (rankStabilized ? Math.sqrt(rank) : rank));
  }

  /** Whether a module gets an adapter: its name is a target, or ends in one after a dot. */
  public boolean targets(String module) {
    return targets.stream().anyMatch(target -> matches(target, module));
  }

  /** Whether one target means a module. */
  static boolean matches(String target, String module) {
    return target.equals(ALL_LINEAR) || module.equals(target) || module.endsWith("." + target);
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
