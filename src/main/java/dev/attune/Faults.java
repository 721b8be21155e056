package dev.attune;

import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Term;
import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.RunOption;
import dev.attune.train.DivergedException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.util.Comparator;
import java.util.Locale;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.function.Supplier;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * From the exceptions of the rooms below, whose messages carry terms, to those of the public API,
 * in its words: the names of its methods.
 */
final class Faults {
  private static final Pattern AFTER_FIRST = Pattern.compile("_([a-z0-9])");

  /** The methods that set options, by name. */
  private static final Map<String, Method> METHODS =
      Stream.of(
              Trainer.class,
              TrainingOptions.class,
              ModelOptions.class,
              Generator.Options.class,
              QuestionAnswerer.Options.class)
          .flatMap(type -> Stream.of(type.getDeclaredMethods()))
          .filter(method -> Modifier.isPublic(method.getModifiers()))
          .collect(
              Collectors.toMap(
                  Method::getName,
                  method -> method,
                  BinaryOperator.minBy(Comparator.comparingInt(Method::getParameterCount))));

  /** Terms whose method here is not their name in camel case. */
  private static final Map<String, String> WORDS =
      Map.ofEntries(
          Map.entry("TRAIN_FILE", "train"),
          Map.entry("VALIDATION_FILE", "validation"),
          Map.entry("TEST_FILE", "test"),
          Map.entry("OUTPUT_DIR", "the folder of saveTo"),
          Map.entry("K_FOLD", "crossValidate"),
          Map.entry("LR_SCHEDULER", "schedule"),
          Map.entry("LR_SCHEDULER_KWARGS", "the parameters of schedule"),
          Map.entry("LOAD_BEST_MODEL_AT_END", "keepBest"),
          Map.entry("NO_SHUFFLE", "shuffle(false)"),
          Map.entry("LORA_R", "lora"),
          Map.entry("LOAD_IN_4BIT", "weights(WeightFormat.NF4)"),
          Map.entry("LOAD_IN_8BIT", "weights(WeightFormat.INT8)"),
          Map.entry("LOAD_IN_BF16", "weights(WeightFormat.BF16)"),
          Map.entry("BACKEND", "device"),
          Map.entry("EARLY_STOPPING_PATIENCE", "earlyStopping"),
          Map.entry("GENERATOR", "the generator"),
          Map.entry("LAYER_LR_DECAY", "layerLearningRateDecay"),
          Map.entry("METRIC_FOR_BEST_MODEL", "keepBest"),
          Map.entry("NUM_BEAMS", "beams"),
          Map.entry("STREAMS", "concurrency"),
          Map.entry("TRUNCATE_DIM", "withDimension"),
          Map.entry("PROMPT_NAME", "withPrompt"),
          Map.entry("ZERO_SHOT", "ZeroShotClassifier"),
          Map.entry("LABELS", "the list of labels"),
          Map.entry("LABEL_DESCRIPTIONS", "labelDescription"),
          Map.entry("MULTI_LABEL", "predictEach"),
          Map.entry("MODEL", "the model"),
          Map.entry("TASK", "the kind of trainer"),
          Map.entry("PREDICTION", "the class of that task"));

  /** Tasks whose trainer's method is not their name in camel case. */
  private static final Map<String, String> KINDS =
      Map.of(
          "token-classification",
          "tokens",
          "masked-lm",
          "maskedLanguage",
          "replaced-token-detection",
          "replacedTokens",
          "dpo",
          "preferences");

  private Faults() {}

  /** Does something, and throws what the API promises. */
  static <T> T translated(Supplier<T> work) {
    try {
      return work.get();
    } catch (RuntimeException e) {
      throw translate(e);
    }
  }

  /** The same for work without a result. */
  static void translated(Runnable work) {
    translated(
        () -> {
          work.run();
          return null;
        });
  }

  /** The exception of the API for one of the rooms below; others as they are. */
  static RuntimeException translate(RuntimeException e) {
    if (e instanceof InputException) {
      return new InvalidInputException(words(e.getMessage()), e);
    }
    if (e instanceof DeviceMemoryException) {
      return new InsufficientMemoryException(words(e.getMessage()), e);
    }
    if (e instanceof BackendException) {
      return new DeviceException(words(e.getMessage()), e);
    }
    if (e instanceof InterruptedCallException) {
      return new CallInterruptedException(words(e.getMessage()), e);
    }
    if (e instanceof DivergedException) {
      return new TrainingDivergedException(words(e.getMessage()), e);
    }
    if (e instanceof UncheckedIOException) {
      return new AttuneException(words(e.getMessage()), e);
    }
    return e;
  }

  /** A message in this API's words. */
  static String words(String message) {
    return Term.worded(message, Faults::word);
  }

  /** The method that sets an option; of one without its own, the one that sets any; or null. */
  private static String word(String term, String value) {
    if (term.equals(Term.TASK.name()) && value != null) {
      return "Trainer." + KINDS.getOrDefault(value, camelCase(value.replace('-', '_')));
    }
    if (term.equals(Term.TRAINING.name())) {
      return "Trainer"; // of what the message has named
    }
    if (WORDS.containsKey(term)) {
      return WORDS.get(term) + (value == null ? "" : " " + value);
    }
    if (Stream.of(RunOption.values()).noneMatch(option -> option.name().equals(term))) {
      return null;
    }
    Method method = METHODS.get(camelCase(term));
    if (method == null) {
      String option = '"' + RunOption.valueOf(term).option() + '"';
      return "option(" + option + (value == null ? "" : ", \"" + value + '"') + ")";
    }
    return method.getName() + (value == null ? "" : "(" + argument(method, value) + ")");
  }

  /** A value as Java writes it; none for a method that takes none. */
  private static String argument(Method method, String value) {
    if (method.getParameterCount() == 0) {
      return "";
    }
    Class<?> type = method.getParameterTypes()[0];
    if (type.isEnum()) {
      return type.getSimpleName() + "." + value.toUpperCase(Locale.ROOT);
    }
    return type == String.class ? '"' + value.replace("\"", "\\\"") + '"' : value;
  }

  /** maxLength for MAX_LENGTH. */
  private static String camelCase(String term) {
    String lower = term.toLowerCase(Locale.ROOT);
    return AFTER_FIRST.matcher(lower).replaceAll(part -> part.group(1).toUpperCase(Locale.ROOT));
  }
}
