package dev.attune.task;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.LabelMap;
import dev.attune.data.LabelNames;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * The labels among which a model that has not learned them is to choose.
 *
 * @param labels K names
 * @param descriptions what stands for some labels in texts, by their names
 * @param template of a sentence that says a label of a text; null: as the method has it
 * @param multiLabel whether each label holds or not by itself
 * @param temperature of scores before a softmax; null: as the method has it
 */
record ZeroShotLabels(
    LabelMap labels,
    Map<String, String> descriptions,
    String template,
    boolean multiLabel,
    Double temperature) {
  /** Where the label goes. */
  static final String PLACE = "{}";

  private static final List<Term> OPTIONS =
      List.of(Term.LABELS, Term.LABEL_DESCRIPTIONS, Term.HYPOTHESIS_TEMPLATE, Term.MULTI_LABEL);

  /**
   * What options ask for.
   *
   * @return null where nothing is
   * @throws InputException if they ask for what cannot be
   */
  static ZeroShotLabels of(TaskOptions options) {
    if (!options.flag(Term.ZERO_SHOT)) {
      for (Term option : OPTIONS) {
        String value = options.get(option);
        if (value != null && !value.equals("false")) {
          throw new InputException(option + " needs " + Term.ZERO_SHOT);
        }
      }
      return null;
    }
    Map<String, String> descriptions = descriptions(options);
    String given = options.get(Term.LABELS);
    if (given == null && descriptions.isEmpty()) {
      throw new InputException(
          Term.ZERO_SHOT
              + " needs "
              + Term.LABELS
              + ": the labels to choose among, parted by commas, or a file with one a line");
    }
    List<String> names =
        given == null ? List.copyOf(descriptions.keySet()) : LabelNames.list(Term.LABELS, given);
    boolean multiLabel = options.flag(Term.MULTI_LABEL);
    checkNames(names);
    for (String described : descriptions.keySet()) {
      if (!names.contains(described)) {
        throw new InputException(
            Term.LABEL_DESCRIPTIONS
                + " describes \""
                + described
                + "\", which is none of the labels: "
                + String.join(", ", names));
      }
    }
    Double temperature = null;
    if (options.get(Term.TEMPERATURE) != null) {
      temperature = options.number(Term.TEMPERATURE, 1);
      if (!(temperature > 0)) {
        throw new InputException(
            Term.TEMPERATURE + " is " + temperature + "; of scores it must be above 0");
      }
    }
    return new ZeroShotLabels(
        LabelMap.ofNames(names),
        descriptions,
        template(Term.HYPOTHESIS_TEMPLATE, options),
        multiLabel,
        temperature);
  }

  private static void checkNames(List<String> names) {
    Set<String> seen = new HashSet<>();
    for (String name : names) {
      if (!seen.add(name)) {
        throw new InputException(Term.LABELS + " has \"" + name + "\" twice; give each once");
      }
    }
  }

  /**
   * Refuses one label where labels are compared with each other.
   *
   * @param otherwise what the method can do with one, behind "give at least two"
   */
  void checkSeveral(String otherwise) {
    if (labels.size() < 2 && !multiLabel) {
      throw new InputException(
          Term.LABELS
              + " has one label, \""
              + labels.name(0)
              + "\", so that every text would have it; give at least two"
              + otherwise);
    }
  }

  /**
   * A sentence with a place for a label; null: none is given.
   *
   * @throws InputException if there is no place in it, or more than one
   */
  static String template(Term option, TaskOptions options) {
    String given = options.get(option);
    if (given != null
        && (!given.contains(PLACE) || given.indexOf(PLACE) != given.lastIndexOf(PLACE))) {
      throw new InputException(
          option
              + " is '"
              + given
              + "'; it needs {} once, where the label goes, as in 'This example is {}.'");
    }
    return given;
  }

  private static Map<String, String> descriptions(TaskOptions options) {
    String file = options.get(Term.LABEL_DESCRIPTIONS);
    Map<String, String> out = new LinkedHashMap<>();
    options
        .entries(Term.LABEL_DESCRIPTIONS)
        .forEach((name, text) -> out.put(name.strip(), text.strip()));
    if (file == null) {
      return out;
    }
    for (String line : LabelNames.lines(Term.LABEL_DESCRIPTIONS, file)) {
      int at = line.indexOf('=');
      String name = at < 0 ? "" : line.substring(0, at).strip();
      String text = at < 0 ? "" : line.substring(at + 1).strip();
      if (name.isEmpty() || text.isEmpty()) {
        throw new InputException(
            Term.LABEL_DESCRIPTIONS + ": '" + line + "' is not of the form NAME=TEXT");
      }
      if (out.put(name, text) != null) {
        throw new InputException(Term.LABEL_DESCRIPTIONS + " describes \"" + name + "\" twice");
      }
    }
    return out;
  }

  /** What stands for a label in texts: its description, or its name. */
  String words(int label) {
    String name = labels.name(label);
    return descriptions.getOrDefault(name, name);
  }

  /** Whether every label has a description. */
  boolean isDescribed() {
    return descriptions.size() == labels.size();
  }

  /** The sentences that say each label (K). */
  List<String> sentences(String usualTemplate) {
    List<String> out = new ArrayList<>();
    for (int k = 0; k < labels.size(); k++) {
      out.add((template == null ? usualTemplate : template).replace(PLACE, words(k)));
    }
    return out;
  }

  /** The same, each label by itself. */
  ZeroShotLabels each() {
    return new ZeroShotLabels(labels, descriptions, template, true, temperature);
  }

  /** Refuses what a method cannot do. */
  void refuse(boolean asked, Term option, String method) {
    if (asked) {
      throw new InputException(option + " has no meaning for " + method);
    }
  }
}
