package dev.attune.server.training;

import dev.attune.run.AdapterTraining;
import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Ids;
import dev.attune.server.http.Metrics;
import dev.attune.server.http.Page;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** All sessions in which clients train step by step. Any number of threads use it. */
public final class Sessions implements AutoCloseable {
  /** Its tables, made where they are not there. */
  public static final List<String> LAYOUT = TrainingStore.LAYOUT;

  private static final System.Logger LOG = System.getLogger("dev.attune.server.training");
  private static final long LEAST_WAITING_BYTES = 64L << 20;
  private static final int SHARE_OF_HEAP = 8; // that calls may take while they wait: one in so many
  private static final long LOOK_MILLIS = 10_000;
  private static final int LOOKS = 4; // in the time after which a session is closed
  private static final long END_MILLIS = 60_000;

  private final TrainingStore store;
  private final Workshop workshop;
  private final Function<String, Limits> limits;
  private final Duration idle;
  private final Desk.Means means;
  private final Map<String, Desk> desks = new ConcurrentHashMap<>(); // by session
  private final UnpinnedSessions unpinned;
  private final Set<String> unsure = ConcurrentHashMap.newKeySet(); // until they are pinned
  private final ScheduledExecutorService tidying =
      Executors.newSingleThreadScheduledExecutor(
          task -> {
            Thread thread = new Thread(task, "attune-sessions");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * What sessions are made of.
   *
   * @param room for what they make
   * @param limits of a tenant
   * @param states folder of their states
   * @param modelFolder where models that are served lie
   */
  public record Parts(
      Journal journal,
      ModelCatalog models,
      ModelRoom room,
      Function<String, Limits> limits,
      Path states,
      Path modelFolder) {
    private Workshop workshop(TrainingStore store) {
      return new Workshop(journal, store, models, room, states, modelFolder);
    }
  }

  /**
   * @param memory that models take while they are open
   * @param idle after which the model of a session that nobody uses is closed
   */
  public Sessions(Parts parts, TrainingMemory memory, Duration idle, Metrics metrics) {
    this.store = new TrainingStore(parts.journal());
    this.workshop = parts.workshop(store);
    this.unpinned = new UnpinnedSessions(store, workshop);
    this.limits = parts.limits();
    this.idle = idle;
    long waiting = Math.max(LEAST_WAITING_BYTES, Runtime.getRuntime().maxMemory() / SHARE_OF_HEAP);
    this.means =
        new Desk.Means(
            store,
            workshop,
            memory,
            new WaitingBytes(waiting),
            new Semaphore(1, true),
            new CallMetrics(metrics));
    parts.room().include(workshop::folders);
    parts
        .models()
        .heldBy(
            (session, tenant, model) ->
                TrainingStore.uses(session, tenant, model)
                    ? Optional.of(
                        "The model '" + model + "' is trained in a session; delete that first")
                    : Optional.empty());
    metrics.gauge("attune_training_sessions", "Training sessions", "status", this::counts);
    metrics.gauge("attune_training_memory_bytes", "Memory of their models", memory::bytes);
    metrics.gauge("attune_training_calls_waiting", "Calls that wait", this::waiting);
  }

  /** Begins to look after what there is, but for what {@link #startUnpinned} does. */
  public void start() {
    workshop.removeLeftovers();
    unpinned.pinKnown().forEach(session -> unsure.add(session.id()));
    store.all().stream()
        .filter(session -> !unsure.contains(session.id()))
        .forEach(session -> desks.put(session.id(), new Desk(session, means)));
    long every = Math.max(1, Math.min(LOOK_MILLIS, idle.toMillis() / LOOKS));
    tidying.scheduleWithFixedDelay(
        () -> {
          try {
            desks.values().forEach(desk -> desk.closeIfIdle(idle.toNanos()));
            store.results().forgetOld();
          } catch (RuntimeException e) {
            LOG.log(Level.ERROR, "sessions cannot be looked after: " + e.getMessage(), e);
          }
        },
        every,
        every,
        TimeUnit.MILLISECONDS);
  }

  /**
   * Takes up sessions of earlier servers whose models are to be found out, for which these are read
   * to their ends: calls of them are refused as long as that takes.
   */
  public void startUnpinned() {
    for (String id : unsure) {
      store.find(id).ifPresent(unpinned::pin);
      store.find(id).ifPresent(session -> desks.put(id, new Desk(session, means)));
      unsure.remove(id);
    }
  }

  private Map<String, Integer> counts() {
    Map<String, Integer> counts = new TreeMap<>();
    List.of("open", "opening", "closed", "restored", "stopped")
        .forEach(status -> counts.put(status, 0));
    desks.values().forEach(desk -> counts.merge(desk.status(), 1, Integer::sum));
    return counts;
  }

  private int waiting() {
    return desks.values().stream().mapToInt(Desk::waiting).sum();
  }

  /** What is damaged or left over below the folders; a start removes what is left over. */
  public static List<String> problems(Parts parts, Path data) throws IOException {
    Workshop workshop = parts.workshop(new TrainingStore(parts.journal()));
    List<String> problems = new ArrayList<>(workshop.problems());
    workshop.leftovers().forEach(path -> problems.add("left over: " + data.relativize(path)));
    return problems;
  }

  Works works() {
    return new Works(workshop);
  }

  long idleSeconds() {
    return idle.toSeconds();
  }

  /**
   * Makes a session, whose model is opened.
   *
   * @throws ApiException if it cannot be, or there is no memory for it now
   */
  Desk create(String tenant, SessionRequest asked) {
    SessionRequest request = asked.of(workshop.pin(tenant, asked.model()));
    AdapterTraining.Need need = workshop.need(tenant, request);
    means.memory().checkFitsAlone(need.bytes());
    TrainingSession session =
        new TrainingSession(
            Ids.next("tsess-"),
            tenant,
            Instant.now().getEpochSecond(),
            request,
            need.vocabulary(),
            need.length(),
            need.bytes());
    means.memory().take(need.bytes());
    try {
      store.create(
          session, limits.apply(tenant).sessions(), change -> workshop.checkThere(change, session));
      Desk desk = new Desk(session, means);
      desk.begin();
      desks.put(session.id(), desk); // now: nobody else is to open it
      return desk;
    } catch (RuntimeException | Error e) {
      means.memory().give(need.bytes());
      store.delete(session.id());
      throw e;
    }
  }

  /**
   * A tenant's session.
   *
   * @throws ApiException if it has none of that id, or it is not known yet what it is of
   */
  Desk desk(String tenant, String id) {
    if (unsure.contains(id)) {
      workshop.find(tenant, id, null);
      throw ApiException.busy(
          "It is being found out which version of its model the session '"
              + id
              + "' was trained on; ask again");
    }
    Desk desk = desks.get(id);
    if (desk == null || !desk.session().tenant().equals(tenant)) {
      throw ApiException.notFound(null, "There is no training session '" + id + "'");
    }
    return desk;
  }

  /**
   * Those of a tenant, the newest first; one more than the page has, where there are more.
   *
   * @throws ApiException if it is not known yet what one of them is of
   */
  List<Desk> list(String tenant, Page page) {
    if (page.after() != null) {
      desk(tenant, page.after());
    }
    List<TrainingSession> found = store.list(tenant, page);
    found.stream()
        .filter(session -> unsure.contains(session.id()))
        .forEach(session -> desk(tenant, session.id()));
    return found.stream()
        .map(session -> desks.get(session.id()))
        .filter(desk -> desk != null)
        .toList();
  }

  /** States that a session's client has named, the newest first. */
  List<SavedState> states(Desk desk) {
    return store.states(desk.session().id()).stream().filter(one -> one.name() != null).toList();
  }

  void delete(Desk desk) {
    desk.delete();
    desks.remove(desk.session().id());
  }

  /** Ends: what was trained is saved, and goes on at the next start. */
  @Override
  public void close() {
    tidying.shutdownNow();
    desks.values().forEach(Desk::end);
    try {
      long until = System.nanoTime() + END_MILLIS * 1_000_000;
      for (Desk desk : desks.values()) {
        desk.join(Math.max(1, (until - System.nanoTime()) / 1_000_000));
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
