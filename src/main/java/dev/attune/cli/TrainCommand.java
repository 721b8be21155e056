package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Count;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.DataReport;
import dev.attune.data.DataReportText;
import dev.attune.data.Finding;
import dev.attune.run.CrossValidation;
import dev.attune.run.RunConfig;
import dev.attune.run.RunListener;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import dev.attune.track.RunStore;
import dev.attune.train.TrainResult;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
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

  /** What the command line says, and what the command says where that is silent. */
  RunConfig config(Arguments arguments) {
    return arguments.config();
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
    RunConfig config = recorded(config(arguments), console);
    if (CrossValidation.isAskedFor(config)) {
      return crossValidate(config, console, signal, result);
    }
    TrainRun.Outcome outcome =
        new TrainRun(config, new View(console, signal), signal::requested).run();
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
        new CrossValidation(config, null, new View(console, signal), signal::requested).run();
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

  private static void fill(ObjectNode json, TrainRun.Outcome outcome) {
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

  private static void summarise(Console console, TrainRun.Outcome outcome, double seconds) {
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

  /** Prints a run as it goes. */
  private static final class View implements RunListener {
    private static final long PLAIN_LINE_NANOS = 10_000_000_000L;
    private static final long PROGRESS_NANOS = 100_000_000L;

    private final Console console;
    private final StopSignal signal;
    private final FetchView fetching;
    private final TypedLines typed = new TypedLines();
    private long lastLine = System.nanoTime();
    private long lastProgress;

    View(Console console, StopSignal signal) {
      this.console = console;
      this.signal = signal;
      this.fetching = new FetchView(console);
    }

    @Override
    public void onTransfer(long doneBytes, long totalBytes, double bytesPerSecond) {
      if (signal.requested()) {
        throw new InterruptedCallException(
            "interrupted while fetching; what has arrived is kept, and the same command goes on");
      }
      fetching.transferred(doneBytes, totalBytes, bytesPerSecond);
    }

    @Override
    public void onTokenised(int doneRows, int totalRows) {
      if (doneRows == totalRows || System.nanoTime() - lastProgress > PROGRESS_NANOS) {
        lastProgress = System.nanoTime();
        console.progress(
            (double) doneRows / Math.max(1, totalRows),
            String.format(Locale.ROOT, "tokenising  %,d of %,d rows", doneRows, totalRows));
      }
    }

    @Override
    public void onReserved(Runnable release) {
      signal.preparing(release);
    }

    @Override
    public void onPreparing(String left) {
      signal.preparing(worded(left));
    }

    @Override
    public void onPrepared() {
      signal.prepared();
    }

    @Override
    public void onTrained() {
      signal.trained();
    }

    @Override
    public boolean isAttended() {
      return typed.isAttended();
    }

    @Override
    public Optional<String> answer(long atMostMillis) throws InterruptedException {
      return typed.next(atMostMillis);
    }

    @Override
    public void onNote(String note) {
      console.line("· %s", worded(note));
    }

    @Override
    public void onDataReport(DataReport report) {
      DataReportText.print(report, console.out(), this::worded, this::marked);
    }

    private String marked(Finding.Severity severity, String mark) {
      return switch (severity) {
        case FATAL -> console.colours().error(mark);
        case WARNING -> console.colours().warning(mark);
        case NOTE -> mark;
      };
    }

    @Override
    public void onModel(String model, long parameters, String backend, String precision) {
      console.line("%s · %.1f M parameters · %s · %s", model, parameters / 1e6, backend, precision);
    }

    @Override
    public void onStep(Step step) {
      double fraction = (double) step.step() / step.totalSteps();
      console.progress(
          fraction,
          String.format(
              Locale.ROOT,
              "%d/%d  epoch %.2f  loss %.4f  %,.0f tokens/s  %s left",
              step.step(),
              step.totalSteps(),
              step.epoch(),
              step.loss(),
              step.tokensPerSecond(),
              Console.duration(step.secondsLeft())));
      boolean plain = !console.isTerminal() && !console.isQuiet();
      if (plain
          && (step.step() == 1
              || step.step() == step.totalSteps()
              || System.nanoTime() - lastLine > PLAIN_LINE_NANOS)) {
        lastLine = System.nanoTime();
        console.line(
            "step %d/%d  epoch %.2f  loss %.4f  %,.0f tokens/s  %s left",
            step.step(),
            step.totalSteps(),
            step.epoch(),
            step.loss(),
            step.tokensPerSecond(),
            Console.duration(step.secondsLeft()));
      }
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> values, boolean best) {
      String line =
          String.format("step %d  %s%s", step, metrics(values), best ? "  (best so far)" : "");
      console.laidOut(best ? console.colours().best(line) : line);
    }

    @Override
    public void onCheckpoint(long step) {
      console.line("step %d  checkpoint saved", step);
    }
  }
}
