package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.store.Initialization;
import dev.attune.store.LoraConfig;
import dev.attune.store.ModuleTargets;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.PythonPattern;
import dev.attune.store.TrainedBeside;
import dev.attune.store.TrainedBeside.Biases;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** The adapters that a run's options ask for. */
public final class Adapters {
  private Adapters() {}

  /** What an option says, as one value to compare with that of another config. */
  private static final Map<RunOption, Function<LoraConfig, Object>> SAID = said();

  private static Map<RunOption, Function<LoraConfig, Object>> said() {
    Map<RunOption, Function<LoraConfig, Object>> said = new EnumMap<>(RunOption.class);
    said.put(RunOption.LORA_R, LoraConfig::rank);
    said.put(RunOption.LORA_ALPHA, LoraConfig::alpha);
    said.put(RunOption.LORA_DROPOUT, LoraConfig::dropout);
    said.put(
        RunOption.LORA_TARGETS, lora -> modules(lora.targets().named(), lora.targets().pattern()));
    said.put(
        RunOption.LORA_EXCLUDE_MODULES,
        lora -> modules(lora.targets().excluded(), lora.targets().excludedPattern()));
    said.put(RunOption.LORA_LAYERS, lora -> new TreeSet<>(lora.targets().layers()));
    said.put(RunOption.LORA_RANK_PATTERN, lora -> lora.patterns().ranks());
    said.put(RunOption.LORA_ALPHA_PATTERN, lora -> lora.patterns().alphas());
    said.put(RunOption.LORA_MODULES_TO_SAVE, lora -> new TreeSet<>(lora.beside().modules()));
    said.put(
        RunOption.LORA_TRAINABLE_TOKEN_INDICES,
        lora -> new TreeSet<>(lora.beside().tokens().getOrDefault(TrainedBeside.WORDS, List.of())));
    said.put(RunOption.LORA_BIAS, lora -> lora.beside().biases().option());
    said.put(
        RunOption.INIT_LORA_WEIGHTS,
        lora ->
            (lora.initialization().changesBase() ? lora.initialization() : Initialization.TRUE)
                .option());
    said.put(RunOption.USE_RSLORA, LoraConfig::rankStabilized);
    said.put(RunOption.USE_DORA, LoraConfig::weightDecomposed);
    return said;
  }

  /** What no name of a module has, but regular expressions that are not names do. */
  private static final Pattern EXPRESSION = Pattern.compile(".*[\\\\*+?()\\[\\]{}|^$].*");

  private static final Pattern NUMBERS = Pattern.compile("(\\d+)(?:-(\\d+))?");

  /** Neither vocabularies nor models have more rows or layers than that. */
  private static final int MOST_DIGITS = 7;

  /** Null where {@code --lora-r} is 0. */
  public static LoraConfig of(RunConfig config) {
    return begun(config, null);
  }

  /**
   * The same of a run that may go on.
   *
   * @param begun the options that it was begun with; null: it begins
   */
  static LoraConfig begun(RunConfig config, RunConfig begun) {
    int rank = config.smallInteger(RunOption.LORA_R);
    if (rank == 0) {
      IdleOptions.checkWithoutAdapters(config, begun);
      return null;
    }
    return of(config, rank);
  }

  private static LoraConfig of(RunConfig config, int rank) {
    return new LoraConfig(
        rank,
        config.isGiven(RunOption.LORA_ALPHA) ? config.number(RunOption.LORA_ALPHA) : 2.0 * rank,
        (float) config.number(RunOption.LORA_DROPOUT),
        targets(config),
        config.flag(RunOption.USE_RSLORA),
        config.flag(RunOption.USE_DORA),
        new LoraConfig.Patterns(
            pattern(config, RunOption.LORA_RANK_PATTERN, Integer::valueOf, "a whole number"),
            pattern(config, RunOption.LORA_ALPHA_PATTERN, Double::valueOf, "a number")),
        initialization(config),
        new TrainedBeside(
            biases(config),
            false,
            names(config, RunOption.LORA_MODULES_TO_SAVE),
            tokens(config),
            false));
  }

