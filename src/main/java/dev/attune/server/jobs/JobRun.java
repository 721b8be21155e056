package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Interruption;
import dev.attune.core.OtherVersionException;
import dev.attune.data.DataReport;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.RunListener;
import dev.attune.run.RunOption;
import dev.attune.run.TrainGroup;
import dev.attune.run.TrainRun;
import dev.attune.server.files.StoredFile;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ServedModel;
import dev.attune.task.Tasks;
import dev.attune.train.DivergedException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;

/** A job at work: on one thread, from where it stands to its end or to a request to stop. */
final class JobRun implements RunListener {
  /** Why a job is to stop before its end. */
  enum Stop {
    /** Its status is another one already: it was paused, cancelled, or has taken too long. */
    STATUS_CHANGED,
    /** One of a higher priority waits. */
    PREEMPTED,
    /** The server ends. */
    SERVER_ENDS
  }

  private static final System.Logger LOG = System.getLogger("dev.attune.server.jobs");

  /** Metrics of so many steps are told on the way, spread evenly; the results file has all. */
  private static final int STEPS_TOLD = 200;

  private static final long FLUSH_NANOS = 1_000_000_000L;

  private final Job job;
  private final JobStore store;
  private final JobConfig.Sources sources;
  private final JobEnds ends;
  private final TrainGroup group; // null: it runs by itself
  private final JobModels models;
  private final List<JobEvent> untold = new ArrayList<>();
  private JobConfig made;
  private long lastFlush = System.nanoTime();
  private boolean hasStepped;
  private double lastLoss = Double.NaN;
  private Map<String, Double> lastEvaluation = Map.of();
  private long lastEvaluationStep;
  private long checkpointStep;
  private boolean refusedByGroup;
  private volatile Stop stop;
  private volatile Interruption preparing = new Interruption(); // of the run, once it begins
  private volatile JobProgress progress = new JobProgress(0, 0, null);
  private volatile double secondsLeft = Double.NaN;

  /**
   * @param group of runs on its base, which it joins; null: it runs by itself
   */
  JobRun(Job job, JobStore store, JobConfig.Sources sources, JobEnds ends, TrainGroup group) {
    this.job = job;
    this.store = store;
    this.sources = sources;
    this.ends = ends;
    this.group = group;
    this.models = new JobModels(job, store, sources);
  }

  Job job() {
    return job;
  }

  JobProgress progress() {
    return progress;
  }

  /** Estimated seconds to the end; NaN where that is not known. */
  double secondsLeft() {
    return secondsLeft;
  }

  /**
   * Asks it to stop after the step that it is at, or at once before the first: while it is
   * prepared, those that it is to be trained with cannot save anything either. The first reason
   * counts, unless it is told to end.
   */
  void stop(Stop reason) {
    if (stop == null || reason == Stop.STATUS_CHANGED) {
      stop = reason;
    }
    preparing.interrupt();
  }

  /** Whether it could not be trained, or go on, with others, and is to be by itself. */
  boolean isRefusedByGroup() {
    return refusedByGroup;
  }

