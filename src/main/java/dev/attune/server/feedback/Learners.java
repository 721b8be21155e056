package dev.attune.server.feedback;

import dev.attune.core.FileOps;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/** The thread on which all models learn, one after another. */
final class Learners implements AutoCloseable {
  private static final Duration AFTER_TROUBLE = Duration.ofMinutes(1); // twice as long each time
  private static final Duration MOST_AFTER_TROUBLE = Duration.ofHours(1);
  private static final int NO_SUCH_MODEL = 404;
  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private final ModelCatalog models;
  private final LearnerStore store;
  private final Learner learner;
  private final Path folder;
  private final Map<LearnerStore.Key, Instant> due = new HashMap<>();
  private final Map<LearnerStore.Key, Duration> troubled = new HashMap<>(); // the thread's alone
  private final Thread thread = new Thread(this::run, "attune-learner");
  private LearnerStore.Key working;
  private boolean mayHaveOrphans = true;
  private volatile boolean isEnding;

  /**
   * @param folder below which lines have theirs
   */
  Learners(ModelCatalog models, LearnerStore store, Learner learner, Path folder) {
    this.models = models;
    this.store = store;
    this.learner = learner;
    this.folder = folder;
  }

  /** Begins, and goes on with what was cut short. */
  void start() {
    store.running().forEach(key -> due.put(key, Instant.MIN));
    models.onRemoved(model -> removed());
    thread.setDaemon(true);
    thread.start();
  }

  private synchronized void removed() {
    mayHaveOrphans = true;
    notifyAll();
  }

  /** Something has come for a model. */
  synchronized void wake(ModelLine line) {
    due.put(new LearnerStore.Key(line.tenant(), line.model()), Instant.MIN);
    notifyAll();
  }

  /** Whether a model is being looked at or taught at this moment. */
  synchronized boolean isAtWork(ModelLine line) {
    return new LearnerStore.Key(line.tenant(), line.model()).equals(working);
  }

  private void run() {
    try {
      while (!isEnding) {
        if (takeOrphans()) {
          removeOrphans();
        }
        LearnerStore.Key next = next();
        if (next != null) {
          work(next);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private synchronized boolean takeOrphans() {
    boolean may = mayHaveOrphans;
    mayHaveOrphans = false;
    return may;
  }

  /** The next one that is due; null where there is something else to do. */
  private synchronized LearnerStore.Key next() throws InterruptedException {
    while (!isEnding && !mayHaveOrphans) {
      Optional<Map.Entry<LearnerStore.Key, Instant>> first =
          due.entrySet().stream().min(Map.Entry.comparingByValue());
      Instant now = Instant.now();
      if (first.isPresent() && !first.get().getValue().isAfter(now)) {
        working = first.get().getKey();
        due.remove(working);
        return working;
      }
      wait(first.map(e -> Math.max(1, Duration.between(now, e.getValue()).toMillis())).orElse(0L));
    }
    return null;
  }

  private void work(LearnerStore.Key key) {
    Optional<Duration> again = Optional.empty();
    try {
      again = learner.work(models.line(key.tenant(), key.model()), () -> isEnding);
      troubled.remove(key);
    } catch (RuntimeException | Error e) { // nobody else would learn if this thread ended
      if (e instanceof ApiException refusal && refusal.status() == NO_SUCH_MODEL) {
        LOG.log(Level.DEBUG, key.model() + " has gone", e);
        troubled.remove(key);
      } else {
        boolean isOurs = !(e instanceof ApiException refusal && refusal.isOverQuota());
        Level level = isOurs ? Level.ERROR : Level.WARNING;
        LOG.log(level, "the learner of " + key.model() + ": " + e.getMessage(), isOurs ? e : null);
        again = Optional.of(troubled.merge(key, AFTER_TROUBLE, Learners::longer));
      }
    }
    synchronized (this) {
      working = null;
      again.ifPresent(after -> due.putIfAbsent(key, Instant.now().plus(after)));
    }
  }

  private static Duration longer(Duration before, Duration least) {
    Duration twice = before.plus(before);
    return twice.compareTo(MOST_AFTER_TROUBLE) < 0 ? twice : MOST_AFTER_TROUBLE;
  }

  /** Folders whose models were deleted. */
  private void removeOrphans() {
    try {
      if (!Files.exists(folder)) {
        return;
      }
      Set<Path> known = new HashSet<>(models.versions().folders());
      try (DirectoryStream<Path> lines = Files.newDirectoryStream(folder, "line-*")) {
        for (Path line : lines) {
          if (!known.contains(line)) {
            FileOps.SYSTEM.deleteTree(line);
          }
        }
      }
    } catch (IOException | RuntimeException e) { // tried again at the next deletion, or start
      LOG.log(Level.WARNING, "versions of deleted models stay on the disk: " + e.getMessage(), e);
    }
  }

  /** Ends after the step at which it is; the next start goes on. */
  @Override
  public void close() {
    isEnding = true;
    synchronized (this) {
      notifyAll();
    }
    try {
      thread.join(); // at once if it never began
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
