package dev.attune.run;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.RowStream;
import dev.attune.train.SharedPass;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * Training runs of adapters on one base, of which one copy is in memory: their batches go through
 * the base as one, and each run ends in the bytes in which it would end alone, with its own order,
 * length, rates, evaluations, checkpoints and failures. A run may join between two steps and leave
 * at any; the others go on.
 *
 * <p>Runs are computed in turns, so that while one is prepared, evaluated or saved the others wait.
 * Of those that are started together none changes its folder before all are prepared: until then a
 * process may end as if it had not begun. All methods may be called from any thread.
 */
public final class TrainGroup implements AutoCloseable {
  /** What must be the same, as it is of the base and of how it is computed. */
  private static final List<RunOption> COMMON =
      List.of(
          RunOption.TASK,
          RunOption.MODEL,
          RunOption.BASE_MODEL,
          RunOption.BACKEND,
          RunOption.PRECISION,
          RunOption.ISA,
          RunOption.THREADS,
          RunOption.LOAD_IN_4BIT,
          RunOption.LOAD_IN_8BIT,
          RunOption.DROPOUT,
          RunOption.GRADIENT_CHECKPOINTING);

  /** What a run cannot have here: it trains more than adapters, or looks into single ops. */
  private static final List<RunOption> REFUSED =
      List.of(
          RunOption.K_FOLD,
          RunOption.ADD_TOKENS,
          RunOption.USE_DORA,
          RunOption.LORA_BIAS,
          RunOption.LORA_MODULES_TO_SAVE,
          RunOption.LORA_TRAINABLE_TOKEN_INDICES,
          RunOption.CHECK_NUMERICS,
          RunOption.PROFILE);

  /** Tasks whose batches are read piece by piece, or twice. */
  private static final List<String> APART =
      List.of("embedding", "few-shot", "few-shot-multi-label");

  private final SharedBase base = new SharedBase();
  private final List<Job> jobs = new ArrayList<>(); // guarded by this; those that run
  private RunConfig first; // guarded by this; null until there was one
  private boolean isClosed; // guarded by this

  /**
   * A run that is asked for.
   *
   * @param listener hears of it, on a thread of the run
   * @param stopRequested asked after every step, beside {@link Job#stop}
   */
  public record Asked(RunConfig config, RunListener listener, BooleanSupplier stopRequested) {
    /** Stopped by {@link Job#stop} alone. */
    public Asked(RunConfig config, RunListener listener) {
      this(config, listener, () -> false);
    }
  }

  /** A run of the group. */
  public final class Job {
    private final RunConfig config;
    private final Thread thread;
    private volatile boolean stopRequested;
    private TrainRun.Outcome outcome; // written by the thread, read after its end
    private Throwable failure; // likewise

    private Job(Asked asked, CountDownLatch preparing) {
      this.config = asked.config;
      SharedBase.Seat seat = new SharedBase.Seat(base, base.pass().join());
      this.thread = new Thread(() -> run(seat, asked, preparing), "attune-job");
    }

    private void run(SharedBase.Seat seat, Asked asked, CountDownLatch preparing) {
      RunListener waiting = new Waiting(asked.listener, seat.job(), preparing);
      seat.job().enter();
      try {
        BooleanSupplier stops = () -> stopRequested || asked.stopRequested.getAsBoolean();
        outcome = new TrainRun(config, seat, waiting, stops).run();
      } catch (RuntimeException | Error e) {
        failure = e;
      } finally {
        seat.job().leave();
        waiting.onEnded();
      }
    }

    /** Asks it to save a checkpoint after its step and to end. */
    public void stop() {
      stopRequested = true;
    }

    /** Whether it has not come to its end. */
    public boolean isRunning() {
      return thread.isAlive();
    }

    /**
     * Waits for its end.
     *
     * @return what came out
     * @throws RuntimeException with which it failed
     * @throws InterruptedCallException if the waiting thread is interrupted; the run goes on
     */
    public TrainRun.Outcome outcome() {
      try {
        thread.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedCallException("interrupted while waiting for a run");
      }
      if (failure instanceof Error error) {
        throw error;
      }
      if (failure != null) {
        throw (RuntimeException) failure;
      }
      return outcome;
    }
  }

  /** Leaves the turn to others while those are prepared, or a person or room is waited for. */
  private static final class Waiting extends ForwardingRunListener {
    private final SharedPass.Job job;
    private final CountDownLatch preparing; // all that were started with it
    private boolean isPrepared;

    Waiting(RunListener next, SharedPass.Job job, CountDownLatch preparing) {
      super(next);
      this.job = job;
      this.preparing = preparing;
    }

    @Override
    public void onPrepared() {
      super.onPrepared();
      isPrepared = true;
      preparing.countDown();
      if (preparing.getCount() > 0) {
        awaitOthers();
      }
    }

    private void awaitOthers() {
      try {
        job.aside(
            () -> {
              preparing.await();
              return null;
            });
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedCallException("interrupted while others of its group were prepared");
      }
    }

    @Override
    public void onEnded() {
      super.onEnded();
      if (!isPrepared) {
        preparing.countDown(); // nobody waits for one that failed
      }
    }

    @Override
    public Optional<String> answer(long atMostMillis) throws InterruptedException {
      return job.aside(() -> super.answer(atMostMillis));
    }
  }

