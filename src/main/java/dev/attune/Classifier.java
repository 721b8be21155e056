package dev.attune;

import dev.attune.data.Dataset;
import dev.attune.run.HeadModel;
import dev.attune.task.Classification;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/**
 * A model that gives a text one of several labels.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Classifier implements AutoCloseable {
  private final HeadModel model;
  private final List<String> labels;

  private Classifier(HeadModel model) {
    this.model = model;
    this.labels = List.copyOf(model.labels());
  }

  /**
   * Opens the classifier in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static Classifier open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static Classifier open(Path folder, Consumer<ModelOptions> options) {
    return new Classifier(ModelOptions.of(options).openHead(folder, Classification.TYPE));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static Classifier open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static Classifier open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** The labels, in the order of the model's outputs. */
  public List<String> labels() {
    return labels;
  }

  /** Classifies a text. */
  public Prediction predict(String text) {
    return predict(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /** Classifies a pair of texts. */
  public Prediction predict(String text, String pair) {
    return predict(new TextPair(text, pair));
  }

  /** Classifies a pair of texts. */
  public Prediction predict(TextPair pair) {
    return predictPairs(List.of(Objects.requireNonNull(pair, "pair"))).get(0);
  }

  /** Classifies texts; as many predictions, in their order. */
  public List<Prediction> predict(List<String> texts) {
    return predict(Texts.of(texts));
  }

  /** Classifies pairs of texts; as many predictions, in their order. */
  public List<Prediction> predictPairs(List<TextPair> pairs) {
    return predict(Texts.ofPairs(pairs));
  }

  private List<Prediction> predict(Dataset texts) {
    return Faults.translated(
        () ->
            model.predict(texts, Classification.Predicted.class).stream()
                .map(p -> new Prediction(p.label(), p.score(), p.scores()))
                .collect(Collectors.toCollection(ArrayList::new)));
  }

  @Override
  public void close() {
    model.close();
  }
}
