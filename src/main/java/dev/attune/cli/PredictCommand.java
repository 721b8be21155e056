package dev.attune.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.run.CommandOptions;
import dev.attune.run.Comparison;
import dev.attune.run.Fetched;
import dev.attune.run.PredictRun;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;

/** {@code attune predict}. */
final class PredictCommand implements Command {
  @Override
  public String name() {
    return "predict";
  }

  @Override
  public String summary() {
    return "write a fine-tuned model's predictions for a file, or show those of texts";
  }

  @Override
  public String words() {
    return "[TEXT...]";
  }

  @Override
  public String details() {
    return """
        Every row of the output holds the fields of the input row, unchanged, and
        "predicted_label" or "predicted_labels" with "scores" (classification), "score"
        (regression), "predicted_tags" (token classification), or "predicted_answer" with
        "score", "start", "end" and "nbest" (question answering). An output that ends in .csv or
        .tsv is a table, with a column for each score.

        Texts that are given beside the options are predicted on the spot, in place of a file; words
        of a text to tag are parted by spaces. A text that is also the name of a file or folder
        here, or begins with a hyphen, stands last, behind --.

        Where the file says what is right, --worst and --confusion-matrix show how the predictions
        differ from it.

        examples:
          attune predict "Arrived broken, and nobody answers." --model out
          attune predict --model out -- "out"
          attune predict --model out --file new.csv --output predictions.jsonl
          attune predict --model out --file new.parquet --output predictions.csv
        """;
  }

  @Override
  public String interrupted() {
    return OUTPUT_STAYS;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.PREDICT;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case FILE -> "data to predict";
      case OUTPUT -> "where the predictions go: .jsonl, .csv or .tsv";
      case MAX_LENGTH -> OF_TEXTS;
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    return arguments.words().isEmpty()
        ? runFile(arguments, console, result)
        : runTexts(arguments, console, result);
  }

  private static int runTexts(Arguments arguments, Console console, ObjectNode result) {
    List<String> texts = arguments.texts(RunOption.FILE);
    RunConfig config = arguments.config();
    PredictRun.checkOptions(config); // before anything is fetched
    PredictRun.TextOutcome outcome =
        PredictRun.run(texts, Fetched.all(config, new FetchView(console)));
    console.method(outcome.method(), result);
    console.notes(outcome.notes(), result);
    cut(console, outcome.truncated());
    result.put("truncated_tokens", outcome.truncated());
    ArrayNode predictions = result.putArray("predictions");
    for (int i = 0; i < texts.size(); i++) {
      ObjectNode prediction = outcome.predictions().get(i);
      predictions.addObject().put("text", texts.get(i)).setAll(prediction);
      console.line("%s", texts.get(i));
      for (Map.Entry<String, JsonNode> field : prediction.properties()) {
        show(console, field.getKey(), field.getValue());
      }
    }
    return ExitStatus.DONE;
  }

  /** A field a line; one of numbers by their names a line each, the largest first. */
  private static void show(Console console, String name, JsonNode value) {
    if (!value.isObject()) {
      console.line("  %-16s %s", name, value.isTextual() ? value.asText() : value.toString());
      return;
    }
    value.properties().stream()
        .sorted(Comparator.comparingDouble(part -> -part.getValue().asDouble()))
        .forEach(part -> console.line("  %.4f  %s", part.getValue().asDouble(), part.getKey()));
  }

  private static void cut(Console console, long tokens) {
    if (tokens > 0) {
      console.line(
          "%s cut off at the maximum length", Count.many(tokens, "token was", "tokens were"));
    }
  }

  private static int runFile(Arguments arguments, Console console, ObjectNode result) {
    PredictRun.Outcome outcome =
        PredictRun.run(
            Fetched.all(
                arguments.config(), new FetchView(console), RunOption.FILE, RunOption.OUTPUT));
    int examples = outcome.data().size();
    result.put("examples", examples);
    console.reading(outcome.data(), result);
    result.put("examples_per_second", examples / outcome.seconds());
    result.put("truncated_tokens", outcome.truncated());
    result.put("empty_texts", outcome.emptyTexts());
    result.put("output", outcome.output().toString());
    console.method(outcome.method(), result);
    console.notes(outcome.notes(), result);
    console.line(
        "%s in %s (%.0f examples/s)",
        Count.many(examples, "prediction"), outcome.output(), examples / outcome.seconds());
    cut(console, outcome.truncated());
    if (outcome.emptyTexts() > 0) {
      console.line(
          "%s no text: what is predicted of nothing says nothing",
          Count.many(outcome.emptyTexts(), "row has", "rows have"));
    }
    if (!outcome.renamed().isEmpty()) {
      console.line(
          "fields of the file that have names of ours stay as they are; what is predicted is in %s",
          String.join(", ", outcome.renamed().values()));
      outcome.renamed().forEach(result.putObject("renamed")::put);
    }
    Comparison comparison = outcome.comparison();
    if (comparison != null) {
      ComparisonView.fill(result, comparison, outcome.data());
      if (comparison.counts() != null && comparison.compared() > 0) {
        console.line("");
        console.out().print(comparison.counts().table(console.columns()));
      }
      ComparisonView.print(console, comparison, outcome.data());
    }
    return ExitStatus.DONE;
  }
}
