package dev.attune.metrics;

import java.io.PrintStream;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/**
 * Precision, recall and F1 of entities, as seqeval's default mode counts them: an entity is a run
 * of tags of one type, it begins at B- or where the type changes, and it is right only if type,
 * begin and end all are. Tags without prefix are types of their own; O is none.
 */
public final class SequenceLabelMetrics implements Metrics {
  private record Entity(String type, int begin, int end) {}

  private static final class Counts {
    private long right;
    private long labelled;
    private long predicted;

    double precision() {
      return predicted == 0 ? 0 : (double) right / predicted;
    }

    double recall() {
      return labelled == 0 ? 0 : (double) right / labelled;
    }

    double f1() {
      return labelled + predicted == 0 ? 0 : 2.0 * right / (labelled + predicted);
    }

    void add(Counts other) {
      right += other.right;
      labelled += other.labelled;
      predicted += other.predicted;
    }
  }

  private final List<String> names;
  private final Map<String, Counts> byType = new TreeMap<>();
  private long tokens;
  private long tokensRight;

  /**
   * @param names of the tags, in id order: "O", "B-Disease", "I-Disease"
   */
  public SequenceLabelMetrics(List<String> names) {
    this.names = List.copyOf(names);
  }

  /** Counts one sequence: the tag ids of its words. */
  public void add(int[] labels, int[] predictions) {
    for (int i = 0; i < labels.length; i++) {
      tokens++;
      tokensRight += labels[i] == predictions[i] ? 1 : 0;
    }
    List<Entity> labelled = entities(labels);
    List<Entity> predicted = entities(predictions);
    Set<Entity> known = new HashSet<>(labelled);
    labelled.forEach(e -> counts(e.type).labelled++);
    for (Entity entity : predicted) {
      Counts counts = counts(entity.type);
      counts.predicted++;
      counts.right += known.contains(entity) ? 1 : 0;
    }
  }

  /** Adds the counts of another. */
  public void merge(SequenceLabelMetrics other) {
    other.byType.forEach((type, counts) -> counts(type).add(counts));
    tokens += other.tokens;
    tokensRight += other.tokensRight;
  }

  private Counts counts(String type) {
    return byType.computeIfAbsent(type, t -> new Counts());
  }

  private List<Entity> entities(int[] tags) {
    List<Entity> entities = new ArrayList<>();
    char previousPrefix = 'O';
    String previousType = "";
    int begin = 0;
    for (int i = 0; i <= tags.length; i++) {
      String tag = i < tags.length ? names.get(tags[i]) : "O";
      char prefix = tag.charAt(0);
      String type = tag.length() > 2 && tag.charAt(1) == '-' ? tag.substring(2) : "_";
      if (tag.length() > 1 && tag.charAt(1) != '-') {
        // No prefix at all: every run of the same word is an entity.
        prefix = 'I';
        type = tag;
      }
      if (ends(previousPrefix, prefix, previousType, type)) {
        entities.add(new Entity(previousType, begin, i));
      }
      if (starts(previousPrefix, prefix, previousType, type)) {
        begin = i;
      }
      previousPrefix = prefix;
      previousType = type;
    }
    return entities;
  }

  private static boolean ends(char previous, char now, String previousType, String type) {
    if (previous == 'O') {
      return false;
    }
    return previous == 'E'
        || previous == 'S'
        || now == 'B'
        || now == 'S'
        || now == 'O'
        || !previousType.equals(type);
  }

  private static boolean starts(char previous, char now, String previousType, String type) {
    if (now == 'O') {
      return false;
    }
    return now == 'B'
        || now == 'S'
        || previous == 'E'
        || previous == 'S'
        || previous == 'O'
        || !previousType.equals(type);
  }

  private Counts all() {
    Counts sum = new Counts();
    byType.values().forEach(sum::add);
    return sum;
  }

  @Override
  public Map<String, Double> values() {
    Counts all = all();
    Map<String, Double> values = new LinkedHashMap<>();
    values.put("f1", all.f1());
    values.put("precision", all.precision());
    values.put("recall", all.recall());
    values.put("accuracy", tokens == 0 ? 0 : (double) tokensRight / tokens);
    return values;
  }

  @Override
  public void render(PrintStream out) {
    int width = byType.keySet().stream().mapToInt(String::length).max().orElse(6);
    String row = "  %-" + Math.max(6, width) + "s  %9s  %9s  %9s  %9s%n";
    out.printf(row, "entity", "precision", "recall", "f1", "entities");
    byType.forEach(
        (type, counts) ->
            out.printf(
                row,
                type,
                ClassificationMetrics.decimals(counts.precision()),
                ClassificationMetrics.decimals(counts.recall()),
                ClassificationMetrics.decimals(counts.f1()),
                counts.labelled));
  }
}
