package dev.attune.run;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.dataformat.yaml.YAMLMapper;
import dev.attune.core.InputException;
import dev.attune.task.TaskOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;

/** The values of a run's options. Immutable once built; every getter checks its value. */
public final class RunConfig {
  private static final String ADAPTER_LEARNING_RATE = "2e-4";

  private final List<RunOption> known;
  private final Map<RunOption, String> values = new EnumMap<>(RunOption.class);

  /** Collects values; later ones win. */
  public static final class Builder {
    private final RunConfig config;

    private Builder(List<RunOption> known) {
      config = new RunConfig(known);
    }

    /** Sets one option. */
    public Builder set(RunOption option, String value) {
      config.values.put(option, value);
      return this;
    }

    /** Sets the option of that name; dashes and underscores are one. */
    public Builder set(String name, String value, String where) {
      return set(config.optionOf(name, where), value);
    }

    /** Sets every option of a YAML or JSON file. */
    public Builder setAll(Path file) {
      try {
        return setAll(Files.readString(file), file.toString());
      } catch (IOException e) {
        throw new InputException("cannot read the config file " + file + ": " + e.getMessage(), e);
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
        root = new YAMLMapper().readTree(yaml);
      } catch (JsonProcessingException e) {
        throw new InputException(file + ": not valid YAML: " + e.getOriginalMessage(), e);
      }
      if (root == null || !root.isObject()) {
        throw new InputException(file + ": a config file is a list of 'option: value' lines");
      }
      for (Map.Entry<String, JsonNode> entry : root.properties()) {
        if (!entry.getValue().isValueNode()) {
          throw new InputException(file + ": option '" + entry.getKey() + "' has no plain value");
        }
        set(entry.getKey(), entry.getValue().asText(), file);
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

  /** A config of the options that a command knows. */
  public static Builder builder(List<RunOption> known) {
    return new Builder(known);
  }

  private RunOption optionOf(String name, String where) {
    String wanted = name.replace('_', '-');
    for (RunOption option : known) {
      if (option.option().equals(wanted)) {
        return option;
      }
    }
    throw new InputException(
        where
            + ": there is no option '"
            + name
            + "'; options are "
            + known.stream().map(RunOption::option).collect(Collectors.joining(", ")));
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

  /** Adapters, which begin at zero and are few, learn at ten times the rate of a whole model. */
  private String defaultOf(RunOption option) {
    boolean isOfAdapters =
        option == RunOption.LEARNING_RATE
            && !values.getOrDefault(RunOption.LORA_R, "0").equals("0");
    return isOfAdapters ? ADAPTER_LEARNING_RATE : option.defaultValue();
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

  /** A path, or null. */
  public Path path(RunOption option) {
    String value = text(option);
    return value == null ? null : Path.of(value);
  }

  /** A whole number. */
  public long integer(RunOption option) {
    String value = required(option);
    try {
      return Long.parseLong(value.trim());
    } catch (NumberFormatException e) {
      throw notA(option, value, "a whole number");
    }
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
    try {
      double number = Double.parseDouble(value.trim());
      if (Double.isNaN(number)) {
        throw notA(option, value, "a number");
      }
      return number;
    } catch (NumberFormatException e) {
      throw notA(option, value, "a number");
    }
  }

  /** A flag. */
  public boolean flag(RunOption option) {
    String value = text(option);
    return switch (value) {
      case "true", "" -> true;
      case "false" -> false;
      default -> throw notA(option, value, "true or false");
    };
  }

  private static InputException notA(RunOption option, String value, String wanted) {
    return new InputException(option + " is '" + value + "', not " + wanted);
  }

  /** Whether an option has the same value in both: as a number where it is one. */
  public boolean agrees(RunConfig other, RunOption option) {
    String a = text(option);
    String b = other.text(option);
    if (Objects.equals(a, b)) {
      return true;
    }
    try {
      return a != null && b != null && Double.parseDouble(a) == Double.parseDouble(b);
    } catch (NumberFormatException e) {
      return false;
    }
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
        // Quoted, lest YAML read 2e-5 as a float and write it as 2.0E-5.
        boolean plain = value.matches("-?\\d+|true|false");
        out.append(plain ? value : '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"');
        out.append('\n');
      }
    }
    return out.toString();
  }
}
