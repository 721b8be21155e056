package dev.attune.server.jobs;

import dev.attune.run.RunConfig;
import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.StoredFile;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.webhooks.Webhooks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.System.Logger.Level;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.LongSupplier;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** All jobs: to be asked for, steered, and worked off. Any number of threads use it. */
public final class Jobs implements AutoCloseable {
  /** Its tables. */
  public static final List<String> LAYOUT =
      Stream.concat(JobStore.LAYOUT.stream(), JobTrail.LAYOUT.stream()).toList();

  private static final System.Logger LOG = System.getLogger("dev.attune.server.jobs");

  /** Jobs with less than that to do are not stopped for others. */
  private static final double WORTH_STOPPING_SECONDS = 10;

  private static final int SLOTS = 1;

  /** More would take turns for so long that none of them gets on. */
  private static final int MOST_TOGETHER = 8;

  private final JobStore store;
  private final JobConfig.Sources sources;
  private final JobEnds ends;
  private final Function<String, Limits> limits;
  private final ModelRoom room;
  private final Scheduler scheduler;

  /**
   * What jobs are made of.
   *
   * @param journal holds their states
   * @param files what they read, and their results
   * @param models what they tune, and what they make
   * @param room for that
   * @param webhooks hear of their ends
   * @param limits of a tenant
   * @param modelFolder where tuned models lie
   * @param runStore folder of the store that records their runs
   */
  public record Parts(
      Journal journal,
      FileStore files,
      ModelCatalog models,
      ModelRoom room,
      Webhooks webhooks,
      Function<String, Limits> limits,
      Path modelFolder,
      Path runStore) {}

  /**
   * Jobs that are worked off once this is started.
   *
   * @param memoryBytes that jobs may take together; 0: {@link #usualMemoryBytes}
   * @param othersBytes of them that are taken by others now
   */
  public Jobs(Parts parts, long memoryBytes, LongSupplier othersBytes) {
    this(
        parts,
        new Scheduler.Means(
            memoryBytes == 0 ? usualMemoryBytes() : memoryBytes,
            othersBytes,
            SLOTS,
            MOST_TOGETHER,
            WORTH_STOPPING_SECONDS));
  }

  Jobs(Parts parts, Scheduler.Means means) {
    this.store = new JobStore(parts.journal());
    this.sources =
        new JobConfig.Sources(
            parts.files(),
            parts.models(),
            parts.room(),
            new JobFolders(parts.modelFolder()),
            parts.runStore());
    this.ends = new JobEnds(parts.webhooks());
    this.limits = parts.limits();
    this.room = parts.room();
    room.expect((session, tenant) -> JobStore.count(session, tenant, JobStore.OPEN));
    this.scheduler = new Scheduler(store, sources, ends, means);
    parts
        .files()
        .beforeDeletion((session, file) -> checkNotNeeded(session, file.tenant(), file.id()));
    parts.models().heldBy(Jobs::tuning);
  }

  /** Takes up what an earlier process has left, and begins to work. */
  public void start() {
    try {
      for (Path leftover : leftovers(store, sources.models(), sources.folders())) {
        JobFolders.remove(leftover);
      }
    } catch (IOException | RuntimeException e) { // room on the disk is no reason not to serve
      LOG.log(Level.WARNING, "what jobs have left cannot be removed: " + e.getMessage(), e);
    }
    new UnpinnedJobs(store, sources).pin();
    scheduler.start();
  }

  private static List<Path> leftovers(JobStore store, ModelCatalog models, JobFolders folders)
      throws IOException {
    Set<String> open = store.all(JobStore.OPEN).stream().map(Job::id).collect(Collectors.toSet());
    return folders.leftovers(open, models);
  }

  /** Folders below that of models that no open job and no model needs: a start removes them. */
  public static List<Path> leftovers(Journal journal, ModelCatalog models, Path folder)
      throws IOException {
    return leftovers(new JobStore(journal), models, new JobFolders(folder));
  }