  private static Map<String, List<Integer>> tokens(RunConfig config) {
    List<Integer> ids = numbers(config, RunOption.LORA_TRAINABLE_TOKEN_INDICES);
    return ids.isEmpty() ? Map.of() : Map.of(TrainedBeside.WORDS, ids);
  }

  private static ModuleTargets targets(RunConfig config) {
    PythonPattern pattern = expression(config, RunOption.LORA_TARGETS);
    List<String> named = pattern == null ? names(config, RunOption.LORA_TARGETS) : List.of();
    if (pattern == null && named.isEmpty()) {
      throw new InputException(
          RunOption.LORA_TARGETS + " is empty; name modules, or " + ModuleTargets.ALL_LINEAR);
    }
    PythonPattern excluded = expression(config, RunOption.LORA_EXCLUDE_MODULES);
    return new ModuleTargets(
        named,
        pattern,
        excluded == null ? names(config, RunOption.LORA_EXCLUDE_MODULES) : List.of(),
        excluded,
        numbers(config, RunOption.LORA_LAYERS),
        List.of());
  }

  private static PythonPattern expression(RunConfig config, RunOption option) {
    String value = config.text(option);
    return value != null && EXPRESSION.matcher(value).matches()
        ? PythonPattern.compile(value, option.toString())
        : null;
  }

  private static List<String> names(RunConfig config, RunOption option) {
    String value = config.text(option);
    return value == null
        ? List.of()
        : Arrays.stream(value.split(","))
            .map(String::strip)
            .filter(name -> !name.isEmpty())
            .toList();
  }

  /** Numbers and ranges of them, each once, in their order. */
  private static List<Integer> numbers(RunConfig config, RunOption option) {
    Set<Integer> numbers = new LinkedHashSet<>();
    for (String part : names(config, option)) {
      Matcher range = NUMBERS.matcher(part);
      if (!range.matches()) {
        throw new InputException(
            option + " has '" + part + "'; it takes numbers and ranges: 0,4-7");
      }
      int first = number(option, part, range.group(1));
      int last = range.group(2) == null ? first : number(option, part, range.group(2));
      if (last < first) {
        throw new InputException(
            option + " has '" + part + "'; a range goes from the lower number to the higher");
      }
      for (int number = first; number <= last; number++) {
        numbers.add(number);
      }
    }
    return List.copyOf(numbers);
  }

  private static int number(RunOption option, String part, String digits) {
    String plain = digits.replaceFirst("^0+(?=.)", "");
    if (plain.length() > MOST_DIGITS) {
      throw new InputException(
          option + " has '" + part + "'; numbers are 0 to " + "9".repeat(MOST_DIGITS));
    }
    return Integer.parseInt(plain);
  }

  /** Values by pattern; the last = of a pair divides it, as a pattern may have some too. */
  private static <T> Map<String, T> pattern(
      RunConfig config, RunOption option, Function<String, T> value, String wanted) {
    Map<String, T> values = new LinkedHashMap<>();
    for (String pair : names(config, option)) {
      int equals = pair.lastIndexOf('=');
      try {
        String name = pair.substring(0, equals).strip();
        if (values.put(name, value.apply(pair.substring(equals + 1))) != null) {
          throw new InputException(option + " has '" + name + "' twice; one value is needed");
        }
      } catch (NumberFormatException | StringIndexOutOfBoundsException e) {
        throw new InputException(option + " has '" + pair + "', which is not pattern=" + wanted, e);
      }
    }
    return values;
  }

  private static Biases biases(RunConfig config) {
    String value = config.text(RunOption.LORA_BIAS);
    return Arrays.stream(Biases.values())
        .filter(kind -> kind.option().equals(value))
        .findFirst()
        .orElseThrow(
            () ->
                new InputException(
                    RunOption.LORA_BIAS
                        + " is '"
                        + value
                        + "'; allowed are none, all and lora_only"));
  }

