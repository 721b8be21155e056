package dev.attune;

import dev.attune.core.Check;
import dev.attune.data.Dataset;
import dev.attune.run.HeadModel;
import dev.attune.task.Prediction;
import dev.attune.task.Regression;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A model that gives a text a number.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Regressor implements AutoCloseable {
  private final HeadModel model;

  private Regressor(HeadModel model) {
    this.model = model;
  }

  /**
   * Opens the model in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static Regressor open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static Regressor open(Path folder, Consumer<ModelOptions> options) {
    return new Regressor(ModelOptions.of(options).openHead(folder, Regression.TYPE));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static Regressor open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static Regressor open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** The number of a text. */
  public double predict(String text) {
    return predict(List.of(Objects.requireNonNull(text, "text")))[0];
  }

  /** The number of a pair of texts. */
  public double predict(String text, String pair) {
    return predict(new TextPair(text, pair));
  }

  /** The number of a pair of texts. */
  public double predict(TextPair pair) {
    return predictPairs(List.of(Objects.requireNonNull(pair, "pair")))[0];
  }

  /** The numbers of texts, in their order. */
  public double[] predict(List<String> texts) {
    return predict(Texts.of(texts));
  }

  /** The numbers of pairs of texts, in their order. */
  public double[] predictPairs(List<TextPair> pairs) {
    return predict(Texts.ofPairs(pairs));
  }

  /** The names of the model's outputs: more than one where it gives several numbers to a text. */
  public List<String> outputs() {
    return ((Regression) model.task()).names();
  }

  /** The numbers of texts in their order, of all outputs, by their names. */
  public List<Map<String, Double>> predictOutputs(List<String> texts) {
    return predictOutputs(Texts.of(texts));
  }

  /** The numbers of pairs of texts in their order, of all outputs, by their names. */
  public List<Map<String, Double>> predictOutputsOfPairs(List<TextPair> pairs) {
    return predictOutputs(Texts.ofPairs(pairs));
  }

  private List<Map<String, Double>> predictOutputs(Dataset texts) {
    return Faults.translated(
        () ->
            model.predict(texts, Prediction.class).stream()
                .map(((Regression) model.task())::byName)
                .toList());
  }

  private double[] predict(Dataset texts) {
    return Faults.translated(
        () -> {
          Check.input(
              outputs().size() == 1,
              "the model gives %d numbers to a text (%s); predictOutputs tells them all",
              outputs().size(),
              String.join(", ", outputs()));
          return model.predict(texts, Regression.Predicted.class).stream()
              .mapToDouble(Regression.Predicted::score)
              .toArray();
        });
  }

  @Override
  public void close() {
    model.close();
  }
}
