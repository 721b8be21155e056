package dev.attune;

import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.BackendException;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.train.DivergedException;
import java.io.UncheckedIOException;
import java.util.Map;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * From the exceptions of the rooms below, which speak of the command line's options, to those of
 * the public API, in its words.
 */
final class Faults {
  private static final Pattern OPTION = Pattern.compile("--([a-z][a-z0-9]*(?:-[a-z0-9]+)*)");

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
    Matcher matcher = OPTION.matcher(message);
    StringBuilder out = new StringBuilder();
    while (matcher.find()) {
      String option = matcher.group(1);
      String word = WORDS.getOrDefault(option, camelCase(option));
      matcher.appendReplacement(out, Matcher.quoteReplacement(word));
    }
    return matcher.appendTail(out).toString();
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
