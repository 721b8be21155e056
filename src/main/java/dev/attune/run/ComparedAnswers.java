package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.generate.Prompt;
import dev.attune.generate.TextGeneration;
import dev.attune.metrics.TextMetrics;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.text.ChatMessage;
import dev.attune.train.AnswerCheck;
import java.util.ArrayList;
import java.util.List;

/** A dataset's prompts, which a model continues, beside the answers that the dataset gives. */
final class ComparedAnswers implements AnswerCheck {
  private final TextGeneration generation;
  private final List<Prompt> prompts;
  private final List<String> answers = new ArrayList<>();
  private final int most;
  private TextMetrics metrics;
  private long tokens;

  /**
   * Prepares every row, so that nothing of the data can fail later.
   *
   * @param dataset of rows with a prompt and a completion, or a conversation
   * @param most tokens of a text, prompt included
   */
  ComparedAnswers(TextGeneration generation, Dataset dataset, int most) {
    this.generation = generation;
    this.most = most;
    dataset.examples().forEach(example -> answers.add(answer(dataset, example)));
    this.prompts = generation.prompts(dataset, generation::prompt);
    for (int i = 0; i < prompts.size(); i++) {
      try {
        generation.check(prompts.get(i), most);
      } catch (InputException e) {
        throw new InputException(dataset.where(dataset.get(i)) + ": " + e.getMessage(), e);
      }
    }
  }

  private static String answer(Dataset dataset, Example example) {
    String answer = example.completion();
    if (example.messages() != null) {
      ChatMessage last = example.messages().get(example.messages().size() - 1);
      answer = last.isAssistant() ? last.content() : null;
      if (last.isAssistant()
          && last.content().isBlank()
          && last.fields().containsKey("tool_calls")) {
        throw new InputException(
            dataset.where(example)
                + ": the answer is a call of a tool, with no text to compare with; "
                + RunOption.EVALUATE_WITH.with("generate")
                + " compares texts. Leave such rows out, or write the call"
                + " as the content of the turn, as the model is to write it");
      }
    }
    if (answer == null) {
      throw new InputException(
          dataset.where(example)
              + ": there is no answer to compare with; "
              + RunOption.EVALUATE_WITH.with("generate")
              + " takes prompts with completions, or conversations that end on the assistant's turn");
    }
    return answer;
  }

  /** What is to be continued. */
  List<Prompt> prompts() {
    return prompts;
  }

  /** Refuses a measurement whose keys and values might find no room. */
  void checkRoom(Model model, DType dtype, long roomBytes) {
    generation.checkRoom((TransformerModel) model, dtype, most, prompts, roomBytes);
  }

  /** What keys and values take during a measurement. */
  long cacheBytes(Model model, DType dtype) {
    return generation.cacheBytes((TransformerModel) model, dtype, most, prompts);
  }

  @Override
  public TextMetrics measure(Model model, Tape tape) {
    metrics = new TextMetrics();
    tokens = 0;
    generation.generate(
        (TransformerModel) model,
        tape,
        most,
        prompts,
        null,
        text -> {
          metrics.add(text.text(), answers.get(text.index()));
          tokens += text.tokens();
        });
    tape.begin(false);
    return metrics;
  }

  /** Of the last measurement. */
  TextMetrics metrics() {
    return metrics;
  }

  /** Tokens generated in the last measurement. */
  long tokens() {
    return tokens;
  }
}
