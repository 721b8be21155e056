package dev.attune;

import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.train.DivergedException;
import java.io.UncheckedIOException;
import java.lang.reflect.Method;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * From the exceptions of the rooms below, which speak of the command line's options, to those of
 * the public API, in its words.
 */
final class Faults {
  private static final Pattern OPTION = Pattern.compile("--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)");

  /** What the command line says of its commands, and what that is here. */
  private static final Map<Pattern, String> PHRASES =
      Map.of(
          Pattern.compile("with: attune train --model \\S+"), "with Trainer",
          Pattern.compile("attune predict, or in Java the class of that task,"),
              "the class of that task");

  /** The methods that set options. */
  private static final Set<String> METHODS =
      Stream.of(Trainer.class, ModelOptions.class, Generator.Options.class)
          .flatMap(type -> Stream.of(type.getMethods()))
          .map(Method::getName)
          .collect(Collectors.toUnmodifiableSet());

  /** Options whose method here is not their name in camel case. */
  private static final Map<String, String> WORDS =
      Map.ofEntries(
          Map.entry("train-file", "train"),
          Map.entry("validation-file", "validation"),
          Map.entry("test-file", "test"),
          Map.entry("output-dir", "the folder of saveTo"),
          Map.entry("lr-scheduler", "schedule"),
          Map.entry("no-shuffle", "shuffle(false)"),
          Map.entry("lora-r", "lora"),
          Map.entry("load-in-4bit", "weights(WeightFormat.NF4)"),
          Map.entry("load-in-8bit", "weights(WeightFormat.INT8)"),
          Map.entry("load-in-bf16", "weights(WeightFormat.BF16)"),
          Map.entry("backend", "device"),
          Map.entry("early-stopping-patience", "earlyStopping"),
          Map.entry("metric-for-best-model", "earlyStopping"),
          Map.entry("num-beams", "beams"),
          Map.entry("streams", "concurrency"),
          Map.entry("model", "the model"),
          Map.entry("task", "the kind of trainer"));

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
      return new CallInterruptedException(e.getMessage(), e);
    }
    if (e instanceof DivergedException) {
      return new TrainingDivergedException(words(e.getMessage()), e);
    }
    if (e instanceof UncheckedIOException) {
      return new AttuneException(words(e.getMessage()), e);
    }
    return e;
  }

  /** A message with the API's names for what the command line calls options. */
  static String words(String message) {
    String plain = message;
    for (Map.Entry<Pattern, String> phrase : PHRASES.entrySet()) {
      plain = phrase.getKey().matcher(plain).replaceAll(phrase.getValue());
    }
    return OPTION
        .matcher(plain)
        .replaceAll(match -> Matcher.quoteReplacement(word(match.group(1))));
  }

  /** The method that sets an option; of one without its own, the one that sets any. */
  private static String word(String option) {
    String method = WORDS.getOrDefault(option, camelCase(option));
    return WORDS.containsKey(option) || METHODS.contains(method)
        ? method
        : "option(\"" + option + "\")";
  }

  private static String camelCase(String option) {
    StringBuilder out = new StringBuilder();
    boolean upper = false;
    for (int i = 0; i < option.length(); i++) {
      char c = option.charAt(i);
      if (c == '-') {
        upper = true;
      } else {
        out.append(upper ? Character.toUpperCase(c) : c);
        upper = false;
      }
    }
    return out.toString();
  }
}
