package dev.attune;

import dev.attune.data.Dataset;
import dev.attune.run.HeadModel;
import dev.attune.task.Classification;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.ZeroShot;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * A model that gives a text one of labels that it has not learned. The kind of model decides how,
 * which {@link #method} says: a classifier of entailment (NLI) as Transformers' pipeline, one that
 * makes vectors by cosine, a language model by how likely it finds the label.
 *
 * <p>Any number of threads may use one, as a {@link Classifier}.
 */
public final class ZeroShotClassifier implements AutoCloseable {
  private final HeadModel model;

  private ZeroShotClassifier(HeadModel model) {
    this.model = model;
  }

  /**
   * Opens a model by its folder, by "minilm", or by its name on the Hugging Face Hub, from which it
   * is fetched where it is not on this machine.
   *
   * @param labels to choose among; of one there is {@link #predictEach} alone
   * @throws InvalidInputException if there is no such model, or it cannot choose among labels
   */
  public static ZeroShotClassifier open(String model, List<String> labels) {
    return open(model, labels, options -> {});
  }

  /** The same, with options. */
  public static ZeroShotClassifier open(
      String model, List<String> labels, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), labels, options);
  }

  /** The same of a folder. */
  public static ZeroShotClassifier open(Path folder, List<String> labels) {
    return open(folder, labels, options -> {});
  }

  /** The same, with options. */
  public static ZeroShotClassifier open(
      Path folder, List<String> labels, Consumer<ModelOptions> options) {
    return new ZeroShotClassifier(ModelOptions.of(options).openZeroShot(folder, labels));
  }

  /** The labels, in the order in which they were given. */
  public List<String> labels() {
    return model.labels();
  }

  /** How labels are chosen, in words. */
  public String method() {
    return ZeroShot.method(model.task());
  }

  /** Classifies a text. */
  public Prediction predict(String text) {
    return predict(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /**
   * Classifies texts; as many predictions, in their order.
   *
   * @throws InvalidInputException if there is one label, which every text would have
   */
  public List<Prediction> predict(List<String> texts) {
    if (labels().size() == 1) {
      throw new InvalidInputException(
          "there is one label, \""
              + labels().get(0)
              + "\", which every text would have; predictEach says whether it holds",
          null);
    }
    Dataset rows = Texts.of(texts);
    return Faults.translated(
        () ->
            model.predict(rows, Classification.Predicted.class).stream()
                .map(p -> new Prediction(p.label(), p.score(), p.scores()))
                .collect(Collectors.toCollection(ArrayList::new)));
  }

  /**
   * Whether each label holds by itself: by a classifier of entailment alone. Labels of which it is
   * at least as probable as not are given.
   *
   * @throws InvalidInputException if the model is none
   */
  public List<MultiLabelPrediction> predictEach(List<String> texts) {
    Dataset rows = Texts.of(texts);
    return Faults.translated(
        () ->
            model
                .with(((ZeroShot) model.task()).each())
                .predict(rows, MultiLabelClassification.Predicted.class)
                .stream()
                .map(p -> new MultiLabelPrediction(p.labels(), p.scores()))
                .collect(Collectors.toCollection(ArrayList::new)));
  }

  @Override
  public void close() {
    model.close();
  }
}
