package dev.attune;

import dev.attune.run.Lane;
import dev.attune.run.SharedModel;
import dev.attune.run.TextEncoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A model that makes vectors of texts, as sentence-transformers does: texts of like meaning have
 * vectors of a small angle. Computes in f32 unless told otherwise.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Embedder implements AutoCloseable {
  private final SharedModel<TextEncoder> model;
  private final TextEncoder.Wanted wanted;

  private Embedder(SharedModel<TextEncoder> model, TextEncoder.Wanted wanted) {
    this.model = model;
    this.wanted = wanted;
  }

  /**
   * Opens a model by its name ("minilm"), its folder, or its name on the Hugging Face Hub ({@code
   * ORG/NAME}, {@code ORG/NAME@REVISION}), which is fetched if it is not on this machine. The
   * pooling is what {@code modules.json} says; without that, the mean of all tokens' vectors.
   *
   * @throws InvalidInputException if there is none
   */
  public static Embedder open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static Embedder open(String model, Consumer<ModelOptions> options) {
    Consumer<ModelOptions> exact = o -> o.precision(Precision.FP32);
    return new Embedder(
        ModelOptions.of(exact.andThen(options)).openEncoder(model), TextEncoder.Wanted.PLAIN);
  }

  /** Opens the model in a folder. */
  public static Embedder open(Path folder) {
    return open(folder.toString());
  }

  /** The same, with options. */
  public static Embedder open(Path folder, Consumer<ModelOptions> options) {
    return open(folder.toString(), options);
  }

  /**
   * The same model, with what one of its prompts says put before each text. To close one is to
   * close both.
   *
   * @param name of a prompt: see {@link #promptNames}
   */
  public Embedder withPrompt(String name) {
    return new Embedder(
        model, new TextEncoder.Wanted(name, wanted.truncateDim(), wanted.normalize()));
  }

  /**
   * The same model, of whose vectors the first numbers are kept: of models that were trained for
   * it. To close one is to close both.
   */
  public Embedder withDimension(int dimension) {
    return new Embedder(
        model, new TextEncoder.Wanted(wanted.promptName(), dimension, wanted.normalize()));
  }

  /** The same model, whose vectors are made unit vectors. To close one is to close both. */
  public Embedder normalized() {
    return new Embedder(
        model, new TextEncoder.Wanted(wanted.promptName(), wanted.truncateDim(), true));
  }

  /** The names of the model's prompts. */
  public List<String> promptNames() {
    return model.model().promptNames();
  }

  /** Length of a vector. */
  public int dimension() {
    return wanted.truncateDim() == null ? model.model().width() : wanted.truncateDim();
  }

  /** The vector of a text. */
  public float[] embed(String text) {
    return embed(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /** The vectors of texts, in their order. */
  public List<float[]> embed(List<String> texts) {
    if (texts.isEmpty()) {
      return new ArrayList<>();
    }
    return Faults.translated(
        () ->
            model.use(
                (Lane lane) ->
                    Arrays.asList(model.model().embed(lane, Texts.of(texts), wanted).vectors())));
  }

  @Override
  public void close() {
    model.close();
  }
}
