package dev.attune.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.Collectors;

/** The values of a run's options. Immutable once built; every getter checks its value. */
public final class RunConfig {
  /** Between the values of an option that takes several: no path holds one. */
  private static final String SEPARATOR = "\n";

  private static final String ADAPTER_LEARNING_RATE = "2e-4";

  private final List<RunOption> known;
  private final Map<RunOption, String> values = new EnumMap<>(RunOption.class);

  /** Collects values; later ones win. */
  public static final class Builder {
    private final RunConfig config;

    private Builder(List<RunOption> known) {
      config = new RunConfig(known);
    }

    /** Sets one option, whose value is there, and true or false where it is a flag. */
    public Builder set(RunOption option, String value) {
      checkThere(option, value);
      if (option.isFlag() && !value.equals("true") && !value.equals("false")) {
        throw notA(option, value, "true or false");
      }
      config.values.put(option, value);
      return this;
    }

    /** Sets all values of an option that takes several. */
    public Builder set(RunOption option, List<String> several) {
      several.forEach(value -> checkThere(option, value));
      return set(option, String.join(SEPARATOR, several));
    }

    /** A variable that was not set, say: nothing is done as if the option had not been given. */
    private static void checkThere(RunOption option, String value) {
      boolean isNone = option.takesWhiteSpace() ? value.isEmpty() : value.isBlank();
      if (isNone && !option.takesAnyText()) {
        throw new InputException(
            option + " has an empty value; leave it out, or give one: " + option.help());
      }
    }

    /** Sets the option of that name: see {@link OptionNames}. */
    public Builder set(String name, String value, String where) {
      return set(option(name, where), value);
    }

    /**
     * The option of that name: see {@link OptionNames}.
     *
     * @param where it stands, for the message
     */
    public RunOption option(String name, String where) {
      return config.optionOf(name, where);
    }

    /** Sets every option of a YAML or JSON file. */
    public Builder setAll(Path file) {
      try {
        return setAll(Files.readString(file), file.toString());
      } catch (IOException e) {
        throw new InputException(
            Files.exists(file)
                ? "cannot read the config file " + file + ": " + e.getMessage()
                : "the config file " + file + " does not exist",
            e);
      }
    }

    /**
     * Sets every option of a YAML text.
     *
     * @param file what messages call it
     */
    public Builder setAll(String yaml, String file) {
      JsonNode root;
      try {
        // Made here: an application that reads no such files may lack the library.
        root =
            YAMLMapper.builder()
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
                .build()
                .readTree(yaml);
      } catch (JsonProcessingException e) {
        throw new InputException(file + ": not valid YAML: " + JsonProblem.of(e), e);
      }
      if (root == null || !root.isObject()) {
        throw new InputException(file + ": a config file is a list of 'option: value' lines");
      }
      Map<RunOption, String> names = new EnumMap<>(RunOption.class);
      for (Map.Entry<String, JsonNode> entry : root.properties()) {
        RunOption option = option(entry.getKey(), file);
        String other = names.put(option, entry.getKey());
        if (other != null) {
          throw new InputException(
              file + ": '" + other + "' and '" + entry.getKey() + "' are one option; give one");
        }
        JsonNode value = entry.getValue();
        if (value.isNull()) {
          throw new InputException(
              file + ": option '" + entry.getKey() + "' has no value; leave it out");
        }
        if (CommandOptions.isList(option, config.known) && value.isArray() && !value.isEmpty()) {
          List<String> items = new ArrayList<>();
          value.forEach(item -> items.add(item.asText()));
          set(option, items);
          continue;
        }
        if (!value.isValueNode()) {
          throw new InputException(file + ": option '" + entry.getKey() + "' has no plain value");
        }
        set(option, value.asText());
      }
      return this;
    }

    /** The config. */
    public RunConfig build() {
      return config;
    }
  }

  private RunConfig(List<RunOption> known) {
    this.known = known;
  }

  /** The same with other values of an option that takes several. */
  RunConfig with(RunOption option, List<String> several) {
    return with(option, String.join(SEPARATOR, several));
  }

  /** The same with another value of one option. */
  public RunConfig with(RunOption option, String value) {
    RunConfig copy = new RunConfig(known);
    copy.values.putAll(values);
    copy.values.put(option, value);
    return copy;
  }

  /** A config of the options that a command knows. */
  public static Builder builder(List<RunOption> known) {
    return new Builder(known);
  }

  private RunOption optionOf(String name, String where) {
    return OptionNames.find(name, known)
        .orElseThrow(() -> OptionNames.unknown(name, known, where + ": "));
  }

  /** Whether the command that this is of has the option. */
  boolean knows(RunOption option) {
    return known.contains(option);
  }

  /** Whether a value was given, as opposed to a default. */
  public boolean isGiven(RunOption option) {
    return values.containsKey(option);
  }

  /** The value or the default; null if there is neither. */
  public String text(RunOption option) {
    String value = values.get(option);
    return value == null ? defaultOf(option) : value;
  }

  /**
   * Adapters, which begin at zero and are few, learn at ten times the rate of a whole model, where
   * the task does not say otherwise.
   */
  private String defaultOf(RunOption option) {
    boolean isOfAdapters =
        option == RunOption.LEARNING_RATE
            && !values.getOrDefault(RunOption.LORA_R, "0").equals("0");
    return usual(option).orElse(isOfAdapters ? ADAPTER_LEARNING_RATE : option.defaultValue());
  }

