package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.Dataset;
import dev.attune.data.Finding;
import dev.attune.metrics.ClassificationMetrics;
import dev.attune.metrics.Metrics;
import dev.attune.storage.AtomicFile;
import dev.attune.task.Task;
import dev.attune.track.Documents;
import dev.attune.track.HtmlReport;
import dev.attune.track.Point;
import dev.attune.track.RunSink;
import dev.attune.track.RunStart;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStore;
import dev.attune.track.RunStoreSink;
import dev.attune.track.StoredRun;
import dev.attune.track.Tracker;
import dev.attune.train.Evaluator;
import dev.attune.train.ForwardingListener;
import dev.attune.train.TrainListener;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;

/** A training run, told to the run store and to whoever else its options name. */
final class RunTracking implements AutoCloseable {
  private static final String REPORT_FILE = "report.html";
  private static final String TRACE_FILE = "trace.json";
  private static final String CURVES_FILE = "curves.svg";

  /** Rows that are kept of those that were predicted worst. */
  private static final int MISTAKES = 50;

  /** Validation data that are so much less than what was learned are looked at once more. */
  private static final int CHEAP = 50;

  private final PreparedRun run;
  private final Tracker tracker; // null: nobody hears of the run
  private final RunWarnings warnings;
  private final RunListener listener;

  private RunTracking(
      PreparedRun run, Tracker tracker, RunWarnings warnings, RunListener listener) {
    this.run = run;
    this.tracker = tracker;
    this.warnings = warnings;
    this.listener = listener;
  }

  /**
   * Begins.
   *
   * @param validating null: there is nothing to evaluate on
   * @param fold of a cross-validation; null: the run is none
   * @param resumedAt the step that it goes on after; 0: it begins
   */
  static RunTracking begin(
      PreparedRun run, Evaluator validating, Fold fold, long resumedAt, RunListener listener) {
    RunConfig config = run.plan().config();
    if (resumedAt == 0) {
      removeEarlier(run.output().folder());
    }
    RunWarnings warnings = RunWarnings.of(run, validating, listener::onTrouble);
    Reporting reporting = Reporting.of(config);
    List<RunSink> sinks = new ArrayList<>();
    if (reporting.store() != null) {
      sinks.add(new RunStoreSink(reporting.store()));
    }
    sinks.addAll(reporting.sinks(run.output().folder()));
    Tracker tracker =
        sinks.isEmpty()
            ? null
            : new Tracker(start(run, fold, resumedAt, listener), run.plan().loggingSteps(), sinks);
    return new RunTracking(run, tracker, warnings, listener);
  }

