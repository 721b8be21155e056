package dev.attune.server.jobs;

import dev.attune.core.Count;
import dev.attune.memory.DeviceMemoryException;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.LongSupplier;

/**
 * Works jobs off: one thread looks at their files, one decides which run, and each that runs has a
 * thread. It holds nothing that is not in the journal but who is at work in this process.
 */
final class Scheduler implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune.server.jobs");
  private static final long LOOK_MILLIS = 5_000;
  private static final long END_MILLIS = 60_000;

  /**
   * What there is to work with.
   *
   * @param memoryBytes that jobs may take together
   * @param othersBytes of them that are taken by others now
   * @param slots sets of jobs that run at a time
   * @param together jobs of a set at most
   * @param worthStopping seconds that a job must have left for another to take its place
   */
  record Means(
      long memoryBytes, LongSupplier othersBytes, int slots, int together, double worthStopping) {}

  private final JobStore store;
  private final JobConfig.Sources sources;
  private final JobEnds ends;
  private final Means means;
  private final JobValidation validation;
  private final Map<String, JobRun> atWork = new LinkedHashMap<>(); // guarded by itself
  private final List<JobGang> gangs = new ArrayList<>(); // guarded by atWork
  private long claimedBytes; // guarded by atWork: of a job that is about to be a member
  private final Set<String> alone = ConcurrentHashMap.newKeySet(); // cannot be with others
  private final List<Thread> threads = new ArrayList<>();
  private volatile boolean closed;
  private String toldToWait; // the job that was told last that there is no memory for it

  Scheduler(JobStore store, JobConfig.Sources sources, JobEnds ends, Means means) {
    this.store = store;
    this.sources = sources;
    this.ends = ends;
    this.means = means;
    this.validation = new JobValidation(store, sources, ends, means.memoryBytes());
  }

  /** Takes up what an earlier process has left, and begins. */
  void start() {
    for (Job job : store.all(Set.of(JobStatus.RUNNING))) {
      requeue(job, "The server was started again; the job goes on from its last checkpoint");
    }
    threads.add(begun("attune-validation", this::validate));
    threads.add(begun("attune-scheduler", this::schedule));
  }

  private static Thread begun(String name, Runnable work) {
    Thread thread = new Thread(work, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  private void requeue(Job job, String why) {
    store
        .change(job.id(), Set.of(JobStatus.RUNNING), JobStatus.QUEUED)
        .withPrecedence()
        .tell(JobEvent.Level.INFO, why)
        .make();
  }

  /** Does something again and again, whenever something has changed, until the end. */
  private void loop(Runnable look) {
    while (!closed) {
      long seen = store.changes();
      try {
        look.run();
      } catch (RuntimeException e) {
        LOG.log(Level.ERROR, "jobs cannot be looked after: " + e.getMessage(), e);
        seen = store.changes(); // not at once again
      }
      try {
        store.await(seen, untilNext());
      } catch (InterruptedException e) {
        return;
      }
    }
  }

  /** Milliseconds until there is something to do though nothing changes. */
  private long untilNext() {
    return LOOK_MILLIS;
  }

  private void validate() {
    loop(
        () -> {
          for (Job job : store.all(Set.of(JobStatus.VALIDATING_FILES))) {
            if (closed) {
              return;
            }
            validation.validate(job);
          }
        });
  }

  private void schedule() {
    loop(
        () -> {
          endOverdue();
          takeUpLost();
          while (!closed && startNext()) {
            // as many as there is room for
          }
        });
  }

  /** Jobs whose deadline has passed. */
  private void endOverdue() {
    long now = Instant.now().getEpochSecond();
    for (Job job : store.all(JobStore.OPEN)) {
      Long deadline = job.request().deadline();
      if (deadline != null && deadline <= now) {
        String message =
            "The job had not ended by its deadline, "
                + Instant.ofEpochSecond(deadline)
                + "; it was "
                + job.status().word()
                + (job.plan() == null ? "" : ", of " + Count.many(job.plan().steps(), "step"));
        boolean made =
            ends.make(
                job,
                store
                    .change(job.id(), JobStore.OPEN, JobStatus.FAILED)
                    .error(new JobError("deadline_exceeded", message, "attune.deadline"))
                    .tell(JobEvent.Level.ERROR, message));
        if (made) {
          statusChanged(job);
        }
      }
    }
  }

  /** Jobs that nobody is at work on though they run: the journal could not be told of their end. */
  private void takeUpLost() {
    for (Job job : store.all(Set.of(JobStatus.RUNNING))) {
      if (!isAtWork(job)) {
        requeue(job, "The job had stopped; it goes on from its last checkpoint");
      }
    }
  }

  private boolean isAtWork(Job job) {
    synchronized (atWork) {
      return atWork.containsKey(job.id());
    }
  }

  private List<JobRun> atWork() {
    synchronized (atWork) {
      return List.copyOf(atWork.values());
    }
  }

  /**
   * Starts the next job: with others on its base, or by itself where there is a slot. One that
   * begins a set takes along the jobs that could be with it, whosever turn it is; later only who is
   * next may join, so that a set comes to its end. False: nothing is to be started now.
   */
  private boolean startNext() {
    claim(0); // where the last one has failed on its way
    List<Job> waiting =
        store.all(Set.of(JobStatus.QUEUED)).stream().filter(job -> !isAtWork(job)).toList();
    if (waiting.isEmpty()) {
      return false;
    }
    List<Job> ordered = JobQueue.ordered(waiting, store.lastStarts());
    Job next = ordered.get(0);
    Optional<JobGang> joined = joinable(next);
    if (joined.isPresent() && hasRoom(joined.get(), next)) {
      begin(next, joined.get());
      return true;
    }
    if (!hasSlot() || !fits(next, next.needBytes())) {
      makeRoom(next, joined);
      return false;
    }
    JobGang gang = JobGang.of(next, sources, alone);
    synchronized (atWork) {
      gangs.add(gang);
    }
    begin(next, gang);
    for (Job other : ordered.subList(1, ordered.size())) {
      if (gang.takes(other, sources, alone) && hasRoom(gang, other)) {
        begin(other, gang);
      }
    }
    return true;
  }

  private Optional<JobGang> joinable(Job job) {
    List<JobGang> all;
    synchronized (atWork) {
      all = List.copyOf(gangs);
    }
    return all.stream().filter(gang -> gang.takes(job, sources, alone)).findFirst();
  }

  private boolean hasSlot() {
    synchronized (atWork) {
      return gangs.size() < means.slots();
    }
  }

  private boolean hasRoom(JobGang gang, Job job) {
    synchronized (atWork) {
      if (gang.members().size() >= means.together()) {
        return false;
      }
    }
    return fits(job, JobGang.moreBytes(job));
  }

  /** Memory of the jobs that run, and of one that is about to. */
  long takenBytes() {
    synchronized (atWork) {
      return claimedBytes + gangs.stream().mapToLong(JobGang::needBytes).sum();
    }
  }

  private void claim(long bytes) {
    synchronized (atWork) {
      claimedBytes = bytes;
    }
  }

  /**
   * Whether there is memory for a job, which is claimed then until the job is a member of a gang.
   * No other job takes the place of one that does not fit now: it would wait for ever.
   */
  private boolean fits(Job job, long bytes) {
    claim(bytes); // before others are looked at: they look at this
    long taken = means.othersBytes().getAsLong() + takenBytes() - bytes;
    boolean fits = bytes <= means.memoryBytes() - taken;
    if (!fits) {
      claim(0);
    }
    if (!fits && !job.id().equals(toldToWait)) {
      toldToWait = job.id();
      store
          .trail()
          .tell(
              job.id(),
              List.of(
                  JobEvent.of(
                      JobEvent.Level.INFO,
                      "Waits for memory: it needs "
                          + DeviceMemoryException.size(bytes)
                          + ", and of "
                          + DeviceMemoryException.size(means.memoryBytes())
                          + " for jobs "
                          + DeviceMemoryException.size(Math.max(0, means.memoryBytes() - taken))
                          + " are free now")));
    }
    return fits;
  }

  /**
   * Has jobs of lower priorities stop for one that waits: one of those that it could be with, or
   * all of a set, where each of it is of a lower one.
   *
   * @param joined the set that has no room for it; empty: there is none that it could join
   */
  private void makeRoom(Job next, Optional<JobGang> joined) {
    List<JobRun> candidates = new ArrayList<>();
    synchronized (atWork) {
      for (JobGang gang : joined.map(List::of).orElse(gangs)) {
        boolean isBelow =
            gang.members().stream()
                .allMatch(run -> run.job().request().priority() < next.request().priority());
        if (joined.isPresent()) {
          JobQueue.toStop(gang.members().stream().map(JobRun::job).toList(), next)
              .ifPresent(
                  job ->
                      gang.members().stream()
                          .filter(run -> run.job().id().equals(job.id()))
                          .forEach(candidates::add));
        } else if (isBelow && candidates.isEmpty()) {
          candidates.addAll(gang.members());
        }
      }
    }
    candidates.stream()
        .filter(run -> !(run.secondsLeft() < means.worthStopping()))
        .forEach(run -> run.stop(JobRun.Stop.PREEMPTED));
  }

  /** Nothing begins where the job has changed meanwhile, or the gang is over. */
  private void begin(Job waiting, JobGang gang) {
    synchronized (atWork) {
      if (!gangs.contains(gang)) {
        claimedBytes = 0;
        return;
      }
      gang.expect();
    }
    JobRun run = null;
    try {
      run = started(waiting, gang);
    } finally {
      if (run == null) { // also where the journal could not be told: the slot is another's
        synchronized (atWork) {
          gang.arrived(null);
          claimedBytes = 0;
        }
        leave(null, gang);
      }
    }
    if (run != null) {
      JobRun begun = run;
      begun("attune-" + waiting.id(), () -> work(begun, gang));
    }
  }

  /** The run of a job that is at work from now on; null: the job has changed meanwhile. */
  private JobRun started(Job waiting, JobGang gang) {
    boolean made =
        store
            .change(waiting.id(), Set.of(JobStatus.QUEUED), JobStatus.RUNNING)
            .started()
            .tell(JobEvent.Level.INFO, "Fine-tuning job started")
            .make();
    if (!made) {
      return null;
    }
    Job job = store.find(waiting.id()).orElseThrow();
    JobRun run = new JobRun(job, store, sources, ends, gang.group());
    synchronized (atWork) {
      atWork.put(job.id(), run);
      gang.arrived(run);
      claimedBytes = 0; // from now on the gang counts them
    }
    return run;
  }

  private boolean isRunning(Job job) {
    return store.find(job.id()).filter(now -> now.status() == JobStatus.RUNNING).isPresent();
  }

  private void work(JobRun run, JobGang gang) {
    try {
      if (closed) { // it was on its way here while those at work were told
        run.stop(JobRun.Stop.SERVER_ENDS);
      }
      if (!isRunning(run.job())) { // whoever changed that may have found nobody at work
        run.stop(JobRun.Stop.STATUS_CHANGED);
      }
      run.run();
      if (run.isRefusedByGroup()) {
        alone.add(run.job().id());
      } else {
        alone.remove(run.job().id());
      }
      tidy(run.job());
    } catch (RuntimeException | Error e) {
      LOG.log(Level.ERROR, run.job().id() + ": " + e.getMessage(), e);
    } finally {
      leave(run, gang);
      store.wake();
    }
  }

  /**
   * Takes a run out of its gang, which is over with the last.
   *
   * @param run null: none has begun
   */
  private void leave(JobRun run, JobGang gang) {
    boolean isOver;
    synchronized (atWork) {
      gang.members().remove(run);
      isOver = gang.isOver() && gangs.remove(gang);
    }
    if (isOver) {
      gang.close();
    }
    synchronized (atWork) {
      if (run != null) {
        atWork.remove(run.job().id());
      }
      atWork.notifyAll();
    }
  }

  /**
   * Removes what a job that has ended does not need: the run that it leaves, and models of
   * checkpoints that could not be noted, for want of room say.
   */
  private void tidy(Job job) {
    if (!store.find(job.id()).map(now -> now.status().isEnd()).orElse(true)) {
      return;
    }
    try {
      for (Path left : sources.folders().leftovers(job, sources.models())) {
        JobFolders.remove(left);
      }
    } catch (IOException e) {
      LOG.log(Level.WARNING, job.id() + " cannot be removed: " + e.getMessage());
    }
  }

  /** Tells who is at work on a job that it has another status now. */
  void statusChanged(Job job) {
    JobRun run;
    synchronized (atWork) {
      run = atWork.get(job.id());
    }
    if (run != null) {
      run.stop(JobRun.Stop.STATUS_CHANGED);
    } else {
      store.find(job.id()).filter(now -> now.status().isEnd()).ifPresent(this::tidy);
    }
  }

  /** How far a job is; null: it does not run. */
  JobProgress progress(String id) {
    synchronized (atWork) {
      JobRun run = atWork.get(id);
      return run == null ? null : run.progress();
    }
  }

  /** Ends: jobs that run leave a checkpoint, and go on at the next start. */
  @Override
  public void close() {
    closed = true;
    validation.stop();
    store.wake();
    atWork().forEach(run -> run.stop(JobRun.Stop.SERVER_ENDS));
    try {
      for (Thread thread : threads) {
        thread.join(END_MILLIS);
      }
      long end = System.nanoTime() + END_MILLIS * 1_000_000;
      synchronized (atWork) {
        while (!atWork.isEmpty() && System.nanoTime() < end) {
          atWork.wait(100);
        }
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
