package dev.attune.store;

import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.BiPredicate;

/**
 * What is trained beside low-rank adapters and saved with them, with PEFT's names.
 *
 * @param biases "bias"
 * @param lowRankBiases "lora_bias": B has a bias of its own, scaled with the product
 * @param modules "modules_to_save": ends of the names of modules that are trained whole, or of
 *     groups of them
 * @param tokens "trainable_token_indices": rows of the tables that these names end; of the word
 *     embedding under the name {@value #WORDS}
 * @param keepsTied "ensure_weight_tying": a word embedding that is trained whole stays that of the
 *     last product
 */
public record TrainedBeside(
    Biases biases,
    boolean lowRankBiases,
    List<String> modules,
    Map<String, List<Integer>> tokens,
    boolean keepsTied) {
  /** Which biases are trained. */
  public enum Biases {
    NONE,
    ALL,
    /** Those of modules with an adapter. */
    LORA_ONLY;

    /** PEFT's name. */
    public String option() {
      return name().toLowerCase(Locale.ROOT);
    }
  }

  /** The word embedding, whatever it is called. */
  public static final String WORDS = "";

  /** Nothing. */
  public static final TrainedBeside NOTHING = of(Biases.NONE, List.of());

  public TrainedBeside {
    modules = List.copyOf(modules);
    tokens = Map.copyOf(tokens);
  }

  /** Biases and whole modules. */
  public static TrainedBeside of(Biases biases, List<String> modules) {
    return new TrainedBeside(biases, false, modules, Map.of(), false);
  }

  /**
   * The rows of a module's table that are trained, as they were named; null: none of them.
   *
   * @param isWords whether it is the word embedding
   */
  public List<Integer> tokensOf(String module, boolean isWords) {
    if (isWords && tokens.containsKey(WORDS)) {
      return tokens.get(WORDS);
    }
    return tokens.entrySet().stream()
        .filter(entry -> !entry.getKey().isEmpty() && module.endsWith(entry.getKey()))
        .map(Map.Entry::getValue)
        .findFirst()
        .orElse(null);
  }

  /**
   * Whether a module is trained whole: its name ends so, or that of a group it is in. Any end will
   * do, as for PEFT: "classifier" means a pre_classifier too.
   */
  boolean saves(String module) {
    return meansOneOf(module, (group, name) -> group.endsWith(name));
  }

  /** Whether a module gets no adapter because it is trained whole; PEFT takes whole parts here. */
  boolean keepsFromAdapters(String module) {
    return meansOneOf(module, (group, name) -> ModuleTargets.isLastPart(name, group));
  }

  private boolean meansOneOf(String module, BiPredicate<String, String> rule) {
    for (String name : modules) {
      if (rule.test(module, name)) {
        return true;
      }
      for (int dot = module.indexOf('.'); dot >= 0; dot = module.indexOf('.', dot + 1)) {
        if (rule.test(module.substring(0, dot), name)) {
          return true;
        }
      }
    }
    return false;
  }
}
