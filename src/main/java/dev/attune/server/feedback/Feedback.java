package dev.attune.server.feedback;

import dev.attune.run.BackendKind;
import dev.attune.run.Compute;
import dev.attune.run.PrecisionOption;
import dev.attune.server.database.Journal;
import dev.attune.server.files.FileStore;
import dev.attune.server.http.Route;
import dev.attune.server.jobs.Jobs;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

/** Learning while serving, put together. */
public final class Feedback implements AutoCloseable {
  /** Its tables, which refer to those of versions. */
  public static final List<String> LAYOUT =
      Stream.concat(CorrectionStore.LAYOUT.stream(), LearnerStore.LAYOUT.stream()).toList();

  private final Judge judge;
  private final Learners learners;
  private final List<Route> routes;

  /**
   * @param room for what is made
   * @param jobs null: there are none
   * @param folder below which models lie
   */
  public Feedback(
      Journal journal,
      ModelCatalog models,
      ModelRoom room,
      FileStore files,
      Jobs jobs,
      Path folder) {
    CorrectionStore corrections = new CorrectionStore(journal, models.versions());
    LearnerStore store = new LearnerStore(journal);
    Classifiers classifiers = new Classifiers(models);
    // Half of the machine is left to those who ask.
    int threads = Math.max(1, Runtime.getRuntime().availableProcessors() / 2);
    judge = new OpenClassifiers(new Compute(BackendKind.AUTO, PrecisionOption.AUTO, threads));
    VersionFiles versions = new VersionFiles(journal, models, room);
    Learner learner = new Learner(journal, models, corrections, store, versions, judge, threads);
    learners = new Learners(models, store, learner, folder);
    routes =
        Stream.of(
                new FeedbackApi(models, classifiers, corrections, learners).routes(),
                new LearnerApi(
                        journal,
                        models,
                        classifiers,
                        corrections,
                        store,
                        learner,
                        learners,
                        new OldFiles(files, jobs))
                    .routes(),
                new VersionsApi(models, store, learner, judge).routes())
            .flatMap(List::stream)
            .toList();
  }

  /** Begins to learn what the journal says is to be learned. */
  public void start() {
    learners.start();
  }

  /** What it answers. */
  public List<Route> routes() {
    return routes;
  }

  /** Ends after the step at which it is; the next start goes on. */
  @Override
  public void close() {
    learners.close();
    judge.close();
  }
}
