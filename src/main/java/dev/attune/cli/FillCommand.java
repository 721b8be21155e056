package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.Fetched;
import dev.attune.run.MaskFill;
import dev.attune.run.MaskModel;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.util.ArrayList;
import java.util.List;

/** {@code attune fill}. */
final class FillCommand implements Command {
  @Override
  public String name() {
    return "fill";
  }

  @Override
  public String summary() {
    return "find the words that stand for masks in texts";
  }

  @Override
  public String words() {
    return "TEXT...";
  }

  @Override
  public String details() {
    return """
    A mask is written as the model's tokenizer spells it, or as [MASK] or <mask>. Scores are
    probabilities among all tokens, as those of Transformers' fill-mask pipeline. Of several
    masks each is filled by itself, while the others stay masks.

    examples:
      attune fill "The capital of France is [MASK]." --model ./bert
      attune fill "This is [MASK]." --model ./bert --targets good,bad --json
    """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.FILL;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case TOP_K -> "words that are shown of each mask, the most probable first (default 5)";
      case MAX_LENGTH ->
          "tokens of a text at most, a longer one is refused; as many as the model was made for"
              + " where not given";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    List<String> texts = arguments.words();
    if (texts.isEmpty()) {
      throw new InputException("there is no text; the usage is: attune fill TEXT --model DIR");
    }
    RunConfig config = Fetched.all(arguments.config(), new FetchView(console));
    List<String> notes = new ArrayList<>();
    List<List<List<MaskModel.Fill>>> filled = MaskFill.run(texts, config, notes::add);
    notes.forEach(note -> console.line("· %s", RunOption.worded(note)));
    notes.forEach(result.withArray("notes")::add);
    ArrayNode results = result.putArray("results");
    for (int i = 0; i < texts.size(); i++) {
      ObjectNode one = results.addObject().put("text", texts.get(i));
      ArrayNode masks = one.putArray("masks");
      console.line("%s", texts.get(i));
      for (int m = 0; m < filled.get(i).size(); m++) {
        show(filled.get(i).get(m), filled.get(i).size() == 1 ? 0 : m + 1, masks, console);
      }
    }
    return ExitStatus.DONE;
  }

  private static void show(
      List<MaskModel.Fill> fills, int number, ArrayNode masks, Console console) {
    if (number > 0) {
      console.line("  mask %d", number);
    }
    ArrayNode list = masks.addArray();
    for (MaskModel.Fill fill : fills) {
      console.line("  %.4f  %-16s %s", fill.score(), fill.word().strip(), fill.sequence());
      list.addObject()
          .put("score", fill.score())
          .put("token", fill.token())
          .put("token_str", fill.word())
          .put("sequence", fill.sequence());
    }
  }
}
