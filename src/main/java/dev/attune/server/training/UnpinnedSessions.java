package dev.attune.server.training;

import java.lang.System.Logger.Level;

/**
 * Sessions of earlier servers, which did not note what their models' names stand for. That is found
 * out once, before anything goes on, and noted.
 */
record UnpinnedSessions(TrainingStore store, Workshop workshop) {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");

  /** Notes of all what they are of; one that cannot be told keeps its name until the next start. */
  void pin() {
    for (TrainingSession session : store.unpinned()) {
      try {
        store.pin(session.id(), session.request().of(workshop.meant(session)));
      } catch (RuntimeException e) {
        LOG.log(Level.ERROR, session.id() + ": its model cannot be found: " + e.getMessage(), e);
      }
    }
  }
}
