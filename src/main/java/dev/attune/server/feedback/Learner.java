package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import dev.attune.server.database.Journal;
import dev.attune.server.feedback.CorrectionStore.Coming;
import dev.attune.server.feedback.CorrectionStore.Judged;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersion;
import dev.attune.server.models.ModelVersions.Standing;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryIteratorException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.regex.Pattern;

/**
 * Teaches models what their corrections say. Its three duties, in this order, so that a correction
 * is judged before it is learned:
 *
 * <ol>
 *   <li>what the live version, and the one before it, say of corrections that have come;
 *   <li>a live version that is worse than the one before it goes back;
 *   <li>when enough corrections wait, or one has waited long enough, a candidate is made, measured,
 *       and put in the live version's place if the {@link HeldOutGate} lets it.
 * </ol>
 *
 * <p>One thread calls it. Whatever ends the process, the journal says what to go on with.
 */
final class Learner {
  /** Corrections that are judged in one go. */
  private static final int JUDGED_AT_ONCE = 256;

  /** The newest corrections by which a live version is compared with the one before it. */
  static final int WINDOW = 100;

  /** From which p-value on a live version counts as worse; looked at after each correction. */
  static final double WORSE = 0.01;

  /** Guards folders of old data from when they are made until the journal has them. */
  private final Object keepingData = new Object();

  private static final Pattern PATH = Pattern.compile("/[^\\s:]*/([^\\s/:]+)");

  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private final Journal journal;
  private final ModelCatalog models;
  private final CorrectionStore corrections;
  private final LearnerStore learners;
  private final VersionFiles files;
  private final Judge judge;
  private final int threads;

  /**
   * @param threads that an update may use: requests are answered meanwhile
   */
  Learner(
      Journal journal,
      ModelCatalog models,
      CorrectionStore corrections,
      LearnerStore learners,
      VersionFiles files,
      Judge judge,
      int threads) {
    this.journal = journal;
    this.models = models;
    this.corrections = corrections;
    this.learners = learners;
    this.files = files;
    this.judge = judge;
    this.threads = threads;
  }

  /**
   * Does what is to be done for a model now.
   *
   * @return how long until it is to be looked at again, unless more comes before; empty: no need
   */
  Optional<Duration> work(ModelLine line, BooleanSupplier stopRequested) {
    try {
      removeOldData(line);
      return next(line, stopRequested);
    } catch (RuntimeException e) {
      journal.change(
          session -> {
            learners.attempted(session, line, 0, reason(line, e));
            return null;
          });
      throw e;
    }
  }

  private Optional<Duration> next(ModelLine line, BooleanSupplier stopRequested) {
    Optional<LearnerStore.State> state = learners.find(line).filter(LearnerStore.State::isOn);
    if (state.isEmpty()) {
      return Optional.empty();
    }
    judgeNew(line);
    if (state.get().settings().isFairSample()) {
      rollBackIfWorse(line);
    }
    Optional<Duration> left = left(line, state.get());
    if (left.isPresent() && left.get().isZero()) {
      int kept = state.get().settings().keptVersions();
      files.retain(line, kept); // an update that lacks room gets that of versions that go
      update(line, state.get(), stopRequested);
      files.retain(line, kept);
    }
    return left; // at once after an update: more may have come
  }

  /**
   * Switches the learner of a model on, or gives it other settings.
   *
   * @param data what it is to repeat, and to be measured on; null: as it has it
   * @throws ApiException if these are more than the tenant may have
   */
  void choose(ModelLine line, LearnerSettings settings, OldData data) throws IOException {
    synchronized (keepingData) {
      LearnerStore.Old old =
          data == null
              ? learners.find(line).orElseThrow().old()
              : new LearnerStore.Old(
                  saved(line, data), data.replay().size(), data.heldOut().size());
      journal.change(
          session -> {
            learners.put(session, line, settings, old);
            return null;
          });
    }
  }

  private String saved(ModelLine line, OldData data) throws IOException {
    Path folder = lineFolder(line);
    String name = data.save(folder);
    if (!usedData(line).contains(name)) {
      files.checkWritten(line, folder.resolve(name));
    }
    return name;
  }

  /** Names of the folders of old data that are needed. */
  private Set<String> usedData(ModelLine line) {
    Set<String> used = new HashSet<>();
    learners.find(line).ifPresent(state -> used.add(state.old().data()));
    unfinished(line)
        .ifPresent(made -> used.add(Update.of(LearnerStore.parsed(made.report())).data()));
    return used;
  }

  /** Removes old data in whose place others were chosen, unless an update still needs them. */
  private void removeOldData(ModelLine line) {
    synchronized (keepingData) {
      if (learners.find(line).isEmpty() || !Files.isDirectory(lineFolder(line))) {
        return;
      }
      Set<String> used = usedData(line);
      try (DirectoryStream<Path> all = Files.newDirectoryStream(lineFolder(line), "data-*")) {
        for (Path folder : all) {
          if (!used.contains(folder.getFileName().toString())) {
            VersionFiles.delete(folder);
          }
        }
      } catch (IOException | DirectoryIteratorException e) {
        LOG.log(Level.WARNING, "a learner's old data stay on the disk: " + e.getMessage(), e);
      }
    }
  }

