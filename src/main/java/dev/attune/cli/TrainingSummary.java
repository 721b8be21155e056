package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.run.TrainRun;
import dev.attune.train.TrainResult;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** What came out of a run, for programs and for people. */
final class TrainingSummary {
  private TrainingSummary() {}

  static void fill(ObjectNode json, TrainRun.Outcome outcome) {
    TrainResult training = outcome.training();
    json.put("steps", training.steps());
    json.put("skipped_steps", training.skippedSteps());
    json.put("epochs", training.epochs());
    json.put("train_loss", training.trainLoss());
    ObjectNode eval = json.putObject("eval");
    outcome.evaluation().forEach(eval::put);
    if (!outcome.test().isEmpty()) {
      ObjectNode test = json.putObject("test");
      outcome.test().forEach(test::put);
    }
    json.put("tokens", training.tokens());
    json.put("tokens_per_second", training.tokensPerSecond());
    json.put("examples_per_second", training.examplesPerSecond());
    json.put("peak_memory_bytes", outcome.peakMemoryBytes());
    if (Double.isNaN(outcome.utilization())) {
      json.putNull("model_flops_utilization");
    } else {
      json.put("model_flops_utilization", outcome.utilization());
    }
    json.put("output_dir", outcome.modelFolder().toString());
    json.put("interrupted", training.interrupted());
    json.put("stopped_early", training.stoppedEarly());
  }

  static void print(Console console, TrainRun.Outcome outcome, double seconds) {
    TrainResult training = outcome.training();
    console.line("");
    if (training.interrupted() && training.steps() == 0) {
      console.line("Stopped before the first step; there is no checkpoint. Begin again.");
      return;
    }
    if (training.interrupted()) {
      console.line(
          "Stopped after step %d; a checkpoint is in %s. Go on with the same command and --resume.",
          training.steps(), outcome.outputDir().resolve("checkpoints"));
      return;
    }
    console.line(
        "%s, %.3g epochs in %s%s",
        Count.many(training.steps(), "step"),
        training.epochs(),
        Console.duration(seconds),
        ended(training));
    if (training.tokensPerSecond() > 0) { // the first steps do not count
      console.line(
          "  %-12s %,.0f real tokens/s, %.1f examples/s%s",
          "speed",
          training.tokensPerSecond(),
          training.examplesPerSecond(),
          Double.isNaN(outcome.utilization())
              ? ""
              : String.format(
                  Locale.ROOT,
                  ", %.0f %% of what the hardware can do",
                  100 * outcome.utilization()));
    }
    console.line(
        "  %-12s %s at most, of which activations outside the gradients %s",
        "memory", Console.size(outcome.peakMemoryBytes()), Console.size(training.arenaBytes()));
    console.line("  %-12s %.4f on average", "train loss", training.trainLoss());
    if (!training.evaluation().isEmpty()) {
      console.line("  %-12s %s", "validation", metrics(training.evaluation()));
    }
    if (!outcome.test().isEmpty()) {
      console.line("  %-12s %s", "test", metrics(outcome.test()));
    }
    if (outcome.table() != null) {
      console.line("");
      console.out().print(outcome.table().table(console.columns()));
    }
    nextSteps(console, outcome);
  }

  /** How it ended, where that is not with the last step of all. */
  private static String ended(TrainResult training) {
    String best =
        training.bestStep() > 0 && training.bestStep() < training.steps()
            ? "the best was step " + training.bestStep()
            : "";
    if (training.endsWithBest() && !best.isEmpty()) {
      return String.format(
          " (%s%s, whose weights these are)",
          training.stoppedEarly() ? "stopped early; " : "", best);
    }
    return best.isEmpty()
        ? ""
        : String.format(
            " (%s by validation loss; --load-best-model-at-end would keep its weights)", best);
  }

  /** What was left, and what to type next. */
  private static void nextSteps(Console console, TrainRun.Outcome outcome) {
    Path folder = outcome.modelFolder();
    console.line("");
    console.line(
        "%s is in %s; %s metrics.jsonl (each step), data_report.json and run.yaml (the"
            + " options of this run).",
        outcome.isAdapter() ? "The adapter" : "The model",
        folder,
        folder.equals(outcome.outputDir()) ? "beside it" : "in " + outcome.outputDir());
    String model = quoted(folder.toString());
    if (outcome.task().generates()) {
      console.line("Next:  attune generate --model %s --prompt \"...\"", model);
      if (outcome.isAdapter()) {
        console.line(
            "       attune merge --model %s --output-dir %s", model, quoted(folder + "-merged"));
      }
    } else if (outcome.task().readsPairs()) {
      console.line("Next:  attune embed --model %s --file NEW.jsonl --output vectors.npy", model);
    } else if (outcome.task().fillsMasks()) {
      console.line("Next:  attune fill \"... [MASK] ...\" --model %s", model);
    } else {
      console.line(
          "Next:  attune predict --model %s --file NEW.csv --output predictions.jsonl", model);
    }
  }

  /** A path as a shell reads it. */
  private static String quoted(String path) {
    return path.matches("[\\w@%+=:,./-]+") ? path : "'" + path.replace("'", "'\\''") + "'";
  }

  static String metrics(Map<String, Double> values) {
    return values.entrySet().stream()
        .map(e -> String.format(Locale.ROOT, "%s %.4f", e.getKey(), e.getValue()))
        .collect(Collectors.joining("  "));
  }
}
