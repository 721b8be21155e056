package dev.attune.server.training;

import java.lang.System.Logger.Level;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Sessions of earlier servers, which did not note what their models' names stand for. That is found
 * out once, before such a session goes on, and noted. One thread uses it.
 */
final class UnpinnedSessions {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");

  private final TrainingStore store;
  private final Workshop workshop;
  private final Map<List<String>, Optional<String>> contents =
      new HashMap<>(); // by tenants and versions

  UnpinnedSessions(TrainingStore store, Workshop workshop) {
    this.store = store;
    this.workshop = workshop;
  }

  /**
   * Notes what those are of for which no model is to be read: a session without a state begins with
   * what its name says, and a model of one version is that.
   *
   * @return the others
   */
  List<TrainingSession> pinKnown() {
    List<TrainingSession> others = new ArrayList<>();
    for (TrainingSession session : store.unpinned()) {
      if (workshop.latest(session).isEmpty() || workshop.versions(session).size() < 2) {
        store.pin(session.id(), session.request());
      } else {
        others.add(session);
      }
    }
    return others;
  }

  /** Notes what a session is of; one that cannot be told keeps its name until the next start. */
  void pin(TrainingSession session) {
    try {
      store.pin(session.id(), session.request().of(meant(session)));
    } catch (RuntimeException e) {
      LOG.log(Level.ERROR, session.id() + ": its model cannot be found: " + e.getMessage(), e);
    }
  }

  /** The version that its last state was trained on, by content. */
  private String meant(TrainingSession session) {
    Optional<String> content =
        Optional.of(workshop.contentOf(workshop.latest(session).orElseThrow()));
    return workshop.versions(session).stream()
        .filter(version -> content.equals(content(session, version)))
        .findFirst()
        .orElse(session.request().model());
  }

  /** Read once for all sessions; empty: it is not known. */
  private Optional<String> content(TrainingSession session, String version) {
    return contents.computeIfAbsent(
        List.of(session.tenant(), version),
        key -> {
          try {
            return Optional.of(workshop.contentOf(session, version));
          } catch (RuntimeException e) { // the state may be of another
            LOG.log(Level.WARNING, session.id() + ", " + version + ": " + e.getMessage(), e);
            return Optional.empty();
          }
        });
  }
}