  private Optional<ModelVersion> unfinished(ModelLine line) {
    return models.versions().list(line).stream()
        .filter(version -> version.state() == ModelVersion.State.TRAINING)
        .findFirst();
  }

  /** How long until an update is due; empty: nothing waits. */
  private Optional<Duration> left(ModelLine line, LearnerStore.State state) {
    if (unfinished(line).isPresent()) {
      return Optional.of(Duration.ZERO);
    }
    Coming coming = corrections.after(line, state.attempted());
    if (coming.count() == 0) {
      return Optional.empty();
    }
    Duration left =
        Duration.between(Instant.now(), coming.first().plusSeconds(state.settings().maxSeconds()));
    boolean isDue = coming.count() >= state.settings().minCorrections() || left.isNegative();
    return Optional.of(isDue ? Duration.ZERO : left);
  }

  // What is served ------------------------------------------------------------------------------

  private void judgeNew(ModelLine line) {
    ModelVersion live = models.versions().live(line).orElseThrow();
    Optional<ModelVersion> before =
        models.versions().find(line, live.parent()).filter(version -> version.state().isWhole());
    Path base = models.baseOf(line.original());
    while (true) {
      List<Correction> coming = corrections.unjudged(line, live.learned(), JUDGED_AT_ONCE);
      if (coming.isEmpty()) {
        return;
      }
      List<LabelledText> rows = coming.stream().map(Correction::row).toList();
      List<String> said = judge.labels(live.folder(), base, rows);
      corrections.judged(
          coming,
          live.number(),
          said,
          before.map(version -> judge.labels(version.folder(), base, rows)).orElse(null));
    }
  }

  /** How the live version does on corrections that neither it nor the one before has learned. */
  record Watch(int rows, int right, int before, int lost, int won) {
    static Watch of(List<Judged> judged) {
      int right = 0;
      int before = 0;
      int both = 0;
      for (Judged one : judged) {
        right += one.isRight() ? 1 : 0;
        before += one.wasRight() ? 1 : 0;
        both += one.isRight() && one.wasRight() ? 1 : 0;
      }
      return new Watch(judged.size(), right, before, before - both, right - both);
    }

    double pWorse() {
      return SignTest.atLeast(lost, won);
    }
  }

  Watch watch(ModelLine line, ModelVersion live, Standing standing) {
    return Watch.of(corrections.judged(line, live.number(), standing.since(), WINDOW));
  }

  private void rollBackIfWorse(ModelLine line) {
    ModelVersion live = models.versions().live(line).orElseThrow();
    Optional<ModelVersion> before =
        models.versions().find(line, live.parent()).filter(version -> version.state().isWhole());
    if (before.isEmpty()) {
      return;
    }
    Watch watch = watch(line, live, models.versions().standing(line).orElseThrow());
    if (watch.lost <= watch.won || watch.pWorse() > WORSE) {
      return;
    }
    String reason =
        "of the last "
            + watch.rows
            + " corrections it had "
            + watch.right
            + " right, the version before "
            + watch.before;
    if (replace(line, live, before.get(), ModelVersion.State.ROLLED_BACK, reason)) {
      LOG.log(Level.WARNING, live.name() + " was taken back: " + reason);
    }
  }

  /**
   * Puts a version that was made before in the live one's place. Corrections that have come until
   * now do not by themselves lead to another update.
   *
   * @param state of the one that was live
   * @return false: another is live by now
   */
  boolean replace(
      ModelLine line, ModelVersion live, ModelVersion by, ModelVersion.State state, String reason) {
    return models.switchTo(
        line,
        live,
        by,
        session -> {
          long last = CorrectionStore.last(session, line);
          models.versions().become(session, live, state, null, reason);
          models.versions().become(session, by, ModelVersion.State.READY, null, null);
          learners.attempted(session, line, last, null);
          return last;
        });
  }

  // What is learned -----------------------------------------------------------------------------

  private void update(ModelLine line, LearnerStore.State state, BooleanSupplier stopRequested) {
    Optional<ModelVersion> planned = unfinished(line).or(() -> plan(line, state));
    if (planned.isEmpty()) {
      return;
    }
    ModelVersion candidate = planned.get();
    Update update = Update.of(LearnerStore.parsed(candidate.report()));
    try {
      files.checkRoom(line, candidate);
      Update.Rows rows = rows(line, candidate, update);
      if (make(line, candidate, update, rows, stopRequested)) {
        files.checkMade(line, candidate);
        judged(line, candidate, update, rows);
      }
    } catch (RuntimeException e) {
      if (isPassing(e)) {
        throw e; // the candidate is not to blame: it is made again when there is room
      }
      String reason = reason(line, e);
      LOG.log(Level.WARNING, candidate.name() + " could not be made: " + reason, e);
      refuse(line, candidate, update, ModelVersion.State.FAILED, null, reason);
    }
  }

