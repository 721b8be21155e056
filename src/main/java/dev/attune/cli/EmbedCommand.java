package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.run.CommandOptions;
import dev.attune.run.EmbedRun;
import dev.attune.run.Fetched;
import dev.attune.run.RunOption;
import java.util.List;

/** {@code attune embed}. */
final class EmbedCommand implements Command {
  @Override
  public String name() {
    return "embed";
  }

  @Override
  public String summary() {
    return "write the embeddings of a file's texts";
  }

  @Override
  public String details() {
    return """
        An output that ends in .jsonl has every row of the file, with its fields unchanged and
        "embedding"; one that ends in .npy is NumPy's array of 32-bit floats, a row a text.
        Vectors are those that sentence-transformers makes of the model.

        examples:
          attune embed --model minilm --file texts.jsonl --output vectors.npy
          attune embed --model out --file questions.csv --output vectors.jsonl --prompt-name query
        """;
  }

  @Override
  public String interrupted() {
    return OUTPUT_STAYS;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.EMBED;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case MODEL -> "minilm, a folder, or ORG/NAME[@REVISION] of the Hugging Face Hub";
      case FILE -> "texts, one a row";
      case OUTPUT -> "where the vectors go: .jsonl or .npy";
      case MAX_LENGTH -> OF_TEXTS;
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    EmbedRun.Outcome outcome =
        EmbedRun.run(
            Fetched.all(
                arguments.config(), new FetchView(console), RunOption.FILE, RunOption.OUTPUT));
    int texts = outcome.data().size();
    result.put("examples", texts);
    console.reading(outcome.data(), result);
    result.put("dimension", outcome.dimension());
    result.put("tokens", outcome.tokens());
    result.put("tokens_per_second", outcome.tokens() / outcome.seconds());
    result.put("truncated_tokens", outcome.droppedTokens());
    result.put("output", outcome.output().toString());
    console.line(
        "%s of %d numbers in %s (%.0f tokens/s)",
        Count.many(texts, "embedding"),
        outcome.dimension(),
        outcome.output(),
        outcome.tokens() / outcome.seconds());
    if (outcome.droppedTokens() > 0) {
      console.line(
          "%s cut off at the maximum length",
          Count.many(outcome.droppedTokens(), "token was", "tokens were"));
    }
    if (!outcome.field().equals("embedding")) {
      result.put("field", outcome.field());
      console.line(
          "the file has a field of that name, so embeddings are in \"%s\"", outcome.field());
    }
    return ExitStatus.DONE;
  }
}
