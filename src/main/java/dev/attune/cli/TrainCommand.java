package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.run.CommandOptions;
import dev.attune.run.CrossValidation;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import dev.attune.track.RunStore;
import java.util.List;

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
  public String interrupted() {
    return null;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.TRAIN;
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
    TrainingSummary.fill(result, outcome);
    TrainingSummary.print(console, outcome, seconds);
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
        new CrossValidation(config, null, new TrainView(console, signal, ""), signal::requested)
            .run();
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
}
