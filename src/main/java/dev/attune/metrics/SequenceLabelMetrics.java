package dev.attune.metrics;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Entities in tagged tokens, as seqeval counts them in its default mode: an entity is right when
 * its type and both its ends are. Wrong tag orders are forgiven as there: an {@code I} that follows
 * {@code O} or another type begins an entity.
 */
public final class SequenceLabelMetrics implements TagMetrics {
  private static final String PREFIXES = "BIES";
  private static final Pattern TAG = Pattern.compile("[" + PREFIXES + "](-.+)?");

  private final char[] prefixes; // (K)
  private final int[] types; // (K), -1 for O
  private final List<String> typeNames = new ArrayList<>();
  private final long[] correct; // per type
  private final long[] labelled;
  private final long[] predicted;
  private long tokens;
  private long tokensCorrect;

  /**
   * For these tags, in the order of their ids.
   *
   * @throws InputException for a tag that is neither O nor B, I, E or S, alone or with a type
   */
  public SequenceLabelMetrics(List<String> tags) {
    prefixes = new char[tags.size()];
    types = new int[tags.size()];
    for (int k = 0; k < prefixes.length; k++) {
      String tag = tags.get(k);
      boolean typed = tag.length() > 2 && tag.charAt(1) == '-';
      boolean known = !tag.isEmpty() && PREFIXES.indexOf(tag.charAt(0)) >= 0;
      if (tag.equals("O")) {
        types[k] = -1;
      } else if (known && (typed || tag.length() == 1)) {
        String type = typed ? tag.substring(2) : "_";
        if (!typeNames.contains(type)) {
          typeNames.add(type);
        }
        types[k] = typeNames.indexOf(type);
      } else {
        throw new InputException(
            "tag '"
                + tag
                + "' is not in the BIO scheme: expected O, or B-TYPE and I-TYPE (E- and S- are"
                + " known too). Is this the column of tags?");
      }
      prefixes[k] = tag.charAt(0);
    }
    correct = new long[typeNames.size()];
    labelled = new long[typeNames.size()];
    predicted = new long[typeNames.size()];
  }

  /** Whether tags are those of entities: O, and B, I, E or S, alone or with a type. */
  public static boolean areOfEntities(List<String> tags) {
    return tags.stream().allMatch(tag -> tag.equals("O") || TAG.matcher(tag).matches())
        && tags.stream().anyMatch(tag -> !tag.equals("O"));
  }

  /** Counts one sequence of tag ids; tokens whose label is negative take no part. */
  @Override
  public void add(int[] labels, int[] predictions) {
    Check.argument(
        labels.length == predictions.length,
        "%d labels, %d predictions",
        labels.length,
        predictions.length);
    add(labels, predictions, 0, labels.length);
  }

  /** Counts the sequence from token {@code begin} up to {@code end} of a packed batch. */
  public void add(int[] labels, int[] predictions, int begin, int end) {
    int[] truth = new int[end - begin];
    int[] guess = new int[end - begin];
    int length = 0;
    for (int i = begin; i < end; i++) {
      if (labels[i] < 0) {
        continue;
      }
      Check.argument(
          labels[i] < types.length && predictions[i] >= 0 && predictions[i] < types.length,
          "label %d, prediction %d: tags are 0 to %d",
          labels[i],
          predictions[i],
          types.length - 1);
      truth[length] = labels[i];
      guess[length] = predictions[i];
      tokensCorrect += labels[i] == predictions[i] ? 1 : 0;
      length++;
    }
    tokens += length;
    List<Entity> expected = entities(truth, length, labelled);
    List<Entity> found = entities(guess, length, predicted);
    int j = 0;
    for (Entity entity : expected) { // both are ordered by where they begin
      while (j < found.size() && found.get(j).begin() < entity.begin()) {
        j++;
      }
      if (j < found.size() && found.get(j).equals(entity)) {
        correct[entity.type()]++;
      }
    }
  }

  private record Entity(int type, int begin, int end) {}

  private List<Entity> entities(int[] tags, int length, long[] counts) {
    List<Entity> out = new ArrayList<>();
    char lastPrefix = 'O';
    int lastType = -1;
    int begin = 0;
    for (int i = 0; i <= length; i++) {
      char prefix = i < length ? prefixes[tags[i]] : 'O';
      int type = i < length ? types[tags[i]] : -1;
      if (type != lastType || isBorder(lastPrefix, prefix)) {
        if (lastType >= 0) {
          out.add(new Entity(lastType, begin, i));
          counts[lastType]++;
        }
        begin = i;
      }
      lastPrefix = prefix;
      lastType = type;
    }
    return out;
  }

  private static boolean isBorder(char last, char now) {
    return last == 'E' || last == 'S' || now == 'B' || now == 'S';
  }

  /** Adds what another accumulator over the same tags has seen. */
  public void merge(SequenceLabelMetrics other) {
    Check.argument(
        typeNames.equals(other.typeNames), "types %s are not %s", other.typeNames, typeNames);
    tokens += other.tokens;
    tokensCorrect += other.tokensCorrect;
    for (int k = 0; k < correct.length; k++) {
      correct[k] += other.correct[k];
      labelled[k] += other.labelled[k];
      predicted[k] += other.predicted[k];
    }
  }

  /** Number of labelled tokens. */
  @Override
  public long count() {
    return tokens;
  }

  /** Precision, recall and F1 of entities over all types, F1 averaged by type, token accuracy. */
  @Override
  public LinkedHashMap<String, Double> values() {
    Check.state(tokens > 0, "no labelled tokens were counted");
    long right = 0;
    long expected = 0;
    long found = 0;
    double f1Sum = 0;
    int present = 0;
    for (int k = 0; k < correct.length; k++) {
      right += correct[k];
      expected += labelled[k];
      found += predicted[k];
      if (labelled[k] + predicted[k] > 0) {
        present++;
        f1Sum += ClassificationMetrics.ratio(2 * correct[k], labelled[k] + predicted[k]);
      }
    }
    LinkedHashMap<String, Double> out = new LinkedHashMap<>();
    out.put("f1", ClassificationMetrics.ratio(2 * right, expected + found));
    out.put("precision", ClassificationMetrics.ratio(right, found));
    out.put("recall", ClassificationMetrics.ratio(right, expected));
    out.put("f1_macro", present == 0 ? 0 : f1Sum / present);
    out.put("accuracy", ClassificationMetrics.ratio(tokensCorrect, tokens));
    return out;
  }

  /** A table of precision, recall, F1 and support, one entity type a line. */
  @Override
  public String table(int columns) {
    return ClassTable.render(
        typeNames,
        k ->
            new double[] {
              ClassificationMetrics.ratio(correct[k], predicted[k]),
              ClassificationMetrics.ratio(correct[k], labelled[k]),
              ClassificationMetrics.ratio(2 * correct[k], labelled[k] + predicted[k])
            },
        k -> labelled[k],
        columns);
  }
}
