package dev.attune.cli;

import dev.attune.core.InterruptedCallException;
import dev.attune.data.DataReport;
import dev.attune.data.DataReportText;
import dev.attune.data.Finding;
import dev.attune.run.RunListener;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** Prints a run as it goes. */
final class TrainView implements RunListener {
  private static final long PLAIN_LINE_NANOS = 10_000_000_000L;
  private static final long PROGRESS_NANOS = 100_000_000L;

  private final Console console;
  private final StopSignal signal;
  private final String prefix;
  private final FetchView fetching;
  private final TypedLines typed = new TypedLines();
  private long lastLine = System.nanoTime();
  private long lastProgress;
  private boolean isPrepared;
  private boolean isTrained;

  /**
   * @param prefix of its lines, where there are several runs; else empty
   */
  TrainView(Console console, StopSignal signal, String prefix) {
    this.console = console;
    this.signal = signal;
    this.prefix = prefix;
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
    isPrepared = true;
  }

  @Override
  public void onEnded() {
    if (!isTrained) {
      signal.ended(isPrepared);
    }
  }

  @Override
  public void onTrained() {
    isTrained = true;
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
    console.line("%s· %s", prefix, worded(note));
  }

  @Override
  public void onDataReport(DataReport report) {
    if (!prefix.isEmpty()) {
      console.line("%s", prefix.strip());
    }
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
    console.line(
        "%s%s · %.1f M parameters · %s · %s", prefix, model, parameters / 1e6, backend, precision);
  }

  /** Words are made of a step only where they are shown: they take as long as a small kernel. */
  @Override
  public void onStep(Step step) {
    boolean isLast = step.step() == step.totalSteps();
    long now = System.nanoTime();
    if (console.showsProgress() && (isLast || now - lastProgress > PROGRESS_NANOS)) {
      lastProgress = now;
      console.progress((double) step.step() / step.totalSteps(), prefix + words(step));
    }
    boolean plain = !console.isTerminal() && !console.isQuiet();
    if (plain && (step.step() == 1 || isLast || now - lastLine > PLAIN_LINE_NANOS)) {
      lastLine = now;
      console.line("%sstep %s", prefix, words(step));
    }
  }

  private static String words(Step step) {
    return String.format(
        Locale.ROOT,
        "%d/%d  epoch %.2f  loss %.4f  %,.0f tokens/s  %s left",
        step.step(),
        step.totalSteps(),
        step.epoch(),
        step.loss(),
        step.tokensPerSecond(),
        Console.duration(step.secondsLeft()));
  }

  @Override
  public void onEvaluation(long step, double epoch, Map<String, Double> values, boolean best) {
    String line =
        String.format(
            "%sstep %d  %s%s",
            prefix, step, TrainingSummary.metrics(values), best ? "  (best so far)" : "");
    console.laidOut(best ? console.colours().best(line) : line);
  }

  @Override
  public void onCheckpoint(long step) {
    console.line("%sstep %d  checkpoint saved", prefix, step);
  }
}
