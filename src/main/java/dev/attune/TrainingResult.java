package dev.attune;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;

/**
 * How a training run ended.
 *
 * @param steps optimizer steps done, earlier runs that it resumed included
 * @param epochs passes over the data, as a fraction
 * @param loss mean over all steps
 * @param metrics on the validation data, by name; empty where there is none
 * @param testMetrics on the test data, by name; empty where there is none
 * @param tokensPerSecond real tokens
 * @param stopped whether it was stopped on request, or by an interrupt, before its end: then the
 *     folder holds a checkpoint to {@link Trainer#resume} from, and no model
 * @param stoppedEarly whether early stopping ended it
 * @param folder where the model is
 */
public record TrainingResult(
    long steps,
    double epochs,
    double loss,
    Map<String, Double> metrics,
    Map<String, Double> testMetrics,
    double tokensPerSecond,
    boolean stopped,
    boolean stoppedEarly,
    Path folder) {
  public TrainingResult {
    metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    testMetrics = Collections.unmodifiableMap(new LinkedHashMap<>(testMetrics));
  }
}
