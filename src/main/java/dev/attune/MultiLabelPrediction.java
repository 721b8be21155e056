package dev.attune;

import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a multi-label classifier says of a text.
 *
 * @param labels those whose probability reaches their threshold, in the order of the model's labels
 * @param scores the probability of every label, in the order of the model's labels; as labels do
 *     not exclude each other, their sum is not 1
 */
public record MultiLabelPrediction(List<String> labels, Map<String, Double> scores) {
  public MultiLabelPrediction {
    labels = List.copyOf(labels);
    scores = Collections.unmodifiableMap(new LinkedHashMap<>(scores));
  }
}
