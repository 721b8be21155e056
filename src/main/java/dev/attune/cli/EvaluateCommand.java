package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.metrics.Metrics;
import dev.attune.run.CommandOptions;
import dev.attune.run.Comparison;
import dev.attune.run.EvaluateRun;
import dev.attune.run.Fetched;
import dev.attune.run.RunOption;
import java.util.List;

/** {@code attune evaluate}. */
final class EvaluateCommand implements Command {
  @Override
  public String name() {
    return "evaluate";
  }

  @Override
  public String summary() {
    return "measure a fine-tuned model on a file";
  }

  @Override
  public String details() {
    return """
    examples:
      attune evaluate --model out --file test.csv
      attune evaluate --model out --file test.csv --worst 20
    """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.EVALUATE;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case FILE -> "data to evaluate on";
      case MAX_LENGTH -> OF_TEXTS;
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    EvaluateRun.Outcome outcome =
        EvaluateRun.run(Fetched.all(arguments.config(), new FetchView(console), RunOption.FILE));
    outcome.values().forEach(result::put);
    result.put("examples", outcome.data().size());
    console.reading(outcome.data(), result);
    result.put("tokens", outcome.tokens());
    result.put("tokens_per_second", outcome.tokens() / outcome.seconds());
    result.put("truncated_tokens", outcome.truncated());
    console.method(outcome.method(), result);
    console.notes(outcome.notes(), result);
    console.line(
        "%s, %,.0f real tokens/s",
        Count.many(outcome.data().size(), "example"), outcome.tokens() / outcome.seconds());
    if (outcome.truncated() > 0) {
      console.line(
          "%s cut off at the maximum length",
          Count.many(outcome.truncated(), "token was", "tokens were"));
    }
    console.line(TrainingSummary.metrics(outcome.values()).replace("%", "%%"));
    console.line("");
    Comparison comparison = outcome.comparison();
    Metrics table =
        comparison != null && comparison.counts() != null ? comparison.counts() : outcome.table();
    console.out().print(table.table(console.columns()));
    if (comparison != null) {
      ComparisonView.fill(result, comparison, outcome.data());
      ComparisonView.print(console, comparison, outcome.data());
    }
    return ExitStatus.DONE;
  }
}
