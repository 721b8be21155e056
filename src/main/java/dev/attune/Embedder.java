package dev.attune;

import dev.attune.run.Lane;
import dev.attune.run.SharedModel;
import dev.attune.run.TextEncoder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Consumer;

/**
 * An encoder that makes vectors of texts, as sentence-transformers does: texts of like meaning have
 * vectors of a small angle. Computes in f32 unless told otherwise.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Embedder implements AutoCloseable {
  private final SharedModel<TextEncoder> model;

  private Embedder(SharedModel<TextEncoder> model) {
    this.model = model;
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
    return new Embedder(ModelOptions.of(exact.andThen(options)).openEncoder(model));
  }

  /** Opens the model in a folder. */
  public static Embedder open(Path folder) {
    return open(folder.toString());
  }

  /** The same, with options. */
  public static Embedder open(Path folder, Consumer<ModelOptions> options) {
    return open(folder.toString(), options);
  }

  /** Length of a vector. */
  public int dimension() {
    return model.model().width();
  }

  /** The vector of a text. */
  public float[] embed(String text) {
    return embed(List.of(text)).get(0);
  }

  /** The vectors of texts, in their order. */
  public List<float[]> embed(List<String> texts) {
    if (texts.isEmpty()) {
      return new ArrayList<>();
    }
    return Faults.translated(
        () -> model.use((Lane lane) -> Arrays.asList(model.model().embed(lane, Texts.of(texts)))));
  }

  @Override
  public void close() {
    model.close();
  }
}