  /** What an option is for the task where nobody says it; empty: as for all tasks. */
  Optional<String> usual(RunOption option) {
    return option.term() == null || !known.contains(RunOption.TASK)
        ? Optional.empty()
        : Tasks.named(values.getOrDefault(RunOption.TASK, RunOption.TASK.defaultValue()))
            .usual(option.term(), term -> values.get(RunOption.valueOf(term.name())));
  }

  /** What nobody said and is not as for all tasks, in words; empty: nothing. */
  String usualOnes() {
    return known.stream()
        .filter(option -> !isGiven(option))
        .filter(option -> usual(option).filter(value -> value.equals(text(option))).isPresent())
        .map(option -> option + " " + text(option))
        .collect(Collectors.joining(", "));
  }

  /** What a task may ask for. */
  public TaskOptions taskOptions() {
    return term -> text(RunOption.valueOf(term.name()));
  }

  /** A value that must be there. */
  public String required(RunOption option) {
    String value = text(option);
    if (value == null || value.isEmpty()) {
      throw new InputException(option + " is required: " + option.help());
    }
    return value;
  }

  /** The values of an option that takes several; none where it was not given. */
  public List<String> texts(RunOption option) {
    String value = text(option);
    return value == null || value.isEmpty() ? List.of() : List.of(value.split(SEPARATOR));
  }

  /** A path, or null. */
  public Path path(RunOption option) {
    String value = text(option);
    return value == null ? null : Path.of(value);
  }

  /** A whole number. */
  public long integer(RunOption option) {
    String value = required(option);
    Long number = DecimalText.whole(value);
    if (number == null) {
      boolean isLarge = DecimalText.isWhole(value);
      throw notA(option, value, isLarge ? "a number of 64 bits" : "a whole number");
    }
    return number;
  }

  /** A whole number of at most 32 bits. */
  public int smallInteger(RunOption option) {
    long value = integer(option);
    if (value != (int) value) {
      throw notA(option, Long.toString(value), "a number below 2147483648");
    }
    return (int) value;
  }

  /** A number. */
  public double number(RunOption option) {
    String value = required(option);
    double number = DecimalText.number(value);
    if (Double.isNaN(number)) {
      throw notA(option, value, "a number");
    }
    return number;
  }

  /**
   * A probability that replaces others; null where none was given.
   *
   * @throws InputException if it is not at least 0 and below 1
   */
  public Float probability(RunOption option) {
    if (text(option) == null) {
      return null;
    }
    double probability = number(option);
    if (!(probability >= 0 && probability < 1)) {
      throw new InputException(
          option + " is " + text(option) + "; it must be at least 0 and below 1");
    }
    return (float) probability;
  }

  /** Values by name, "power=2,lr_end=1e-6", in their order; none where there is no value. */
  Map<String, String> pairs(RunOption option) {
    Map<String, String> pairs = new LinkedHashMap<>();
    String value = text(option);
    if (value == null) {
      return pairs;
    }
    for (String part : value.split(",", -1)) {
      String[] pair = part.split("=", -1);
      if (pair.length != 2) {
        throw notA(option, value, "a list like NAME=X,NAME=X");
      }
      if (pairs.put(pair[0].strip(), pair[1].strip()) != null) {
        throw new InputException(
            option + " is '" + value + "', which gives " + pair[0].strip() + " twice");
      }
    }
    return pairs;
  }

  /** A flag. */
  public boolean flag(RunOption option) {
    return Boolean.parseBoolean(text(option));
  }

  private static InputException notA(RunOption option, String value, String wanted) {
    return new InputException(
        option + " is '" + value + "', not " + wanted + " (" + option.help() + ")");
  }

  /** Whether an option has the same value in both: as a number where it is one. */
  public boolean agrees(RunConfig other, RunOption option) {
    String a = text(option);
    String b = other.text(option);
    if (Objects.equals(a, b)) {
      return true;
    }
    return a != null && b != null && DecimalText.number(a) == DecimalText.number(b);
  }

  /** All values, defaults included, as YAML that {@link Builder#setAll} reads. */
  public String toYaml() {
    return yaml("");
  }

  /**
   * The same for people, to be used again: defaults stand in comments, lest they count as given.
   */
  public String toCommentedYaml() {
    return yaml("# ");
  }

  private String yaml(String beforeDefaults) {
    StringBuilder out = new StringBuilder();
    for (RunOption option : known) {
      String value = text(option);
      if (value != null) {
        out.append(isGiven(option) ? "" : beforeDefaults).append(option.option()).append(": ");
        List<String> values = option.isList() ? texts(option) : List.of(value);
        String quoted = values.stream().map(RunConfig::scalar).collect(Collectors.joining(", "));
        out.append(values.size() == 1 ? quoted : "[" + quoted + "]").append('\n');
      }
    }
    return out.toString();
  }

  /** Quoted, lest YAML read 2e-5 as a float and write it as 2.0E-5. */
  private static String scalar(String value) {
    boolean plain = value.matches("-?\\d+|true|false");
    return plain ? value : '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }
}
