package dev.attune.run;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Consumer;

/** Fills the masks of texts that a command is given. */
public final class MaskFill {
  private MaskFill() {}

  /**
   * Fills them.
   *
   * @param notes hears what was decided on the way
   * @return of each text, of each of its masks, the best tokens
   * @throws InputException if the model is none that fills masks, or a text has none
   */
  public static List<List<List<MaskModel.Fill>>> run(
      List<String> texts, RunConfig config, Consumer<String> notes) {
    String named = config.text(RunOption.TARGETS);
    // A space before a word stays: to some tokenizers it is another token.
    List<String> targets = named == null ? List.of() : List.of(named.split(",", -1));
    if (targets.stream().anyMatch(String::isBlank)) {
      throw new InputException(
          RunOption.TARGETS.with(named) + " has an empty name; names are parted by commas");
    }
    int topK =
        config.isGiven(RunOption.TOP_K) ? config.smallInteger(RunOption.TOP_K) : MaskModel.TOP_K;
    MaskModel.Wanted wanted = new MaskModel.Wanted(topK, targets);
    Path folder = Path.of(config.required(RunOption.MODEL));
    try (MaskModel model = MaskModel.open(folder, OpenOptions.of(config), Compute.of(config))) {
      return model.fill(texts, wanted, notes);
    }
  }
}
