package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.run.CrossValidation;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import dev.attune.track.RunStore;
import dev.attune.train.TrainResult;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Collectors;

/** {@code attune train}, and what trains alike with other defaults. */
class TrainCommand implements Command {
  @Override
  public String name() {
    return "train";
  }

  @Override
  public String summary() {
    return "fine-tune a model on your data";
  }

  /** What the command line says, with what the command says where that is silent. */
  RunConfig completed(RunConfig config) {
    return config;
  }

  @Override
  public String details() {
    return """
    Ctrl-C saves a checkpoint; the same command with --resume goes on, to the same bytes.

    examples:
      attune train --model minilm --train-file train.csv --validation-file dev.csv --output-dir out
      attune train --model ./bert-base --task regression --train-file sts.tsv \\
          --columns text,text_pair,label --output-dir out --epochs 4 --learning-rate 3e-5
      attune train --model ./llama --task causal-lm --train-file chats.jsonl --output-dir out \\
          --lora-r 16 --learning-rate 2e-4

    Several --config FILE train adapters on one base together, which is loaded once and goes through
    each batch once for all; each run ends as it would alone.
    """;
  }

  @Override
  public List<RunOption> options() {
    return RunOption.TRAIN;
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    long begin = System.nanoTime();
    signal.preparing();
    signal.arm();
    List<RunConfig> configs =
        arguments.configs().stream().map(each -> recorded(completed(each), console)).toList();
    if (configs.size() > 1) {
      return GroupedTraining.run(configs, console, signal, result);
    }
    RunConfig config = configs.get(0);
    if (CrossValidation.isAskedFor(config)) {
      return crossValidate(config, console, signal, result);
    }
    TrainRun.Outcome outcome =
        new TrainRun(config, new TrainView(console, signal, ""), signal::requested).run();
    double seconds = (System.nanoTime() - begin) * 1e-9;
    fill(result, outcome);
    summarise(console, outcome, seconds);
    return outcome.training().interrupted() ? ExitStatus.INTERRUPTED : ExitStatus.DONE;
  }

  /** Runs that are started here are recorded unless somebody says otherwise. */
  private static RunConfig recorded(RunConfig config, Console console) {
    if (config.isGiven(RunOption.RUN_STORE)) {
      return config;
    }
    if (!RunStore.isAvailable()) {
      console.line("· the run is not recorded: org.xerial:sqlite-jdbc is not on the class path");
      return config;
    }
    return config.with(RunOption.RUN_STORE, RunsCommand.usualStore().toString());
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case RUN_STORE -> option.help() + " (default " + RunsCommand.usualStore() + ")";
      case PROFILE -> "leave trace.json in the output folder: where the time of steps goes";
      default -> Command.super.describe(option);
    };
  }

  private static int crossValidate(
      RunConfig config, Console console, StopSignal signal, ObjectNode result) {
    CrossValidation.Outcome outcome =
        new CrossValidation(config, null, new TrainView(console, signal, ""), signal::requested).run();
    result.setAll(CrossValidation.toJson(outcome));
    if (outcome.predictions() != null) {
      result.put("predictions", outcome.predictions().toString());
    }
    result.put("output_dir", outcome.outputDir().toString());
    result.put("interrupted", outcome.interrupted());
    console.line("");
    if (outcome.interrupted()) {
      console.line(
          "Stopped after %d of %s. Go on with the same command and --resume.",
          outcome.folds().size(), Count.many(config.smallInteger(RunOption.K_FOLD), "fold"));
      return ExitStatus.INTERRUPTED;
    }
    console.out().print(FoldTable.of(outcome));
    console.line("");
    console.line(
        "%s is in %s (metrics of all folds: cross_validation.json; of each: fold-1 to fold-%d).",
        outcome.predictions() == null ? "Everything" : "What was predicted of rows not learned",
        outcome.predictions() == null ? outcome.outputDir() : outcome.predictions(),
        outcome.folds().size());
    return ExitStatus.DONE;
  }

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

  static void summarise(Console console, TrainRun.Outcome outcome, double seconds) {
    TrainResult training = outcome.training();
    console.line("");
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
        "  %-12s %s at most, of which activations %s",
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
