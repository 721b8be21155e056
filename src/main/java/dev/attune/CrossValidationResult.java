package dev.attune;

import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a cross-validation found.
 *
 * @param folds that are done, in their order
 * @param mean of each metric over the folds, by name; empty where it was stopped
 * @param standardError of those means, by name
 * @param stopped whether it was stopped on request, or by an interrupt, before its end: then the
 *     folder holds what to {@link Trainer#resume} from
 * @param predictions JSON lines: what was predicted of each example by the model that had not
 *     learned it, in their order, with its "row" (and "file", where it is of several) and "fold";
 *     null where it was stopped, where no folder was given, of language models and of embeddings
 */
public record CrossValidationResult(
    List<Fold> folds,
    Map<String, Double> mean,
    Map<String, Double> standardError,
    boolean stopped,
    Path predictions) {
  /**
   * One fold: a part of the examples, and the model that was trained on all others.
   *
   * @param number from 1
   * @param examples in this part
   * @param steps optimizer steps of the training
   * @param metrics on this part, by name
   */
  public record Fold(int number, int examples, long steps, Map<String, Double> metrics) {
    public Fold {
      metrics = Collections.unmodifiableMap(new LinkedHashMap<>(metrics));
    }
  }

  public CrossValidationResult {
    folds = List.copyOf(folds);
    mean = Collections.unmodifiableMap(new LinkedHashMap<>(mean));
    standardError = Collections.unmodifiableMap(new LinkedHashMap<>(standardError));
  }
}
