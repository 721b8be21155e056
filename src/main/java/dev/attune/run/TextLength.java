package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.model.Model;
import java.util.Optional;

/** How many tokens a text may have where it was asked for. */
final class TextLength {
  private TextLength() {}

  /**
   * Makes a model ready for texts of a length.
   *
   * @throws InputException if its positions end before
   */
  static int asked(int length, Model model) {
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
    return length > model.statedLength()
        ? Optional.of(
            RunOption.MAX_LENGTH
                + " is "
                + length
                + ", and the model was made for "
                + model.statedLength()
                + " tokens (max_position_embeddings): its rotary positions go on")
        : Optional.empty();
  }
}
