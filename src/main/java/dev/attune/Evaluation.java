package dev.attune;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * A measurement on the validation data.
 *
 * @param step after which it was made
 * @param epoch passes over the data done, as a fraction
 * @param metrics the mean loss, where such data has one, then those of the kind of model, by name
 * @param best whether it is the best so far
 */
public record Evaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
  public Evaluation {
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
  }
}
