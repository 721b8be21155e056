package dev.attune.store;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.store.TrainedBeside.Biases;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.function.BiPredicate;
import java.util.stream.Collectors;

/**
 * Checks that everything which was asked of adapters that are begun is there: a slip of the pen is
 * none.
 */
final class LoraCheck {
  private final LoraConfig lora;
  private final Set<String> modules;
  private final Set<String> adapted;
  private final List<Parameter> declared;

  /**
   * @param modules products that may have an adapter
   * @param adapted modules that have one
   * @param declared all parameters of the model
   */
  LoraCheck(LoraConfig lora, Set<String> modules, Set<String> adapted, List<Parameter> declared) {
    this.lora = lora;
    this.modules = modules;
    this.adapted = adapted;
    this.declared = declared;
  }

  /**
   * Checks.
   *
   * @param has the products that there are, for messages
   * @throws InputException naming what matched nothing
   */
  void run(String has) {
    ModuleTargets targets = lora.targets();
    if (!targets.isAllLinear()) {
      Set<String> known = new LinkedHashSet<>(modules);
      known.addAll(adapted);
      checkEach(
          Term.LORA_TARGETS, targets.named(), known, ModuleTargets::isLastPart, "product", has);
    }
    checkEach(
        Term.LORA_EXCLUDE_MODULES,
        targets.excluded(),
        modules,
        ModuleTargets::isLastPart,
        "product",
        has);
    PythonPattern excluded = targets.excludedPattern();
    checkEach(
        Term.LORA_EXCLUDE_MODULES,
        excluded == null ? List.of() : List.of(excluded),
        modules,
        PythonPattern::matchesAll,
        "product",
        has);
    checkEach(
        Term.LORA_LAYERS,
        targets.layers(),
        modules,
        (layer, module) -> layer.equals(targets.layerOf(module)),
        "layer",
        "layers whose modules are " + has);
    checkEach(
        Term.LORA_RANK_PATTERN,
        lora.patterns().ranks().keySet(),
        adapted,
        LoraConfig.Patterns::matches,
        "module with an adapter",
        String.join(", ", adapted));
    checkEach(
        Term.LORA_ALPHA_PATTERN,
        lora.patterns().alphas().keySet(),
        adapted,
        LoraConfig.Patterns::matches,
        "module with an adapter",
        String.join(", ", adapted));
    Set<String> all = new LinkedHashSet<>();
    declared.forEach(p -> p.declaration().parts().forEach(part -> all.add(part.module())));
    checkEach(
        Term.LORA_MODULES_TO_SAVE,
        lora.beside().modules(),
        all,
        (name, module) -> TrainedBeside.of(Biases.NONE, List.of(name)).saves(module),
        "module",
        all.stream().map(LoraConfig::suffix).distinct().collect(Collectors.joining(", ")));
    checkBiases();
  }

  private void checkBiases() {
    Biases wanted = lora.beside().biases();
    boolean hasOne =
        declared.stream().flatMap(p -> p.declaration().parts().stream()).anyMatch(lora::trainsBias);
    if (wanted != Biases.NONE && !hasOne) {
      throw new InputException(
          Term.LORA_BIAS.of(wanted.option())
              + ": this model has no such biases to train; leave it out");
    }
  }

  private static <T> void checkEach(
      Term option,
      Iterable<T> wanted,
      Set<String> names,
      BiPredicate<T, String> rule,
      String what,
      String has) {
    for (T one : wanted) {
      if (names.stream().noneMatch(name -> rule.test(one, name))) {
        throw new InputException(
            option + ": '" + one + "' matches no " + what + " of this model; it has " + has);
      }
    }
  }
}