  /** Half of the machine's memory: the rest is for what answers requests, and for the system. */
  public static long usualMemoryBytes() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize() / 2
        : 4L << 30;
  }

  private static void checkNotNeeded(Journal.Session session, String tenant, String file) {
    if (JobStore.needsFile(session, tenant, file)) {
      throw ApiException.conflict(
          "The file '" + file + "' is needed by a job that has not ended; cancel that, or wait");
    }
  }

  private static Optional<String> tuning(Journal.Session session, String tenant, String model) {
    return JobStore.tunesModel(session, tenant, model)
        ? Optional.of(
            "The model '" + model + "' is tuned by a job that has not ended; cancel that, or wait")
        : Optional.empty();
  }

  /** Memory of the jobs that run. */
  public long takenBytes() {
    return scheduler.takenBytes();
  }

  JobStore store() {
    return store;
  }

  /** How far a job is; null: it does not run. */
  JobProgress progress(Job job) {
    return job.status() == JobStatus.RUNNING ? scheduler.progress(job.id()) : null;
  }

  /**
   * Files that a job reads.
   *
   * @param training id
   * @param validation id; null: none
   */
  public record DataFiles(String training, String validation) {}

  /**
   * What a job has learned from.
   *
   * @throws dev.attune.server.http.ApiException if the tenant has none of that id
   */
  public DataFiles files(String tenant, String job) {
    JobRequest request = store.find(tenant, job).request();
    return new DataFiles(request.trainingFile(), request.validationFile());
  }

  /** How many there are, by status, for who watches the server. */
  public Map<String, Long> counts() {
    Map<String, Long> counts = new TreeMap<>();
    for (JobStatus status : JobStatus.values()) {
      counts.put(status.word(), 0L);
    }
    store.counts().forEach((status, count) -> counts.put(status.word(), count));
    return counts;
  }

  /** How many a tenant has, by status; those of which there are none are left out. */
  public Map<String, Long> counts(String tenant) {
    Map<String, Long> counts = new TreeMap<>();
    store.counts(tenant).forEach((status, count) -> counts.put(status.word(), count));
    return counts;
  }

  /**
   * The folder that a job's run writes its model to, which need not be there yet.
   *
   * @throws ApiException if the tenant has no such job
   */
  public Path folder(String tenant, String job) {
    return sources.folders().model(store.find(tenant, job));
  }

  /**
   * What a client asks for, as options of a run, without a job being made.
   *
   * @param files that it reads: their places on the server's disk stand in messages
   */
  public record Asked(RunConfig config, List<StoredFile> files) {
    /** A message of the rooms below as a client understands it. */
    public String worded(String message) {
      return JobWords.of(message, files);
    }
  }

  /**
   * What a body asks for from which a job could be made.
   *
   * @throws ApiException if none could be
   */
  public Asked asked(String tenant, Fields body) {
    JobConfig config = JobConfig.ofNew(tenant, JobRequest.of(body), sources);
    return new Asked(config.config(), config.files());
  }

  Job create(String tenant, JobRequest asked) {
    JobRequest request = asked.of(sources.models().pin(tenant, asked.model()));
    JobConfig.ofNew(tenant, request, sources);
    try {
      room.checkQuota(tenant, 1, List.of()); // the disk keeps room for jobs
    } catch (IOException e) {
      throw new UncheckedIOException("the server's disk: " + e.getMessage(), e);
    }
    return store.create(
        tenant,
        request,
        limits.apply(tenant).jobs(),
        session -> {
          room.checkCount(session, tenant);
          sources.models().checkThere(session, tenant, request.model());
          for (String file : request.files()) {
            sources.files().checkThere(session, tenant, file);
          }
        });
  }

  Job cancel(Job job) {
    boolean made =
        ends.make(
            job,
            store
                .change(job.id(), JobStore.OPEN, JobStatus.CANCELLED)
                .tell(JobEvent.Level.INFO, "The job was cancelled"));
    return changed(job, made, JobStatus.CANCELLED, "cancelled");
  }

  Job pause(Job job) {
    boolean made =
        store
            .change(
                job.id(),
                Set.of(JobStatus.VALIDATING_FILES, JobStatus.QUEUED, JobStatus.RUNNING),
                JobStatus.PAUSED)
            .tell(JobEvent.Level.INFO, "The job was paused")
            .make();
    return changed(job, made, JobStatus.PAUSED, "paused");
  }

  Job resume(Job job) {
    JobStatus to = job.plan() == null ? JobStatus.VALIDATING_FILES : JobStatus.QUEUED;
    boolean made =
        store
            .change(job.id(), Set.of(JobStatus.PAUSED), to)
            .tell(JobEvent.Level.INFO, "The job was resumed")
            .make();
    Job now = store.find(job.tenant(), job.id());
    if (!made && now.status().isEnd()) {
      throw refused(now, "resumed");
    }
    return now; // one that was not paused goes on anyhow
  }

  /** The job after a change that somebody asked for, or why there was none. */
  private Job changed(Job job, boolean made, JobStatus wanted, String word) {
    if (made) {
      scheduler.statusChanged(job);
    }
    Job now = store.find(job.tenant(), job.id());
    if (!made && now.status() != wanted) {
      throw refused(now, word);
    }
    return now;
  }

  private static ApiException refused(Job job, String word) {
    return ApiException.badRequest(
        null,
        "The job is "
            + job.status().word().toLowerCase(Locale.ROOT).replace('_', ' ')
            + "; it cannot be "
            + word);
  }

  /** Ends: jobs that run leave a checkpoint, and go on at the next start. */
  @Override
  public void close() {
    scheduler.close();
  }
}
