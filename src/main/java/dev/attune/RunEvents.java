package dev.attune;

import dev.attune.core.InterruptedCallException;
import dev.attune.data.DataReport;
import dev.attune.data.DataReportText;
import dev.attune.data.Finding;
import dev.attune.run.RunListener;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Map;
import java.util.function.Consumer;

/** Hands on what a run tells: to the listeners, and to the log. */
final class RunEvents implements RunListener {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  private final RunThread thread;
  private final Consumer<TrainingStep> onStep;
  private final Consumer<Evaluation> onEvaluation;

  /**
   * @param thread of the run, whose caller the listeners are called on
   * @param onStep null: nobody listens
   * @param onEvaluation null: likewise
   */
  RunEvents(RunThread thread, Consumer<TrainingStep> onStep, Consumer<Evaluation> onEvaluation) {
    this.thread = thread;
    this.onStep = onStep;
    this.onEvaluation = onEvaluation;
  }

  private void tell(Runnable call) {
    thread.onCaller(
        () -> {
          call.run();
          return null;
        });
  }

  @Override
  public String worded(String message) {
    return Faults.words(message);
  }

  @Override
  public void onNote(String note) {
    LOG.log(System.Logger.Level.INFO, () -> worded(note));
  }

  @Override
  public void onTrouble(String note) {
    LOG.log(System.Logger.Level.WARNING, () -> worded(note));
  }

  @Override
  public void onTransfer(long doneBytes, long totalBytes, double bytesPerSecond) {
    if (thread.isInterrupted()) {
      throw new InterruptedCallException(
          "interrupted while fetching; what has arrived is kept for the next time");
    }
  }

  @Override
  public void onDataReport(DataReport report) {
    for (Finding finding : report.findings(Finding.Severity.WARNING)) {
      LOG.log(
          System.Logger.Level.WARNING, () -> worded(finding.split() + ": " + finding.message()));
    }
    LOG.log(
        System.Logger.Level.DEBUG,
        () -> {
          ByteArrayOutputStream bytes = new ByteArrayOutputStream();
          DataReportText.print(
              report, new PrintStream(bytes, true, StandardCharsets.UTF_8), this::worded);
          return bytes.toString(StandardCharsets.UTF_8);
        });
  }

  @Override
  public void onModel(String model, long parameters, String backend, String precision) {
    LOG.log(
        System.Logger.Level.INFO,
        () ->
            String.format(
                Locale.ROOT,
                "training %s: %d parameters, %s, %s",
                model,
                parameters,
                backend,
                precision));
  }

  @Override
  public void onStep(Step step) {
    if (onStep != null) {
      TrainingStep told =
          new TrainingStep(
              step.step(),
              step.totalSteps(),
              step.epoch(),
              step.loss(),
              step.gradNorm(),
              step.learningRate(),
              step.tokens(),
              step.tokensPerSecond(),
              step.secondsLeft(),
              step.metrics());
      tell(() -> onStep.accept(told));
    }
  }

  @Override
  public void onEvaluation(long step, double epoch, Map<String, Double> values, boolean best) {
    if (onEvaluation != null) {
      Evaluation told = new Evaluation(step, epoch, values, best);
      tell(() -> onEvaluation.accept(told));
    }
  }

  @Override
  public void onCheckpoint(long step) {
    LOG.log(System.Logger.Level.DEBUG, () -> "checkpoint of step " + step + " saved");
  }
}