  /** Whether a server that has too much to do, or a quota, is all that is wrong. */
  private static boolean isPassing(RuntimeException e) {
    return e instanceof ApiException refusal
        && (refusal.status() == 429 || refusal.status() == 503);
  }

  /** What went wrong, as its tenant may read it: where the server keeps things is left out. */
  static String reason(ModelLine line, RuntimeException e) {
    String message = e.getMessage() == null ? e.toString() : e.getMessage();
    String worded = e instanceof InputException ? RunOption.worded(message) : message;
    return PATH.matcher(worded.replace(line.original().folder().toString(), line.model()))
        .replaceAll("…/$1");
  }

  /** Notes what is to be learned; empty where nothing of what waits may be. */
  private Optional<ModelVersion> plan(ModelLine line, LearnerStore.State state) {
    ModelVersion live = models.versions().live(line).orElseThrow();
    long last = corrections.after(line, state.attempted()).last();
    Update update = new Update(state.settings(), state.old().data(), live.learned(), last);
    boolean isNothing =
        Update.latest(corrections.upTo(line, last)).values().stream()
            .noneMatch(c -> c.number() > live.learned() && !c.row().isHeldOut());
    if (isNothing) {
      journal.change(
          session -> {
            learners.attempted(session, line, last, state.trouble());
            return null;
          });
      return Optional.empty();
    }
    int number =
        journal.change(
            session ->
                models
                    .versions()
                    .add(session, line, live.number(), last, update.toJson().toString()));
    return models.versions().find(line, number);
  }

  private Path lineFolder(ModelLine line) {
    return models.versions().standing(line).orElseThrow().folder();
  }

  private Update.Rows rows(ModelLine line, ModelVersion candidate, Update update) {
    return update.rows(
        corrections.upTo(line, update.last()),
        OldData.open(lineFolder(line), update.data()),
        candidate.number());
  }

  /** Makes a candidate; false where it was asked to stop: the next start makes it. */
  private boolean make(
      ModelLine line,
      ModelVersion candidate,
      Update update,
      Update.Rows rows,
      BooleanSupplier stopRequested) {
    ModelVersion parent = models.versions().find(line, candidate.parent()).orElseThrow();
    return update.run(
        rows,
        parent.folder(),
        models.baseOf(line.original()),
        candidate.folder(),
        candidate.number(),
        threads,
        stopRequested);
  }

  /** The rows on which versions are measured today: no correction's text has an old label. */
  HeldOutGate gate(ModelLine line, String data) {
    Map<String, Correction> latest = Update.latest(corrections.upTo(line, Long.MAX_VALUE));
    List<LabelledText> recent = new ArrayList<>();
    for (Correction correction : latest.values()) {
      if (correction.row().isHeldOut()) {
        recent.add(correction.row());
      }
    }
    Collections.reverse(recent); // the newest are measured where there are too many
    List<LabelledText> old =
        OldData.open(lineFolder(line), data).heldOut().stream()
            .filter(row -> !latest.containsKey(row.key()))
            .toList();
    return new HeldOutGate(old, recent);
  }

  private void judged(ModelLine line, ModelVersion candidate, Update update, Update.Rows rows) {
    ModelVersion first = models.versions().find(line, 1).orElseThrow();
    ModelVersion parent = models.versions().find(line, candidate.parent()).orElseThrow();
    HeldOutGate.Verdict verdict =
        gate(line, update.data())
            .judge(
                judge,
                models.baseOf(line.original()),
                first.folder(),
                parent.folder(),
                candidate.folder(),
                update.settings().oldTolerance());
    ObjectNode report = LearnerStore.parsed(candidate.report());
    report.remove(VersionFiles.NEEDED_BYTES);
    report.set("gate", verdict.report());
    ObjectNode counts = report.putObject("rows");
    counts.put("new_corrections", rows.recent());
    counts.put("earlier_corrections", rows.earlier());
    counts.put("shown", rows.shown().size());
    String problem = verdict.problem();
    if (problem == null && learners.find(line).filter(LearnerStore.State::isOn).isEmpty()) {
      problem = "the learner was switched off while it was made";
    }
    if (problem == null) {
      boolean isLive =
          models.switchTo(
              line,
              parent,
              candidate,
              session -> {
                models
                    .versions()
                    .become(session, candidate, ModelVersion.State.READY, report.toString(), null);
                learners.attempted(session, line, update.last(), null);
                return update.last();
              });
      problem = isLive ? null : "another version became live while it was made";
    }
    if (problem != null) {
      refuse(line, candidate, update, ModelVersion.State.REJECTED, report.toString(), problem);
    }
  }

  private void refuse(
      ModelLine line,
      ModelVersion candidate,
      Update update,
      ModelVersion.State state,
      String report,
      String reason) {
    journal.change(
        session -> {
          models.versions().become(session, candidate, state, report, reason);
          learners.attempted(
              session,
              line,
              update.last(),
              candidate.name() + " is " + state.word() + ": " + reason);
          return null;
        });
  }
}