  /**
   * Checks that runs can be trained together, as far as their options tell.
   *
   * @throws InputException naming what differs, or what one of them cannot have
   */
  public static void check(List<RunConfig> configs) {
    for (RunConfig config : configs) {
      checkAlone(config);
    }
    for (int i = 1; i < configs.size(); i++) {
      checkAlike(configs.get(0), configs.get(i));
    }
    checkApart(configs);
  }

  private static void checkAlone(RunConfig config) {
    String folder = config.required(RunOption.OUTPUT_DIR);
    String task = config.text(RunOption.TASK);
    if (APART.contains(task)) {
      throw refused(folder, RunOption.TASK.with(task), "learns each row by itself");
    }
    if (config.smallInteger(RunOption.LORA_R) == 0) {
      throw refused(folder, "a whole model", "trains adapters: " + RunOption.LORA_R);
    }
    for (RunOption option : REFUSED) {
      String none = option.defaultValue();
      if (config.isGiven(option) && !config.text(option).equals(none)) {
        throw refused(folder, option.with(config.text(option)), "has none of it");
      }
    }
    // Who waits for rows would let the others wait, for as long as the source likes.
    if (config.flag(RunOption.STREAMING) && RowStream.isOnce(config.texts(RunOption.TRAIN_FILE))) {
      throw refused(
          folder,
          RunOption.STREAMING + " from what can be read but once",
          "reads " + RunOption.TRAIN_FILE + " from a disk");
    }
    String start = config.text(RunOption.INIT_LORA_WEIGHTS);
    if (start.equals("pissa") || start.equals("olora")) {
      throw refused(
          folder, RunOption.INIT_LORA_WEIGHTS.with(start), "leaves the base as it is for all");
    }
    BackendKind backend = BackendKind.ofOption(config.text(RunOption.BACKEND));
    if (backend == BackendKind.CUDA) {
      throw refused(folder, RunOption.BACKEND.with("cuda"), "computes on the CPU");
    }
  }

  private static InputException refused(String folder, String what, String wanted) {
    return new InputException(
        "the run of "
            + folder
            + " has "
            + what
            + "; a run that is trained with others on one base "
            + wanted
            + ". Train it by itself");
  }

  private static void checkAlike(RunConfig first, RunConfig other) {
    for (RunOption option : COMMON) {
      boolean isSame =
          option == RunOption.MODEL
              ? isSameFolder(first.required(option), other.required(option))
              : first.agrees(other, option);
      if (!isSame) {
        throw new InputException(
            "runs on one base are trained together, but "
                + option
                + " is "
                + shown(first, option)
                + " for "
                + first.text(RunOption.OUTPUT_DIR)
                + " and "
                + shown(other, option)
                + " for "
                + other.text(RunOption.OUTPUT_DIR)
                + "; give both the same, or train them one after the other");
      }
    }
  }

  private static String shown(RunConfig config, RunOption option) {
    String value = config.text(option);
    return value == null ? "not given" : value;
  }

  private static boolean isSameFolder(String one, String other) {
    try {
      return one.equals(other)
          || Files.isDirectory(Path.of(one))
              && Files.isDirectory(Path.of(other))
              && Files.isSameFile(Path.of(one), Path.of(other));
    } catch (IOException e) {
      return false;
    }
  }

  private static void checkApart(List<RunConfig> configs) {
    Set<Path> folders = new HashSet<>();
    for (RunConfig config : configs) {
      String folder = config.text(RunOption.OUTPUT_DIR);
      if (!folders.add(Path.of(folder).toAbsolutePath().normalize())) {
        throw new InputException(
            RunOption.OUTPUT_DIR
                + " is "
                + folder
                + " for two runs; give each a folder of its own");
      }
    }
  }

  /**
   * Starts runs, which join those that are running.
   *
   * @return a job for each, in their order
   * @throws InputException if they cannot be trained together; none of them has begun then
   */
  public synchronized List<Job> start(List<Asked> runs) {
    Check.state(!isClosed, "the group is closed");
    Check.argument(!runs.isEmpty(), "no runs to start");
    List<RunConfig> asked = runs.stream().map(Asked::config).toList();
    check(asked);
    RunConfig like = first == null ? asked.get(0) : first;
    asked.forEach(config -> checkAlike(like, config));
    jobs.removeIf(job -> !job.isRunning());
    checkApart(Stream.concat(jobs.stream().map(job -> job.config), asked.stream()).toList());
    first = like;
    // All have their seats before the first begins: it waits for the others' batches.
    CountDownLatch preparing = new CountDownLatch(runs.size());
    List<Job> started = runs.stream().map(run -> new Job(run, preparing)).toList();
    jobs.addAll(started);
    started.forEach(job -> job.thread.start());
    return started;
  }

  /** Asks all runs to stop, waits for their ends and frees the base. */
  @Override
  public void close() {
    List<Job> all;
    synchronized (this) {
      isClosed = true;
      all = List.copyOf(jobs);
    }
    all.forEach(Job::stop);
    boolean isInterrupted = false;
    for (Job job : all) {
      while (job.isRunning()) {
        try {
          job.thread.join();
        } catch (InterruptedException e) {
          isInterrupted = true;
        }
      }
    }
    base.close();
    if (isInterrupted) {
      Thread.currentThread().interrupt();
    }
  }
}
