package dev.attune.task;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.LabelMap;
import dev.attune.folder.SavedSettings;
import java.util.Arrays;
import java.util.HashSet;
import java.util.Set;

/**
 * What the loss is multiplied by where a label holds: {@code pos_weight} of PyTorch's
 * BCEWithLogitsLoss.
 *
 * @param values (K), or none
 */
record LabelWeights(float[] values) {
  /** No label weighs more than another. */
  static final LabelWeights NONE = new LabelWeights(new float[0]);

  private static final String AUTOMATIC = "auto";
  private static final String KEY = "pos_weight";

  boolean isEmpty() {
    return values.length == 0;
  }

  /**
   * @param option null; {@code auto}: rows without the label over rows with it; or {@code
   *     NAME=WEIGHT,…}, where labels not named keep 1
   */
  static LabelWeights learn(String option, LabelMap labels, Dataset train) {
    if (option == null) {
      return NONE;
    }
    float[] values = new float[labels.size()];
    Arrays.fill(values, 1);
    if (option.equals(AUTOMATIC)) {
      int[] having = new int[values.length];
      for (Example example : train.examples()) {
        Set<String> names = MultiLabelClassification.labels(example);
        if (names != null) {
          names.forEach(name -> having[labels.idOrMinusOne(name)]++);
        }
      }
      for (int k = 0; k < values.length; k++) {
        values[k] = (float) (train.size() - having[k]) / having[k];
      }
      return new LabelWeights(values);
    }
    Set<String> given = new HashSet<>();
    for (String part : option.split(",", -1)) {
      int equals = part.lastIndexOf('=');
      String name = part.substring(0, Math.max(0, equals)).strip();
      int id = labels.idOrMinusOne(name);
      float value = equals < 0 ? Float.NaN : parse(part.substring(equals + 1));
      if (id < 0 || !(value > 0) || Float.isInfinite(value)) {
        throw new InputException(
            Term.POS_WEIGHT
                + " is '"
                + option
                + "'; it is auto, or NAME=WEIGHT,NAME=WEIGHT with weights above 0 of the labels "
                + labels.describe());
      }
      if (!given.add(name)) {
        throw new InputException(
            Term.POS_WEIGHT + " is '" + option + "': the label \"" + name + "\" is there twice");
      }
      values[id] = value;
    }
    return new LabelWeights(values);
  }

  private static float parse(String number) {
    try {
      return Float.parseFloat(number.strip());
    } catch (NumberFormatException e) {
      return Float.NaN;
    }
  }

  /** From attune.json: so that evaluation gives the loss that training reported. */
  static LabelWeights read(LabelMap labels, JsonNode settings) {
    if (!settings.hasNonNull(KEY)) {
      return NONE;
    }
    SavedSettings saved = new SavedSettings(settings).under(KEY);
    float[] values = new float[labels.size()];
    for (int k = 0; k < values.length; k++) {
      values[k] = (float) saved.number(labels.name(k), 1);
    }
    return new LabelWeights(values);
  }

  void write(LabelMap labels, ObjectNode settings) {
    if (!isEmpty()) {
      ObjectNode byLabel = settings.putObject(KEY);
      for (int k = 0; k < values.length; k++) {
        byLabel.put(labels.name(k), values[k]);
      }
    }
  }
}
