package dev.attune;

import dev.attune.data.Dataset;
import dev.attune.run.HeadModel;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.Thresholded;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * A model that gives a text any number of labels, none too.
 *
 * <p>A label is given where its probability reaches its threshold: 0.5, or what {@link
 * Trainer#tuneThresholds} found, or what {@link ModelOptions#threshold} says.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class MultiLabelClassifier implements AutoCloseable {
  private final HeadModel model;
  private final List<String> labels;
  private final Map<String, Double> thresholds;

  private MultiLabelClassifier(HeadModel model) {
    this.model = model;
    this.labels = List.copyOf(model.labels());
    this.thresholds = ((Thresholded) model.task()).thresholds();
  }

  /**
   * Opens the classifier in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static MultiLabelClassifier open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static MultiLabelClassifier open(Path folder, Consumer<ModelOptions> options) {
    return new MultiLabelClassifier(ModelOptions.of(options).openMultiLabel(folder));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static MultiLabelClassifier open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static MultiLabelClassifier open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** The labels, in the order of the model's outputs. */
  public List<String> labels() {
    return labels;
  }

  /** From which probability on each label is given, in the order of the labels; not modifiable. */
  public Map<String, Double> thresholds() {
    return thresholds;
  }

  /** Classifies a text. */
  public MultiLabelPrediction predict(String text) {
    return predict(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /** Classifies a pair of texts. */
  public MultiLabelPrediction predict(String text, String pair) {
    return predict(new TextPair(text, pair));
  }

  /** Classifies a pair of texts. */
  public MultiLabelPrediction predict(TextPair pair) {
    return predictPairs(List.of(Objects.requireNonNull(pair, "pair"))).get(0);
  }

  /** Classifies texts; as many predictions, in their order. */
  public List<MultiLabelPrediction> predict(List<String> texts) {
    return predict(Texts.of(texts));
  }

  /** Classifies pairs of texts; as many predictions, in their order. */
  public List<MultiLabelPrediction> predictPairs(List<TextPair> pairs) {
    return predict(Texts.ofPairs(pairs));
  }

  private List<MultiLabelPrediction> predict(Dataset texts) {
    return Faults.translated(
        () ->
            model.predict(texts, MultiLabelClassification.Predicted.class).stream()
                .map(p -> new MultiLabelPrediction(p.labels(), p.scores()))
                .collect(Collectors.toCollection(ArrayList::new)));
  }

  @Override
  public void close() {
    model.close();
  }
}
