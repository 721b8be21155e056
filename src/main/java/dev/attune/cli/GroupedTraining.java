package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.TerminalText;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.TrainGroup;
import dev.attune.run.TrainRun;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/** {@code attune train} with several configs: runs on one base, together. */
final class GroupedTraining {
  private GroupedTraining() {}

  /**
   * Runs all to their ends; one that fails leaves the others to theirs.
   *
   * @return the status of the first that did not come to its end; that of success if all did
   */
  static int run(List<RunConfig> configs, Console console, StopSignal signal, ObjectNode result) {
    long begin = System.nanoTime();
    signal.preparing(configs.size());
    ArrayNode runs = result.putArray("runs");
    List<Integer> troubles = new ArrayList<>();
    try (TrainGroup group = new TrainGroup()) {
      List<TrainGroup.Job> jobs =
          group.start(configs.stream().map(config -> asked(config, console, signal)).toList());
      for (int i = 0; i < jobs.size(); i++) {
        String folder = configs.get(i).text(RunOption.OUTPUT_DIR);
        ObjectNode json = runs.addObject();
        try {
          TrainRun.Outcome outcome = jobs.get(i).outcome();
          TrainingSummary.fill(json, outcome);
          console.line("");
          console.line("%s:", folder);
          TrainingSummary.print(console, outcome, (System.nanoTime() - begin) * 1e-9);
          if (outcome.training().interrupted()) {
            troubles.add(ExitStatus.INTERRUPTED);
          }
        } catch (RuntimeException e) {
          troubles.add(failed(folder, e, json));
        }
      }
    }
    console.line("");
    console.line(
        "%s on one base, %d to the end, in %s",
        Count.many(configs.size(), "run"),
        configs.size() - troubles.size(),
        Console.duration((System.nanoTime() - begin) * 1e-9));
    return troubles.isEmpty() ? ExitStatus.DONE : troubles.get(0);
  }

  private static TrainGroup.Asked asked(RunConfig config, Console console, StopSignal signal) {
    String prefix = config.text(RunOption.OUTPUT_DIR) + "  ";
    return new TrainGroup.Asked(config, new TrainView(console, signal, prefix), signal::requested);
  }

  private static int failed(String folder, RuntimeException failure, ObjectNode json) {
    String message =
        RunOption.worded(failure.getMessage() == null ? failure.toString() : failure.getMessage());
    System.err.println("attune: " + TerminalText.visible(folder + ": " + message));
    json.put("output_dir", folder).put("error", message);
    if (failure instanceof InputException) {
      return ExitStatus.BAD_INPUT;
    }
    if (failure instanceof InterruptedCallException) {
      return ExitStatus.INTERRUPTED;
    }
    if (!(failure instanceof UncheckedIOException) && failure.getMessage() == null) {
      failure.printStackTrace(); // a fault of ours
    }
    return ExitStatus.FAILED;
  }
}
