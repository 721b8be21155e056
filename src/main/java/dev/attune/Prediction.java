package dev.attune;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * What a classifier says of a text.
 *
 * @param label the most probable one
 * @param score its probability
 * @param scores the probability of every label, in the order of the model's labels
 */
public record Prediction(String label, double score, Map<String, Double> scores) {
  public Prediction {
    scores = Collections.unmodifiableMap(new LinkedHashMap<>(scores));
  }
}
