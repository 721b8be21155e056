package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.model.Beyond;
import dev.attune.model.Model;
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