  private static Initialization initialization(RunConfig config) {
    String value = config.text(RunOption.INIT_LORA_WEIGHTS);
    return Initialization.named(value)
        .filter(kind -> kind != Initialization.MICA)
        .orElseThrow(
            () ->
                new InputException(
                    RunOption.INIT_LORA_WEIGHTS
                        + " is '"
                        + value
                        + "'; allowed are true, gaussian, pissa and olora"
                        + (value.startsWith("pissa_")
                            ? ": pissa finds its singular vectors by iteration here already"
                            : "")));
  }

  private static Object modules(List<String> named, PythonPattern pattern) {
    return pattern == null ? new TreeSet<>(named) : pattern.toString();
  }

  /**
   * The options of a run that goes on with an adapter: this says what it is, and options may only
   * say the same.
   *
   * @param folder where it is, for messages
   * @throws InputException naming an option that says something else
   */
  static RunConfig continued(RunConfig config, LoraConfig saved, Path folder) {
    if (config.isGiven(RunOption.LORA_R) && config.smallInteger(RunOption.LORA_R) != saved.rank()) {
      throw disagrees(RunOption.LORA_R, config.text(RunOption.LORA_R), saved.rank(), folder);
    }
    LoraConfig asked = of(config, saved.rank());
    RunConfig out = config.with(RunOption.LORA_R, Integer.toString(saved.rank()));
    for (RunOption option : IdleOptions.OF_ADAPTERS) {
      Object wanted = SAID.get(option).apply(asked);
      Object there = SAID.get(option).apply(saved);
      // A head is trained whole too, and named there without having been asked for.
      boolean agrees =
          option == RunOption.LORA_MODULES_TO_SAVE
              ? saved.beside().modules().containsAll(asked.beside().modules())
              : wanted.equals(there);
      if (config.isGiven(option) && !agrees) {
        throw disagrees(option, shown(wanted), shown(there), folder);
      }
      String text = shown(there);
      out = text.isEmpty() ? out : out.with(option, text);
    }
    return out;
  }

  /** All that adapters are, as a text that is the same for the same ones. */
  static String described(LoraConfig lora) {
    return SAID.entrySet().stream()
        .map(said -> said.getKey().option() + "=" + shown(said.getValue().apply(lora)))
        .collect(Collectors.joining(" "));
  }

  /** As an option takes it. */
  private static String shown(Object said) {
    if (said instanceof Map<?, ?> values) {
      return values.entrySet().stream().map(Object::toString).collect(Collectors.joining(","));
    }
    return said instanceof Set<?> names
        ? names.stream().map(Object::toString).collect(Collectors.joining(","))
        : said.toString();
  }

  private static InputException disagrees(
      RunOption option, Object wanted, Object there, Path folder) {
    return new InputException(
        option
            + " is "
            + wanted
            + ", but of the adapter "
            + folder
            + " it is "
            + (there.toString().isEmpty() ? "nothing" : there)
            + ". An adapter is trained further as it was begun: leave "
            + option
            + " out, or merge the adapter and train a new one of the model that this makes");
  }

  /**
   * A builder of a model with such adapters; without, one that trains every weight.
   *
   * @param folder of adapters that are there already; null: they are begun
   * @param precision of activations: frozen matrices are held in the same, where the options do not
   *     ask for fewer bits
   */
  public static ParameterBuilder builder(
      RunConfig config, LoraConfig lora, Path folder, DType precision) {
    ParameterBuilder builder = new ParameterBuilder();
    if (lora != null) {
      builder.freeze(precision, HeldWeights.of(config).products(precision));
      if (folder == null) {
        builder.adapt(lora);
      } else {
        builder.adapt(lora, folder.toString());
      }
    } else if (HeldWeights.of(config).products(precision) != precision) {
      throw new InputException(
          "weights of few bits cannot be trained: "
              + RunOption.LOAD_IN_4BIT
              + " and "
              + RunOption.LOAD_IN_8BIT
              + " need "
              + RunOption.LORA_R);
    }
    return builder;
  }
}
