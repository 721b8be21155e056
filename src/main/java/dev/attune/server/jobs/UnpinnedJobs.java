package dev.attune.server.jobs;

import dev.attune.run.TrainEstimate;
import java.lang.System.Logger.Level;
import java.util.List;

/**
 * Jobs of earlier servers, which looked up what a model's name stood for whenever a job went on.
 * Which version a job is of is found out once, before it goes on, and noted.
 */
record UnpinnedJobs(JobStore store, JobConfig.Sources sources) {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.jobs");

  /** Notes of all what they are of; one that cannot be told keeps its name. */
  void pin() {
    try {
      store.unpinned().forEach(job -> store.pin(job, meant(job)));
    } catch (RuntimeException e) { // the next start tries again
      LOG.log(Level.ERROR, "models of earlier jobs cannot be found: " + e.getMessage(), e);
    }
  }

  /**
   * The version that a job was validated with, by content. One that was not, or by a server that
   * did not look, was going to be of what is live.
   */
  private String meant(Job job) {
    String name = job.request().model();
    List<String> versions = sources.models().versionNames(job.tenant(), name);
    String content = job.plan() == null ? null : job.plan().base();
    if (versions.size() < 2) {
      return name;
    }
    if (content == null) {
      return sources.models().pin(job.tenant(), name);
    }
    return versions.stream().filter(model -> isOf(job, model, content)).findFirst().orElse(name);
  }

  private boolean isOf(Job job, String model, String content) {
    try {
      return TrainEstimate.baseContent(JobConfig.of(job, model, sources).config()).equals(content);
    } catch (RuntimeException e) { // it is not known what that one is
      LOG.log(Level.WARNING, job.id() + ", " + model + ": " + e.getMessage(), e);
      return false;
    }
  }
}
