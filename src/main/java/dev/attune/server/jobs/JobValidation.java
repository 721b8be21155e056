package dev.attune.server.jobs;

import dev.attune.core.Count;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.core.Interruption;
import dev.attune.data.Finding;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.SilentRunListener;
import dev.attune.run.TrainEstimate;
import dev.attune.server.http.ApiException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.util.Set;

/** Looks at the files of a job before it is queued, and finds out what it needs. */
final class JobValidation {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.jobs");
  private static final int ROWS_SHOWN = 10;

  private final JobStore store;
  private final JobConfig.Sources sources;
  private final JobEnds ends;
  private final long memoryBytes;
  private final Interruption reading = new Interruption();

  /**
   * @param memoryBytes that jobs may take together
   */
  JobValidation(JobStore store, JobConfig.Sources sources, JobEnds ends, long memoryBytes) {
    this.store = store;
    this.sources = sources;
    this.ends = ends;
    this.memoryBytes = memoryBytes;
  }

  /** Leaves the job in hand, and those after it, as they are: a large file takes minutes. */
  void stop() {
    reading.interrupt();
  }

  /** Queues the job, or ends it with what is wrong. */
  void validate(Job job) {
    JobConfig made = null;
    try {
      made = JobConfig.of(job, sources);
      judge(job, made, estimate(job, made.config()));
    } catch (InterruptedCallException e) {
      LOG.log(Level.DEBUG, job.id() + " is looked at again when the server is started again");
    } catch (ApiException e) {
      fail(job, new JobError("invalid_job", e.getMessage(), e.param()));
    } catch (InputException e) {
      fail(job, new JobError("invalid_training_file", words(e, made), "training_file"));
    } catch (DeviceMemoryException e) {
      fail(job, new JobError("insufficient_memory", words(e, made), null));
    } catch (UncheckedIOException e) {
      LOG.log(Level.ERROR, job.id() + ": " + e.getMessage(), e);
      hold(job, words(e, made));
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, job.id() + " cannot be validated", e);
      fail(
          job,
          new JobError(
              "server_error",
              "The server had an error while it looked at the files of this job. Its log has the"
                  + " cause under "
                  + job.id(),
              null));
    }
  }

  private TrainEstimate estimate(Job job, RunConfig config) {
    reading.begin();
    try {
      return TrainEstimate.of(
          config,
          job.request().choosesBatchSize() ? JobConfig::usualBatch : null,
          new SilentRunListener());
    } catch (RuntimeException e) {
      throw reading.cause(e);
    } finally {
      reading.end();
    }
  }

  private static String words(RuntimeException e, JobConfig made) {
    return made == null ? JobWords.of(e.getMessage()) : JobWords.of(e.getMessage(), made.files());
  }

  private void fail(Job job, JobError error) {
    ends.make(
        job,
        store
            .change(job.id(), Set.of(JobStatus.VALIDATING_FILES), JobStatus.FAILED)
            .error(error)
            .tell(JobEvent.Level.ERROR, error.message()));
  }

  /** What the machine is to blame for costs nobody a job: it waits for somebody to mend that. */
  private void hold(Job job, String message) {
    store
        .change(job.id(), Set.of(JobStatus.VALIDATING_FILES), JobStatus.PAUSED)
        .tell(
            JobEvent.Level.ERROR,
            "Paused, for the server could not look at the files: "
                + message
                + "; resume the job when that is mended")
        .make();
  }

  private void judge(Job job, JobConfig made, TrainEstimate estimate) {
    boolean skips = made.config().flag(RunOption.SKIP_BAD_ROWS);
    if (estimate.wrongRowCount() > 0 && !skips) {
      refuseRows(job, made, estimate);
      return;
    }
    JobPlan plan = JobPlan.of(estimate);
    String need = describe(plan);
    if (plan.need().bytes() > memoryBytes) {
      fail(
          job,
          new JobError(
              "insufficient_memory",
              "The job needs "
                  + need
                  + "; the server has "
                  + DeviceMemoryException.size(memoryBytes)
                  + " for jobs. A smaller batch_size or attune.max_length takes less, and so do"
                  + " attune.gradient_checkpointing, attune.load_in_4bit and adapters",
              null));
      return;
    }
    JobStore.Change change =
        store.change(job.id(), Set.of(JobStatus.VALIDATING_FILES), JobStatus.QUEUED).plan(plan);
    for (Finding finding : estimate.report().findings()) {
      boolean isWarning = finding.severity() == Finding.Severity.WARNING;
      change.tell(
          isWarning ? JobEvent.Level.WARN : JobEvent.Level.INFO,
          finding.split() + ": " + JobWords.of(finding.message(), made.files()));
    }
    change
        .tell(
            JobEvent.Level.INFO,
            String.format(
                "%s, %s, batches of %d, %s; needs %s",
                Count.many(estimate.rows(), "row"),
                Count.many(estimate.tokens(), "token"),
                plan.batchSize(),
                Count.many(plan.steps(), "step"),
                need))
        .tell(JobEvent.Level.INFO, "Files validated, moving job to queued state")
        .make();
  }

  private static String describe(JobPlan plan) {
    return DeviceMemoryException.size(plan.need().bytes())
        + " of memory (weights and gradients "
        + DeviceMemoryException.size(plan.need().weightBytes())
        + ", optimizer "
        + DeviceMemoryException.size(plan.need().optimizerBytes())
        + ", activations of the largest batch "
        + DeviceMemoryException.size(plan.need().activationBytes())
        + ", tokens "
        + DeviceMemoryException.size(plan.need().dataBytes())
        + ", a copy for checkpoints "
        + DeviceMemoryException.size(plan.need().copyBytes())
        + ")";
  }

  private void refuseRows(Job job, JobConfig made, TrainEstimate estimate) {
    JobStore.Change change =
        store.change(job.id(), Set.of(JobStatus.VALIDATING_FILES), JobStatus.FAILED);
    StringBuilder list = new StringBuilder();
    for (String reason :
        estimate.wrongRows().subList(0, Math.min(ROWS_SHOWN, estimate.wrongRows().size()))) {
      String words = JobWords.of(reason, made.files());
      list.append("\n").append(words);
      change.tell(JobEvent.Level.ERROR, words);
    }
    String message =
        Count.many(estimate.wrongRowCount(), "row")
            + " cannot be learned (attune.skip_bad_rows leaves such rows out). The first:"
            + list;
    ends.make(
        job,
        change
            .error(new JobError("invalid_training_file", message, "training_file"))
            .tell(
                JobEvent.Level.ERROR,
                Count.many(estimate.wrongRowCount(), "row") + " cannot be learned"));
  }
}