  /** What is told of an earlier run would be taken for this one's. */
  private static void removeEarlier(Path folder) {
    try {
      for (String name : List.of(REPORT_FILE, CURVES_FILE, TRACE_FILE)) {
        FileOps.SYSTEM.delete(folder.resolve(name));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(
          folder + " cannot be prepared: " + OutputFolder.describe(e), e);
    }
  }

  private static RunStart start(PreparedRun run, Fold fold, long resumedAt, RunListener listener) {
    RunConfig config = run.plan().config();
    Path folder = run.output().realFolder();
    Path name = folder.getFileName();
    if (fold != null && folder.getParent() != null) {
      name = folder.getParent().getFileName().resolve(name);
    }
    Map<String, JsonNode> documents = new LinkedHashMap<>();
    documents.put(Documents.CONFIG, RunDocuments.options(config));
    documents.put(Documents.ENVIRONMENT, RunDocuments.environment(run));
    documents.put(Documents.REPRODUCTION, RunDocuments.reproduction(run));
    documents.put(Documents.DATA_REPORT, run.report().toJson(listener::worded));
    return new RunStart(
        name == null ? folder.toString() : name.toString(),
        folder,
        run.plan().task().name(),
        config.text(RunOption.MODEL),
        resumedAt,
        System.currentTimeMillis(),
        documents);
  }

  /** Hears of steps and evaluations. */
  TrainListener listener() {
    TrainListener looking = warnings.after(listener);
    return tracker == null ? looking : tracker.before(telling(looking));
  }

  /** Says what went wrong elsewhere meanwhile, on the thread of the run. */
  private TrainListener telling(TrainListener next) {
    return new ForwardingListener(next) {
      @Override
      public void onStep(Step step) {
        tracker.tellTroubles(listener::onTrouble);
        super.onStep(step);
      }
    };
  }

  /** Leaves where time went, where somebody wants to know. */
  void traced() {
    if (run.trace() == null) {
      return;
    }
    Path file = run.output().folder().resolve(TRACE_FILE);
    try {
      run.trace().write(file);
      listener.onNote(
          "where the time of "
              + (run.trace().isFull() ? "the first steps" : "steps")
              + " went is in "
              + file
              + ", for ui.perfetto.dev or chrome://tracing");
    } catch (IOException e) {
      listener.onTrouble(file + " cannot be written: " + OutputFolder.describe(e));
    }
  }

  /** Takes what is predicted at the end; null where nobody would look at it. */
  Comparison comparison(Task task) {
    return tracker == null ? null : Comparison.ofWorst(MISTAKES, task);
  }

  /** Whether validation data are predicted once more, to be compared row by row. */
  boolean looksAtValidation(Data data, long tokensLearned) {
    return data.validation() != null
        && (run.plan().config().flag(RunOption.REPORT)
            || data.validation().tokens() * CHEAP <= tokensLearned);
  }

  /**
   * Takes what was measured at the end.
   *
   * @param metrics null: nothing
   * @param comparison null: nothing was compared
   * @param isTest whether it was test data
   */
  void judged(Metrics metrics, Comparison comparison, boolean isTest) {
    String split = isTest ? "test" : "validation";
    Dataset rows = isTest ? run.data().testRows() : run.data().validationRows();
    boolean isCompared = comparison != null && comparison.compared() > 0;
    warnings.atEnd(
        metrics,
        split,
        isCompared ? comparison : null,
        row -> rows == null ? Integer.toString(row) : rows.place(row));
    if (isCompared) {
      tracker.document(Documents.MISTAKES, RunDocuments.mistakes(comparison, split, rows));
    }
    boolean isCounted = metrics instanceof ClassificationMetrics counts && counts.hasConfusion();
    if (tracker != null && isCounted) {
      tracker.document(
          Documents.CONFUSION, RunDocuments.confusion((ClassificationMetrics) metrics, split));
    }
  }

  /** Notes metrics on test data. */
  void test(long step, Map<String, Double> metrics) {
    if (tracker != null) {
      tracker.metrics(Point.TEST, step, metrics);
    }
  }

  /** Does the run, and notes with what it failed if it does. */
  <T> T of(Supplier<T> work) {
    try {
      return work.get();
    } catch (RuntimeException | Error e) {
      if (tracker != null) {
        failed(e);
      }
      throw e;
    }
  }

  private void failed(Throwable e) {
    if (e instanceof InterruptedCallException) {
      tracker.ended(RunStatus.INTERRUPTED);
    }
    String message = e.getMessage() == null ? e.toString() : listener.worded(e.getMessage());
    tracker.document(
        Documents.ERROR, JsonNodeFactory.instance.objectNode().put("message", message));
  }

  /**
   * The run has come to its end, or to a stop on request.
   *
   * @param summary of its results
   */
  void ended(boolean isInterrupted, ObjectNode summary) {
    if (tracker != null) {
      tracker.ended(isInterrupted ? RunStatus.INTERRUPTED : RunStatus.FINISHED);
      tracker.document(Documents.SUMMARY, summary);
      tracker.document(Documents.ARTIFACTS, artifacts());
      tracker.document(Documents.FINDINGS, findings());
    }
  }

  private ArrayNode artifacts() {
    Path folder = run.output().folder();
    try {
      return RunDocuments.artifacts(folder);
    } catch (IOException e) {
      listener.onNote(folder + " cannot be listed: " + OutputFolder.describe(e));
      return JsonNodeFactory.instance.arrayNode();
    }
  }

  private ArrayNode findings() {
    ArrayNode json = JsonNodeFactory.instance.arrayNode();
    for (Finding finding : warnings.found()) {
      json.addObject()
          .put("severity", finding.severity().name())
          .put("code", finding.code())
          .put("split", finding.split())
          .put("message", listener.worded(finding.message()));
    }
    return json;
  }

  @Override
  public void close() {
    if (tracker != null) {
      tracker.close();
      tracker.tellTroubles(listener::onTrouble);
    }
    if (run.plan().config().flag(RunOption.REPORT)) {
      report();
    }
  }

  /** A report that cannot be written does not undo the run. */
  private void report() {
    Path folder = run.output().folder();
    try (RunStore store = RunStore.open(Reporting.of(run.plan().config()).store())) {
      StoredRun stored = store.find(folder.toString());
      AtomicFile.write(folder.resolve(REPORT_FILE), HtmlReport.of(store, stored));
      AtomicFile.write(folder.resolve(CURVES_FILE), HtmlReport.curves(store, stored));
      listener.onNote("the report is " + folder.resolve(REPORT_FILE));
    } catch (IOException e) {
      listener.onTrouble("the report cannot be written: " + OutputFolder.describe(e));
    } catch (RuntimeException e) { // whatever it is: the model is saved, and the run has not failed
      listener.onTrouble("the report cannot be made: " + e.getMessage());
    }
  }
}