  /** Works until the job is done or stops. */
  void run() {
    try {
      work();
    } catch (ApiException e) {
      if (e.isOverQuota()) {
        hold(e.getMessage());
      } else {
        fail("invalid_job", e.getMessage(), e.param());
      }
    } catch (InterruptedCallException e) {
      left("it had not come to a step since it began to run");
    } catch (OtherBaseException e) {
      hold(e.getMessage());
    } catch (OtherVersionException e) {
      beginAgain(e);
    } catch (InputException e) {
      refuse(e);
    } catch (DivergedException e) {
      fail("training_diverged", worded(e.getMessage()), null);
    } catch (DeviceMemoryException e) {
      lack(e);
    } catch (UncheckedIOException e) {
      LOG.log(Level.ERROR, job.id() + ": " + e.getMessage(), e);
      hold(worded(e.getMessage()));
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, job.id() + " has failed", e);
      fail(
          "server_error",
          "The server had an error while it worked on this job. Its log has the cause under "
              + job.id(),
          null);
    }
  }

  private void work() {
    made = JobConfig.of(job, sources);
    Path folder = sources.folders().model(job);
    if (!TrainRun.isFinished(folder)) {
      TrainRun.Outcome outcome = trained();
      flush();
      if (outcome.training().interrupted()) {
        left("a checkpoint of step " + outcome.training().steps() + " is saved");
        return;
      }
    }
    finish(folder);
  }

  private TrainRun.Outcome trained() {
    BooleanSupplier stops = () -> stop != null;
    return group == null
        ? new TrainRun(made.config(), this, stops).run()
        : group.start(List.of(new TrainGroup.Asked(made.config(), this, stops))).get(0).outcome();
  }

  /** What only some layers and adapters can do is known once they are open. */
  private void refuse(InputException e) {
    if (group == null || hasStepped) {
      fail("invalid_job", worded(e.getMessage()), null);
      return;
    }
    untold.clear();
    leaveGroup().make();
  }

  /** That the server is of another version than a checkpoint is no fault of who made the job. */
  private void beginAgain(OtherVersionException e) {
    LOG.log(Level.WARNING, job.id() + " begins again: " + worded(e.getMessage()));
    try {
      JobFolders.remove(sources.folders().model(job));
    } catch (IOException failure) {
      LOG.log(Level.ERROR, job.id() + ": " + failure.getMessage(), failure);
      hold("a checkpoint of another version of the server cannot be removed");
      return;
    }
    store
        .change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.QUEUED)
        .withPrecedence()
        .tell(
            JobEvent.Level.WARN,
            "The job's checkpoint is of another version of the server; it begins again")
        .make();
  }

  /** What there is too little memory for with others may fit by itself. */
  private void lack(DeviceMemoryException e) {
    if (group == null) {
      fail("insufficient_memory", worded(e.getMessage()), null);
      return;
    }
    LOG.log(Level.WARNING, job.id() + " is to go on by itself: " + e.getMessage());
    flush();
    leaveGroup()
        .tell(
            JobEvent.Level.WARN,
            "There was too little memory to train the job with others; it goes on by itself, from"
                + " its last checkpoint")
        .make();
  }

  private JobStore.Change leaveGroup() {
    refusedByGroup = true;
    return store.change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.QUEUED).withPrecedence();
  }

  /**
   * It has stopped, and goes on where it was begun or the last checkpoint is.
   *
   * @param saved what there is to go on from
   */
  private void left(String saved) {
    Stop reason = stop;
    if (reason == Stop.STATUS_CHANGED) {
      store.trail().tell(job.id(), List.of(JobEvent.of(JobEvent.Level.INFO, "Stopped; " + saved)));
      return;
    }
    store
        .change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.QUEUED)
        .withPrecedence()
        .tell(
            JobEvent.Level.INFO,
            (reason == Stop.PREEMPTED
                    ? "Makes way for a job of a higher priority; "
                    : "The server ends; the job goes on when it is started again; ")
                + saved)
        .make();
  }

  private void finish(Path folder) {
    boolean predictsTokens = Tasks.named(made.config().text(RunOption.TASK)).generates();
    StepMetrics metrics = StepMetrics.of(folder, predictsTokens);
    ServedModel model = models.result(made.model(), folder);
    ModelRoom.Made measured = sources.room().measure(job.tenant(), folder);
    StoredFile results = null;
    JobStore.Change change = store.change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.SUCCEEDED);
    try {
      results =
          sources
              .files()
              .place(job.tenant(), StepMetrics.NAME, StepMetrics.PURPOSE, metrics.content());
    } catch (ApiException | IOException e) {
      change.tell(
          JobEvent.Level.WARN,
          "The results file could not be kept: " + worded(String.valueOf(e.getMessage())));
    }
    StoredFile kept = results;
    change
        .result(model.id(), kept == null ? null : kept.id(), metrics.tokens())
        .tell(JobEvent.Level.INFO, "New fine-tuned model created: " + model.id())
        .tell(JobEvent.Level.INFO, "The job has successfully completed")
        .with(
            session -> {
              if (kept != null) {
                sources.files().add(session, kept);
              }
              models.add(session, model, measured);
            });
    boolean isMade = false;
    try {
      isMade = ends.make(job, change);
    } finally {
      if (!isMade && kept != null) {
        sources.files().giveUp(kept);
      }
    }
  }

  private void fail(String code, String message, String param) {
    flush();
    ends.make(
        job,
        store
            .change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.FAILED)
            .error(new JobError(code, message, param))
            .tell(JobEvent.Level.ERROR, message));
  }

  /** What the machine or a quota is to blame for costs nobody a job: it waits for a remedy. */
  private void hold(String message) {
    flush();
    store
        .change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.PAUSED)
        .tell(
            JobEvent.Level.ERROR,
            "Paused, for the server could not go on: "
                + message
                + ". What was trained up to the last checkpoint is safe; resume the job when that is"
                + " mended")
        .make();
  }

  @Override
  public String worded(String message) {
    return made == null ? JobWords.of(message) : made.worded(message, sources.folders().model(job));
  }

  @Override
  public void onNote(String note) {
    tell(JobEvent.of(JobEvent.Level.INFO, worded(note)));
  }

  @Override
  public void onTrouble(String note) {
    tell(JobEvent.of(JobEvent.Level.WARN, worded(note)));
  }

  @Override
  public void onBegins(Interruption begun) {
    preparing = begun;
    if (stop != null) { // told before there was anything to interrupt
      begun.interrupt();
    }
  }

  /** Whatever it was taken for since, a base is trained that the job was validated with. */
  @Override
  public void onBase(String content) {
    String was = job.plan().base();
    if (was != null && !was.equals(content)) {
      throw new OtherBaseException(made.model().id(), was, content);
    }
  }

  /** Its findings were told when the files were validated. */
  @Override
  public void onDataReport(DataReport report) {}

  @Override
  public void onModel(String model, long parameters, String backend, String precision) {
    tell(
        JobEvent.of(
            JobEvent.Level.INFO,
            String.format(
                Locale.ROOT,
                "Training %,d parameters in %s on %s",
                parameters,
                precision,
                backend)));
  }

  @Override
  public void onStep(Step step) {
    if (!hasStepped) {
      hasStepped = true;
      store.trail().forgetFrom(job.id(), step.step()); // told before a kill, and not saved
    }
    lastLoss = step.loss();
    boolean isKnown = step.secondsLeft() > 0;
    secondsLeft = isKnown ? step.secondsLeft() : Double.NaN;
    long stepsLeft = step.totalSteps() - step.step();
    progress =
        new JobProgress(
            step.step(),
            isKnown ? stepsLeft / step.secondsLeft() : 0,
            isKnown ? Instant.now().getEpochSecond() + Math.round(step.secondsLeft()) : null);
    long every = Math.max(1, step.totalSteps() / STEPS_TOLD);
    if (step.step() % every == 0 || step.step() == step.totalSteps()) {
      ObjectNode data = JsonNodeFactory.instance.objectNode();
      data.put("step", step.step()).put("total_steps", step.totalSteps());
      data.put("train_loss", step.loss()).put("learning_rate", step.learningRate());
      data.put("grad_norm", step.gradNorm()).put("tokens", step.tokens());
      data.put("epoch", step.epoch());
      tell(
          JobEvent.metrics(
              step.step(),
              String.format(
                  Locale.ROOT,
                  "Step %d/%d: training loss=%.4f",
                  step.step(),
                  step.totalSteps(),
                  step.loss()),
              data));
    }
  }

  @Override
  public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
    lastEvaluation = metrics;
    lastEvaluationStep = step;
    ObjectNode data = validation(step);
    data.put("total_steps", job.plan().steps()).put("epoch", epoch);
    StringBuilder words = new StringBuilder();
    metrics.forEach(
        (name, value) ->
            words
                .append(words.length() == 0 ? "" : ", ")
                .append(String.format(Locale.ROOT, "validation %s=%.4f", name, value)));
    tell(JobEvent.metrics(step, "Step " + step + "/" + job.plan().steps() + ": " + words, data));
    flush();
  }

  /** What the last evaluation measured, by OpenAI's names where there are some. */
  private ObjectNode validation(long step) {
    ObjectNode data = JsonNodeFactory.instance.objectNode().put("step", step);
    boolean predictsTokens = Tasks.named(made.config().text(RunOption.TASK)).generates();
    lastEvaluation.forEach(
        (name, value) -> {
          if (Double.isFinite(value)) {
            data.put(
                name.equals("accuracy") && predictsTokens
                    ? "valid_mean_token_accuracy"
                    : "valid_" + name,
                value);
          }
        });
    return data;
  }

  /** A kill after the checkpoint is safe must not cost the events of its steps. */
  @Override
  public void onCheckpointBegins(long step) {
    flush();
  }

  /** Nor one after the model is in its place, which trains no step again either. */
  @Override
  public void onTrained() {
    flush();
  }

  @Override
  public void onCheckpoint(long step) {
    checkpointStep = step;
  }

  /** The last step that is safe. */
  long checkpointStep() {
    return checkpointStep;
  }

  /** Of adapters, which are small; a whole model is left once, at the end. */
  @Override
  public Optional<Path> modelOfCheckpoint(long step) {
    boolean isAdapter =
        made.config().isGiven(RunOption.BASE_MODEL)
            || !"0".equals(made.config().text(RunOption.LORA_R));
    return isAdapter ? Optional.of(sources.folders().checkpoint(job, step)) : Optional.empty();
  }

  @Override
  public void onCheckpointModel(long step, Path folder) {
    ObjectNode metrics =
        lastEvaluationStep == step
            ? validation(step)
            : JsonNodeFactory.instance.objectNode().put("step", step);
    metrics.put("train_loss", lastLoss);
    try {
      models.checkpoint(made.model(), step, folder, metrics);
    } catch (ApiException e) { // the job can do without
      remove(folder);
      tell(
          JobEvent.of(
              JobEvent.Level.WARN,
              "The checkpoint of step " + step + " is not kept as a model: " + e.getMessage()));
    }
  }

  private void remove(Path folder) {
    try {
      JobFolders.remove(folder);
    } catch (IOException e) { // the end of the job removes it, or the next start
      LOG.log(Level.WARNING, job.id() + ": " + folder + " stays: " + e.getMessage(), e);
    }
  }

  private void tell(JobEvent event) {
    untold.add(event);
    if (System.nanoTime() - lastFlush > FLUSH_NANOS) {
      flush();
    }
  }

  /** That nobody can be told does not end a run: it is tried again with the next event. */
  private void flush() {
    lastFlush = System.nanoTime();
    try {
      store.trail().tell(job.id(), untold);
      untold.clear();
    } catch (UncheckedIOException e) {
      LOG.log(Level.WARNING, job.id() + ": events wait, for " + e.getMessage());
    }
  }
}
