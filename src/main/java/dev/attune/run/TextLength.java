package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.model.Beyond;
import dev.attune.model.Model;
import dev.attune.text.TextTokenizer;
import java.util.Optional;

/** How many tokens a text may have where it was asked for. */
final class TextLength {
  /**
   * Tokens that can be asked of a model which was made for fewer: tables of rotary positions have a
   * row for each.
   */
  private static final int MOST = 1 << 20;

  private TextLength() {}

  /**
   * Tokens of a text at most where nobody says how many.
   *
   * @param ofTask what the task is used to, or null: then the tokenizer may say so, as it does to
   *     Transformers
   * @param otherwise where neither says so
   * @param positions that the model has
   */
  static int usual(Integer ofTask, int otherwise, TextTokenizer tokenizer, int positions) {
    int usual =
        ofTask != null ? ofTask : Math.min(otherwise, tokenizer.modelMaxLength().orElse(otherwise));
    return Math.min(usual, positions);
  }

  /**
   * Makes a model ready for texts of a length.
   *
   * @throws InputException if its positions end before, or no text is that long
   */
  static int asked(int length, Model model) {
    int most = Math.max(MOST, model.statedLength());
    if (model.beyond() != Beyond.NOTHING && length > most) {
      throw new InputException(
          RunOption.MAX_LENGTH
              + " is "
              + length
              + "; 1 to "
              + most
              + " tokens are possible (the model was made for "
              + model.statedLength()
              + "): cut longer texts into several");
    }
    if (!model.reach(length)) {
      throw new InputException(
          RunOption.MAX_LENGTH
              + " is "
              + length
              + ", the model has positions for "
              + model.maxLength()
              + " tokens");
    }
    return length;
  }

  /**
   * What to know where the tokenizer says of texts how long they are.
   *
   * @param isAsked whether the length was asked for
   * @param usual what it would be without the tokenizer: the task's, the option's or the model's
   */
  static Optional<String> tokenizerNote(
      int length, boolean isAsked, int usual, TextTokenizer tokenizer) {
    Optional<String> tooShort = tokenizer.tooShortMaxLength();
    if (tooShort.isPresent()) {
      return Optional.of(
          "tokenizer_config.json says that texts end after "
              + tooShort.get()
              + " tokens (model_max_length), of which special ones leave nothing for a text: that"
              + " does not count");
    }
    int most = tokenizer.modelMaxLength().orElse(Integer.MAX_VALUE);
    String said = "tokenizer_config.json (model_max_length " + most + ")";
    if (isAsked && length > most) {
      return Optional.of(
          RunOption.MAX_LENGTH
              + " is "
              + length
              + ", more than this model's texts have by "
              + said);
    }
    return !isAsked && length == most && most < usual
        ? Optional.of(
            "texts end after "
                + most
                + " tokens, as this model's do by "
                + said
                + "; "
                + RunOption.MAX_LENGTH
                + " says otherwise")
        : Optional.empty();
  }

  /** What to know of texts that are longer than those that the model was made for. */
  static Optional<String> note(int length, Model model) {
    if (length <= model.statedLength()) {
      return Optional.empty();
    }
    String positions =
        model.beyond() == Beyond.DISTANCES
            ? "it knows distances alone, and those beyond its largest are one to it"
            : "its rotary positions go on";
    return Optional.of(
        RunOption.MAX_LENGTH
            + " is "
            + length
            + ", and the model was made for "
            + model.statedLength()
            + " tokens (max_position_embeddings): "
            + positions);
  }
}
