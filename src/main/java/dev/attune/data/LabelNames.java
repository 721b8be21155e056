package dev.attune.data;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.function.UnaryOperator;
import java.util.regex.Pattern;

/** The names of labels or tags that a file has as numbers, from 0 on. */
public final class LabelNames {
  private static final Pattern NUMBER = Pattern.compile("\\d{1,9}");

  private final LabelMap names;

  private LabelNames(LabelMap names) {
    this.names = names;
  }

  /**
   * Reads the option.
   *
   * @param option names parted by commas, or a file with one a line; null: there are none
   * @return null where there are none
   */
  public static LabelNames parse(String option) {
    if (option == null) {
      return null;
    }
    List<String> names = list(Term.LABEL_NAMES, option);
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      if (!seen.add(name)) {
        throw new InputException(Term.LABEL_NAMES.of(option) + " names \"" + name + "\" twice");
      }
    }
    return new LabelNames(LabelMap.ofNames(names));
  }

  /**
   * Names that an option lists.
   *
   * @param value parted by commas or, where they hold some, by line ends; or a file with one a line
   */
  public static List<String> list(Term option, String value) {
    List<String> names =
        isFile(value)
            ? lines(option, value)
            : Arrays.asList(value.contains("\n") ? value.split("\n") : value.split(",", -1));
    List<String> stripped = names.stream().map(String::strip).toList();
    if (stripped.isEmpty() || stripped.contains("")) {
      throw new InputException(option.of(value) + " has an empty name; names are parted by commas");
    }
    return stripped;
  }

  private static boolean isFile(String option) {
    try {
      return Files.isRegularFile(Path.of(option));
    } catch (InvalidPathException e) {
      return false;
    }
  }

  /**
   * The lines of a file that an option names, without blank ones.
   *
   * @throws InputException if there is no such file
   */
  public static List<String> lines(Term option, String file) {
    if (!isFile(file)) {
      throw new InputException(option.of(file) + ": there is no such file");
    }
    try {
      return Files.readAllLines(Path.of(file)).stream().filter(line -> !line.isBlank()).toList();
    } catch (IOException e) {
      throw new InputException(option.of(file) + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** All names, in the order of the numbers. */
  public LabelMap map() {
    return names;
  }

  /**
   * The data with names in place of numbers; other labels stay as they are.
   *
   * @throws InputException at a number that has no name
   */
  public Dataset applied(Dataset data) {
    if (data.isStored()) {
      data.examples().forEach(example -> applied(data, example)); // which may throw
    }
    return data.changed(example -> applied(data, example), "label names " + names.names());
  }

  private Example applied(Dataset data, Example example) {
    UnaryOperator<String> name = label -> name(data, example, label);
    return example.withTargets(
        example.label() == null ? null : name.apply(example.label()),
        example.labels() == null ? null : example.labels().stream().map(name).toList(),
        example.tags() == null ? null : example.tags().stream().map(name).toList());
  }

  private String name(Dataset data, Example example, String label) {
    if (names.contains(label) || !NUMBER.matcher(label.strip()).matches()) {
      return label;
    }
    int id = Integer.parseInt(label.strip());
    if (id >= names.size()) {
      throw new InputException(
          data.where(example)
              + ": "
              + Term.LABEL_NAMES
              + " names "
              + Count.many(names.size(), "label")
              + ", 0 to "
              + (names.size() - 1)
              + ", and the row has "
              + id);
    }
    return names.name(id);
  }
}
