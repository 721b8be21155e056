package dev.attune;

import dev.attune.run.MaskModel;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A masked language model that finds words for masks, with the scores of Transformers' fill-mask
 * pipeline. A mask is written as the model spells it ({@link #maskToken}), or as {@code [MASK]} or
 * {@code <mask>}. Computes in f32 unless told otherwise.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class MaskFiller implements AutoCloseable {
  private final MaskModel model;
  private final MaskModel.Wanted wanted;

  private MaskFiller(MaskModel model, MaskModel.Wanted wanted) {
    this.model = model;
    this.wanted = wanted;
  }

  /**
   * Opens the masked language model in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static MaskFiller open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static MaskFiller open(Path folder, Consumer<ModelOptions> options) {
    Consumer<ModelOptions> exact = o -> o.precision(Precision.FP32);
    return new MaskFiller(
        ModelOptions.of(exact.andThen(options)).openMaskModel(folder), MaskModel.Wanted.PLAIN);
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, as {@link
   * Classifier#open(String)} does.
   */
  public static MaskFiller open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static MaskFiller open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** How the model spells a mask. */
  public String maskToken() {
    return model.maskToken();
  }

  /** The same model, giving so many tokens for a mask, 5 unless given. To close one closes both. */
  public MaskFiller withTopK(int topK) {
    return Faults.translated(
        () -> new MaskFiller(model, new MaskModel.Wanted(topK, wanted.targets())));
  }

  /**
   * The same model, choosing among some tokens alone; their scores stay those among all tokens. To
   * close one closes both.
   *
   * @param targets each a token of the model; of another text its first token counts, as in
   *     Transformers; one that the vocabulary has no token for is refused where masks are filled
   */
  public MaskFiller withTargets(List<String> targets) {
    targets.forEach(target -> Objects.requireNonNull(target, "target"));
    return new MaskFiller(model, new MaskModel.Wanted(wanted.topK(), targets));
  }

  /**
   * The most probable tokens for the one mask of a text, the best first.
   *
   * @throws InvalidInputException if the text has no mask, or several
   */
  public List<FilledMask> fill(String text) {
    List<List<FilledMask>> masks = fillEach(text);
    if (masks.size() != 1) {
      throw new InvalidInputException(
          "the text has " + masks.size() + " masks; fillEach fills several", null);
    }
    return masks.get(0);
  }

  /**
   * The most probable tokens for each mask of a text: each is filled by itself, while the others
   * stay masks.
   *
   * @throws InvalidInputException if the text has none
   */
  public List<List<FilledMask>> fillEach(String text) {
    return fillEach(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /** The same for texts, in their order. */
  public List<List<List<FilledMask>>> fillEach(List<String> texts) {
    texts.forEach(text -> Objects.requireNonNull(text, "text"));
    if (texts.isEmpty()) {
      return List.of();
    }
    return Faults.translated(
        () ->
            model.fill(texts, wanted, note -> {}).stream()
                .map(masks -> masks.stream().map(MaskFiller::filled).toList())
                .toList());
  }

  private static List<FilledMask> filled(List<MaskModel.Fill> fills) {
    return fills.stream()
        .map(fill -> new FilledMask(fill.word(), fill.score(), fill.sequence(), fill.token()))
        .toList();
  }

  @Override
  public void close() {
    model.close();
  }
}
