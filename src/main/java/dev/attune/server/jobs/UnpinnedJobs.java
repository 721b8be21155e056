package dev.attune.server.jobs;

import dev.attune.run.TrainEstimate;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersion;
import java.lang.System.Logger.Level;
import java.util.List;
import java.util.stream.Stream;

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
    List<ModelVersion> versions = versions(job.tenant(), name);
    String content = job.plan() == null ? null : job.plan().base();
    if (versions.isEmpty()) {
      return name;
    }
    if (content == null) {
      return sources.models().pin(job.tenant(), name);
    }
    return Stream.concat(Stream.of(name), versions.stream().map(ModelVersion::name))
        .filter(model -> isOf(job, model, content))
        .findFirst()
        .orElse(name);
  }

  /**
   * Versions but the first, which its name alone stands for; none of a name of one, or of nobody.
   */
  private List<ModelVersion> versions(String tenant, String name) {
    try {
      ModelLine line = sources.models().line(tenant, name);
      return sources.models().versions().list(line).stream()
          .filter(version -> version.parent() > 0 && version.state().isWhole())
          .toList();
    } catch (ApiException e) {
      return List.of();
    }
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
