package dev.attune.server.jobs;

import dev.attune.server.webhooks.Webhooks;

/** Ends of jobs, of which webhooks are told in the same change. */
record JobEnds(Webhooks webhooks) {
  /** Makes a change to an end; false: the job has changed otherwise meanwhile. */
  boolean make(Job job, JobStore.Change change) {
    boolean made =
        change
            .with(
                session ->
                    webhooks.tell(
                        session, job.tenant(), "fine_tuning.job." + change.to().word(), job.id()))
            .make();
    if (made) {
      webhooks.wake();
    }
    return made;
  }
}
