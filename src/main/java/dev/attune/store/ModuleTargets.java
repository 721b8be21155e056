package dev.attune.store;

import dev.attune.core.InputException;
import java.util.List;
import java.util.regex.Matcher;

/**
 * Which modules get an adapter, by PEFT's rules.
 *
 * @param named last parts of their names, or {@value #ALL_LINEAR} alone; empty beside a pattern
 * @param pattern that their whole names match ("target_modules" as a string), or null
 * @param excluded last parts of names that get none after all ("exclude_modules")
 * @param excludedPattern the same by whole names, or null
 * @param layers numbers of layers ("layers_to_transform"); empty: all
 * @param layerLists what stands before a layer's number ("layers_pattern"); empty: anything
 */
public record ModuleTargets(
    List<String> named,
    PythonPattern pattern,
    List<String> excluded,
    PythonPattern excludedPattern,
    List<Integer> layers,
    List<String> layerLists) {
  /** Every product of the body, or of the head where that is frozen too. */
  public static final String ALL_LINEAR = "all-linear";

  private static final PythonPattern ANY_LAYER =
      PythonPattern.compile(".*?\\.[^.]*\\.(\\d+)\\.", "layers");

  /** Checks that something is targeted. */
  public ModuleTargets {
    if (named.isEmpty() && pattern == null) {
      throw new InputException("no module is named that is to get an adapter");
    }
    if (pattern != null && !layers.isEmpty()) {
      throw new InputException(
          "layers can be chosen for modules that are named, not for those of the regular expression '"
              + pattern
              + "', which may name layers itself");
    }
    named = List.copyOf(named);
    excluded = List.copyOf(excluded);
    layers = List.copyOf(layers);
    layerLists = List.copyOf(layerLists);
  }

  /** Modules by the last parts of their names, in every layer. */
  public static ModuleTargets of(List<String> named) {
    return new ModuleTargets(named, null, List.of(), null, List.of(), List.of());
  }

  /** Whether every product is meant. */
  public boolean isAllLinear() {
    return named.contains(ALL_LINEAR);
  }

  /** Whether a product gets an adapter. */
  boolean matches(String module) {
    return !excludes(module) && (isAllLinear() ? isInLayers(module) : isNamed(module));
  }

  /** Whether a module gets an adapter that {@value #ALL_LINEAR} does not mean. */
  boolean matchesByName(String module) {
    return !excludes(module) && isNamed(module);
  }

  private boolean excludes(String module) {
    return excluded.stream().anyMatch(name -> isLastPart(name, module))
        || excludedPattern != null && excludedPattern.matchesAll(module);
  }

  private boolean isNamed(String module) {
    if (pattern != null) {
      return pattern.matchesAll(module);
    }
    // PEFT does not look at the layer of a module that is named in full.
    return named.contains(module)
        || named.stream().anyMatch(name -> isLastPart(name, module)) && isInLayers(module);
  }

  private boolean isInLayers(String module) {
    Integer layer = layerOf(module);
    return layers.isEmpty() || layer != null && layers.contains(layer);
  }

  /** The number of a module's layer, or null. */
  Integer layerOf(String module) {
    Matcher matcher = null;
    if (layerLists.isEmpty()) {
      matcher = ANY_LAYER.matchBegin(module);
    }
    for (int i = 0; i < layerLists.size() && matcher == null; i++) {
      String before = "(?:^|.*?\\.)(?:" + layerLists.get(i) + ")\\.(\\d+)\\.";
      matcher = PythonPattern.compile(before, "layers_pattern").matchBegin(module);
    }
    return matcher == null ? null : Integer.valueOf(matcher.group(matcher.groupCount()));
  }

  /** Whether a name is a module's, or its end after a dot. */
  static boolean isLastPart(String name, String module) {
    return module.equals(name) || module.endsWith("." + name);
  }
}
