package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Batch;
import dev.attune.core.DecimalText;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding.Severity;
import dev.attune.data.Findings;
import dev.attune.data.LabelMap;
import dev.attune.folder.SavedSettings;
import java.util.Arrays;
import java.util.Collection;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What each label counts in the loss.
 *
 * @param values (K), or none: all count alike
 */
record LabelWeights(float[] values) {
  /** No label weighs more than another. */
  static final LabelWeights NONE = new LabelWeights(new float[0]);

  /** How labels can count, with PyTorch's names. */
  enum Kind {
    /** {@code pos_weight} of BCEWithLogitsLoss: what texts that have a label count. */
    POSITIVES(Term.POS_WEIGHT, "pos_weight", "auto"),
    /** {@code weight} of CrossEntropyLoss: what targets of a class count. */
    CLASSES(Term.CLASS_WEIGHTS, "class_weights", "balanced");

    private final Term term;
    private final String key;
    private final String automatic;

    Kind(Term term, String key, String automatic) {
      this.term = term;
      this.key = key;
      this.automatic = automatic;
    }
  }

  /** Above it, sums of losses in f32 lose what others add. */
  private static final float MOST = 1e6f;

  boolean isEmpty() {
    return values.length == 0;
  }

  /** The values, as a text. */
  String described() {
    return Arrays.toString(values);
  }

  /**
   * @param option null; {@code auto}: texts without the label over texts with it; {@code balanced}:
   *     as scikit-learn does it, all targets over K times those of the class; or {@code
   *     NAME=WEIGHT,…}, where labels not named keep 1
   * @param labelsOf the labels of an example, or null
   */
  static LabelWeights learn(
      Kind kind,
      String option,
      LabelMap labels,
      Dataset train,
      Function<Example, Collection<String>> labelsOf) {
    if (option == null) {
      return NONE;
    }
    return option.equals(kind.automatic)
        ? automatic(kind, labels, train, labelsOf)
        : named(kind.term + " is '" + option + "'", kind, option, labels);
  }

  private static LabelWeights automatic(
      Kind kind, LabelMap labels, Dataset train, Function<Example, Collection<String>> labelsOf) {
    int K = labels.size();
    long[] having = new long[K];
    for (Example example : train.examples()) {
      Collection<String> names = labelsOf.apply(example);
      if (names != null) {
        // What is no label is refused with its row when the data is examined.
        names.stream().mapToInt(labels::idOrMinusOne).filter(k -> k >= 0).forEach(k -> having[k]++);
      }
    }
    long targets = Arrays.stream(having).sum();
    float[] values = new float[K];
    for (int k = 0; k < K; k++) {
      if (having[k] == 0) {
        throw new InputException(
            kind.term.of(kind.automatic)
                + " needs training data of every label; there is none of \""
                + labels.name(k)
                + "\"");
      }
      values[k] =
          kind == Kind.POSITIVES
              ? (float) (train.size() - having[k]) / having[k]
              : (float) ((double) targets / ((double) K * having[k]));
    }
    return new LabelWeights(values);
  }

  private static LabelWeights named(String what, Kind kind, String option, LabelMap labels) {
    float[] values = new float[labels.size()];
    Arrays.fill(values, 1);
    Set<String> given = new HashSet<>();
    for (String part : option.split(",", -1)) {
      int equals = part.lastIndexOf('=');
      String name = part.substring(0, Math.max(0, equals)).strip();
      int id = labels.idOrMinusOne(name);
      float value = equals < 0 ? Float.NaN : weight(what, part.substring(equals + 1));
      if (id < 0 || Float.isNaN(value)) {
        throw new InputException(
            what
                + "; it is "
                + kind.automatic
                + ", or NAME=WEIGHT,NAME=WEIGHT with weights of the labels "
                + labels.describe());
      }
      if (!given.add(name)) {
        throw new InputException(what + ": the label \"" + name + "\" is there twice");
      }
      values[id] = value;
    }
    return new LabelWeights(values);
  }

  private static float weight(String what, String number) {
    double value = DecimalText.number(number);
    if (!(value > 0 && value <= MOST)) {
      throw new InputException(
          what + "; a weight is above 0 and at most 1000000, not '" + number.strip() + "'");
    }
    return (float) value;
  }

  /** Refuses weights that no label could have, before there are labels. */
  static void check(Kind kind, String option) {
    if (option == null || option.equals(kind.automatic)) {
      return;
    }
    String what = kind.term + " is '" + option + "'";
    for (String part : option.split(",", -1)) {
      int equals = part.lastIndexOf('=');
      if (equals < 1) {
        throw new InputException(
            what
                + "; it is "
                + kind.automatic
                + ", or NAME=WEIGHT,NAME=WEIGHT, where a NAME is a label");
      }
      weight(what, part.substring(equals + 1));
    }
  }

  /** From attune.json: so that evaluation gives the loss that training reported. */
  static LabelWeights read(Kind kind, LabelMap labels, JsonNode settings) {
    if (!settings.hasNonNull(kind.key)) {
      return NONE;
    }
    SavedSettings saved = new SavedSettings(settings).under(kind.key);
    float[] values = new float[labels.size()];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) saved.number(labels.name(k), 1);
    }
    return new LabelWeights(values);
  }

  void write(Kind kind, LabelMap labels, ObjectNode settings) {
    if (!isEmpty()) {
      ObjectNode byLabel = settings.putObject(kind.key);
      for (int k = 0; k < values.length; k++) {
        byLabel.put(labels.name(k), values[k]);
      }
    }
  }

  /** Address of the values for the kernels, or 0. */
  long address(Staging staging) {
    return isEmpty() ? 0 : staging.constants(values);
  }

  /** Of classes: what a batch's supervised targets count together. */
  double sum(Batch batch) {
    return isEmpty() ? batch.supervisedTargets() : batch.supervisedWeight(values);
  }

  /** Says what each class counts, in the report on the training data. */
  void state(Findings found, LabelMap labels) {
    if (found.isTraining() && !isEmpty()) {
      found.add(
          Severity.NOTE,
          "class_weights",
          "in the loss, of training and of evaluation, classes count "
              + IntStream.range(0, values.length)
                  .mapToObj(k -> String.format(Locale.ROOT, "%s %.4g", labels.name(k), values[k]))
                  .collect(Collectors.joining(", ")));
    }
  }
}
