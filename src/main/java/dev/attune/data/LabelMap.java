package dev.attune.data;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.math.BigInteger;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.regex.Pattern;

/**
 * Label names and their ids: part of the dataset's schema, of every checkpoint and of {@code
 * config.json} (id2label, label2id).
 *
 * <p>Order: ascending numbers if every label is an integer, else alphabetical (by UTF-16 code
 * unit).
 */
public final class LabelMap {
  private static final Pattern INTEGER = Pattern.compile("[+-]?\\d+");
  private static final int SHOWN = 20;

  /** Letters of a label: config.json and attune.json have labels as keys, which have a bound. */
  private static final int LONGEST = 10_000;

  private final List<String> names;
  private final Map<String, Integer> ids = new HashMap<>();

  private LabelMap(List<String> names) {
    this.names = List.copyOf(names);
    for (int i = 0; i < names.size(); i++) {
      Check.input(
          names.get(i).length() <= LONGEST,
          "a label has %d characters, \"%s…\"; %d are the most. If it is the text, the columns are"
              + " exchanged",
          names.get(i).length(),
          names.get(i).substring(0, Math.min(SHOWN, names.get(i).length())),
          LONGEST);
      Check.input(
          ids.put(names.get(i), i) == null,
          "label \"%s\" is there twice in the label list %s",
          names.get(i),
          names);
    }
  }

  /** Names in id order, as a checkpoint or config.json states them. */
  public static LabelMap ofNames(List<String> names) {
    return new LabelMap(names);
  }

  /** The labels of a collection, ordered as the class comment says; nulls are left out. */
  public static LabelMap of(Collection<String> labels) {
    TreeSet<String> distinct = new TreeSet<>();
    for (String label : labels) {
      if (label != null) {
        distinct.add(label);
      }
    }
    Comparator<String> order =
        distinct.stream().allMatch(l -> INTEGER.matcher(l).matches())
            ? Comparator.<String, BigInteger>comparing(BigInteger::new)
                .thenComparing(Comparator.naturalOrder())
            : Comparator.naturalOrder();
    return new LabelMap(distinct.stream().sorted(order).toList());
  }

  /** Whether there is a label at all. */
  public static boolean isPresent(String label) {
    return label != null && !label.isBlank();
  }

  /** Number of labels, K. */
  public int size() {
    return names.size();
  }

  /** Names in id order. */
  public List<String> names() {
    return names;
  }

  /** The name of an id. */
  public String name(int id) {
    return names.get(id);
  }

  /** Whether the label has an id. */
  public boolean contains(String label) {
    return ids.containsKey(label);
  }

  /** The id of a label, or -1. */
  public int idOrMinusOne(String label) {
    return ids.getOrDefault(label, -1);
  }

  /** The id of an example's label or tag; an unknown one is an error that lists the known ones. */
  public int id(String label, Dataset dataset, Example example) {
    Integer id = label == null ? null : ids.get(label);
    if (id == null) {
      throw new InputException(
          dataset.where(example)
              + ": "
              + (isPresent(label) ? "unknown label \"" + label + "\"" : "the label is missing")
              + ". Known labels: "
              + describe()
              + ". Labels come from "
              + Term.LABEL_NAMES
              + " or the training file; correct the row, or add its label there"
              + LabelNumbers.advice(label, names)
              + ".");
    }
    return id;
  }

  /** The names in quotes, the first twenty. */
  public String describe() {
    StringBuilder out = new StringBuilder();
    for (int i = 0; i < Math.min(SHOWN, names.size()); i++) {
      out.append(i == 0 ? "" : ", ").append('"').append(names.get(i)).append('"');
    }
    return names.size() > SHOWN
        ? out + " and " + (names.size() - SHOWN) + " more"
        : out.isEmpty() ? "none" : out.toString();
  }

  /** {@code {"0": "negative", "1": "positive"}}: config.json's id2label. */
  ObjectNode id2label() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    for (int i = 0; i < names.size(); i++) {
      node.put(Integer.toString(i), names.get(i));
    }
    return node;
  }

  /** {@code {"negative": 0, "positive": 1}}: config.json's label2id. */
  ObjectNode label2id() {
    ObjectNode node = JsonNodeFactory.instance.objectNode();
    for (int i = 0; i < names.size(); i++) {
      node.put(names.get(i), i);
    }
    return node;
  }

  /** Writes id2label and label2id, as config.json has them. */
  public void write(ObjectNode config) {
    config.set("id2label", id2label());
    config.set("label2id", label2id());
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof LabelMap map && map.names.equals(names);
  }

  @Override
  public int hashCode() {
    return names.hashCode();
  }

  @Override
  public String toString() {
    return names.toString();
  }
}
