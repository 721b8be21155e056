package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.CommandOptions;
import dev.attune.run.Fetched;
import dev.attune.run.MergeRun;
import dev.attune.run.RunOption;
import java.util.List;

/** {@code attune merge}. */
final class MergeCommand implements Command {
  @Override
  public String name() {
    return "merge";
  }

  @Override
  public String summary() {
    return "make one model of an adapter and its base";
  }

  @Override
  public String details() {
    return """
        Reads adapters that attune train --lora-r or PEFT made. The result is a Hugging Face folder.

        example:
          attune merge --model adapter --output-dir merged
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.MERGE;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case MODEL -> "the adapter's folder, or its name on the Hugging Face Hub";
      case OUTPUT_DIR -> "where the merged model goes";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    MergeRun.Outcome outcome =
        MergeRun.run(Fetched.all(arguments.config(), new FetchView(console), RunOption.OUTPUT_DIR));
    result.put("output_dir", outcome.output().toString());
    console.line("The merged model is in %s", outcome.output());
    return ExitStatus.DONE;
  }
}
