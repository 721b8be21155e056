package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.Fetched;
import dev.attune.run.PredictRun;
import dev.attune.run.RunOption;
import java.util.List;

/** {@code attune predict}. */
final class PredictCommand implements Command {
  @Override
  public String name() {
    return "predict";
  }

  @Override
  public String summary() {
    return "write a fine-tuned model's predictions for a file";
  }

  @Override
  public String details() {
    return """
        Every row of the output holds the fields of the input row, unchanged, and
        "predicted_label" or "predicted_labels" with "scores" (classification), "score"
        (regression), "predicted_tags" (token classification), or "predicted_answer" with
        "score", "start", "end" and "nbest" (question answering).

        example:
          attune predict --model out --file new.csv --output predictions.jsonl
        """;
  }

  @Override
  public List<RunOption> options() {
    return RunOption.PREDICT;
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    PredictRun.Outcome outcome = PredictRun.run(
            Fetched.all(
                arguments.config(), new FetchView(console), RunOption.FILE, RunOption.OUTPUT));
    result.put("examples", outcome.examples());
    result.put("examples_per_second", outcome.examples() / outcome.seconds());
    result.put("truncated_tokens", outcome.truncated());
    result.put("output", outcome.output().toString());
    console.line(
        "%d predictions in %s (%.0f examples/s)",
        outcome.examples(), outcome.output(), outcome.examples() / outcome.seconds());
    if (outcome.truncated() > 0) {
      console.line("%d tokens were cut off at the maximum length", outcome.truncated());
    }
    return ExitStatus.DONE;
  }
}
