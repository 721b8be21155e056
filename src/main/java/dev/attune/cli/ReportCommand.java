package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.OutputFile;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.storage.AtomicFile;
import dev.attune.track.HtmlReport;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;

/** {@code attune report}: a run as one page. */
final class ReportCommand implements Command {
  @Override
  public String name() {
    return "report";
  }

  @Override
  public String summary() {
    return "write a training run as one HTML page";
  }

  @Override
  public String words() {
    return "RUN";
  }

  @Override
  public String details() {
    return """
        Curves, results, confusion matrix, worst mistakes, data, machine, and the command that does it
        again. The page needs nothing else. A run is named as for attune runs.

        examples:
          attune report out/reviews
          attune report k7x --output reviews.html
        """;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.REPORT;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case RUN_STORE -> "folder of the store (default " + RunsCommand.usualStore() + ")";
      case OUTPUT -> "the page; report.html in the run's folder where not given";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig config = arguments.config();
    if (arguments.words().size() != 1) {
      throw new InputException(
          "attune report takes one run, not " + arguments.words().size() + ": attune report RUN");
    }
    try (RunStore store = RunsCommand.open(config)) {
      StoredRun run = store.find(arguments.words().get(0));
      Path chosen = RunsCommand.output(config, store);
      Path file = chosen == null ? run.folder().resolve("report.html") : chosen;
      try {
        AtomicFile.write(file, HtmlReport.of(store, run));
      } catch (IOException e) {
        throw new UncheckedIOException(
            file
                + " cannot be written: "
                + OutputFile.problem(e)
                + "; "
                + RunOption.OUTPUT
                + " names another file",
            e);
      }
      result.put("run", run.id()).put("report", file.toString());
      console.line("The report is %s", file);
    }
    return ExitStatus.DONE;
  }
}
