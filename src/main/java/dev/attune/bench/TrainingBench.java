package dev.attune.bench;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import dev.attune.data.Dataset;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.hub.Hub;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Peak;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.Optimizer;
import dev.attune.optim.RateFactors;
import dev.attune.optim.Schedule;
import dev.attune.run.Adapters;
import dev.attune.run.Backends;
import dev.attune.run.Compute;
import dev.attune.run.Datasets;
import dev.attune.run.IdleOptions;
import dev.attune.run.Optimizers;
import dev.attune.run.ProcessMemory;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.Session;
import dev.attune.store.LoraConfig;
import dev.attune.tape.Tape;
import dev.attune.task.Classification;
import dev.attune.task.Purpose;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.train.TrainListener;
import dev.attune.train.TrainResult;
import dev.attune.train.TrainerConfig;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import dev.attune.train.TrainingLoop;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Consumer;

/**
 * Times fine-tuning steps: a real model or random weights of a known shape, on a file's texts or on
 * random tokens whose lengths are those of short sentences.
 */
public final class TrainingBench {
  private static final long WARMUP_STEPS = 3;

  /**
   * Steps before those, on a device: until counts of rows recur, for whose first steps products are
   * measured and graphs recorded. Texts of one length have one count.
   */
  private static final long DEVICE_STEPS = 30;

  private static final long DEVICE_STEPS_OF_ONE_LENGTH = 3;

  private static final int MOST_STEPS = 1_000_000;

  /**
   * What came out.
   *
   * @param medianStepMillis median duration of a step
   * @param cpuMillisAStep processor time of this process over a step, its threads together, which
   *     other programs hardly change; NaN where the system does not tell
   * @param peakFlopsPerSecond of the measured product
   * @param kernels with {@code --profile}, longest first
   */
  public record Outcome(
      TrainResult training,
      double medianStepMillis,
      double cpuMillisAStep,
      double peakFlopsPerSecond,
      long peakMemoryBytes,
      String backend,
      String precision,
      List<KernelTime> kernels) {}

  private TrainingBench() {}

  /** Runs. */
  public static Outcome run(RunConfig config, Consumer<String> note) {
    check(config);
    long seed = config.integer(RunOption.SEED);
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    Compute compute = Compute.of(config);
    compute.precision().checkIsFloat();
    try (Backend opened = compute.open()) {
      DType precision = compute.precision().on(opened);
      KernelProfile profile = config.flag(RunOption.PROFILE) ? new KernelProfile(opened) : null;
      Backend backend = profile == null ? opened : profile.backend();
      BenchShape shape =
          config.text(RunOption.SHAPE) == null ? null : BenchShape.of(config.text(RunOption.SHAPE));
      Dataset rows =
          config.texts(RunOption.FILE).isEmpty()
              ? null
              : Datasets.rows(config, Classification.TYPE);
      Task task = task(shape, rows);
      LoraConfig lora = Adapters.of(config);
      Path folder =
          config.isGiven(RunOption.MODEL) || shape == null
              ? Hub.resolve(config.required(RunOption.MODEL), note::accept)
              : null;
      JsonNode json = shape == null ? ModelFolder.readConfig(folder) : shape.config();
      Float dropout = config.probability(RunOption.DROPOUT);
      try (Model model =
          Families.create(
              backend,
              json,
              task.head(),
              task.outputs(),
              dropout,
              Adapters.builder(config, lora, null, precision))) {
        if (shape == null) {
          ModelWeights.load(folder, model, seed);
        } else {
          ModelWeights.randomize(model, seed);
        }
        int maxLength = maxLength(config, model.statedLength());
        EncodedDataset data =
            rows == null
                ? randomData(config, json, task, maxLength, seed)
                : encoded(rows, folder, task, maxLength, threads);
        return measure(config, backend, precision, task, model, data, seed, profile, opened);
      }
    }
  }

  /** Refuses what cannot be timed, and what would not be read. */
  private static void check(RunConfig config) {
    within(config, RunOption.MAX_STEPS, 0, MOST_STEPS);
    within(config, RunOption.MAX_LENGTH, 1, Integer.MAX_VALUE);
    within(config, RunOption.BATCH_SIZE, 1, Integer.MAX_VALUE);
    IdleOptions.check(config);
    boolean hasFile = !config.texts(RunOption.FILE).isEmpty();
    if (hasFile && config.flag(RunOption.FIXED_LENGTH)) {
      throw new InputException(
          RunOption.FIXED_LENGTH
              + " is for random texts; "
              + RunOption.FILE
              + " brings its own lengths");
    }
    if (hasFile && !config.isGiven(RunOption.MODEL)) {
      throw new InputException(
          RunOption.FILE + " needs " + RunOption.MODEL + " too, for its tokenizer");
    }
  }

  private static void within(RunConfig config, RunOption option, long least, long most) {
    long value = config.smallInteger(option);
    if (value < least || value > most) {
      throw new InputException(
          option + " is " + value + "; it must be from " + least + " to " + most);
    }
  }

  private static Outcome measure(
      RunConfig config,
      Backend backend,
      DType precision,
      Task task,
      Model model,
      EncodedDataset data,
      long seed,
      KernelProfile profile,
      Backend opened) {
    long steps = config.integer(RunOption.MAX_STEPS);
    long before = 0;
    if (backend.device() != DeviceKind.CPU) {
      before = config.flag(RunOption.FIXED_LENGTH) ? DEVICE_STEPS_OF_ONE_LENGTH : DEVICE_STEPS;
    }
    TrainerConfig trainerConfig =
        new TrainerConfig(
            config.smallInteger(RunOption.BATCH_SIZE),
            1,
            before + WARMUP_STEPS + (steps == 0 ? 30 : steps),
            1,
            Rates.of(Schedule.Kind.CONSTANT, 2e-5, 0),
            1.0,
            0,
            seed,
            true,
            Evaluations.every(0),
            0);
    model.parameters().enableTraining();
    model.parameters().prepare(precision);
    StepTimes times = new StepTimes(before, trainerConfig.maxSteps(), profile);
    try (Optimizer optimizer = Optimizers.of(config).open(model.parameters(), RateFactors.ONE);
        Tape tape = new Tape(backend, Session.arena(backend, 0), precision, seed);
        TrainingLoop trainer =
            new TrainingLoop(task, model, optimizer, tape, data, null, trainerConfig)) {
      tape.useCheckpoints(config.flag(RunOption.GRADIENT_CHECKPOINTING));
      if (before > 0) {
        AtomicLong asked = new AtomicLong();
        long last = before;
        trainer.run(times, null, () -> asked.incrementAndGet() >= last);
      }
      TrainResult result = trainer.run(times, null, () -> false);
      long peakMemory = ProcessMemory.peakBytes(backend, tape.arena());
      return new Outcome(
          result,
          times.medianMillis(),
          times.cpuMillis(),
          Peak.of(opened, precision),
          peakMemory,
          opened.description(),
          precision == DType.BF16 ? "bf16" : "fp32",
          profile == null ? List.of() : profile.times());
    }
  }

  /** Measures from step to step; forgets the profile of the warmup. */
  private static final class StepTimes implements TrainListener {
    private final long warmupSteps;
    private final double[] millis;
    private final KernelProfile profile;
    private int count;
    private long last;
    private double cpuBefore = Double.NaN;
    private double cpuAfter = Double.NaN;

    StepTimes(long before, long steps, KernelProfile profile) {
      this.warmupSteps = before + WARMUP_STEPS;
      this.millis = new double[(int) steps];
      this.profile = profile;
    }

    @Override
    public void onStep(Step step) {
      long now = System.nanoTime();
      if (step.step() > warmupSteps) {
        millis[count++] = (now - last) / 1e6;
        cpuAfter = processorMillis();
      } else if (step.step() == warmupSteps) {
        cpuBefore = processorMillis();
        if (profile != null) {
          profile.reset();
        }
      }
      last = now;
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {}

    private static double processorMillis() {
      return ProcessHandle.current()
          .info()
          .totalCpuDuration()
          .map(Duration::toMillis)
          .map(Long::doubleValue)
          .orElse(Double.NaN);
    }

    double cpuMillis() {
      return (cpuAfter - cpuBefore) / count;
    }

    double medianMillis() {
      double[] sorted = Arrays.copyOf(millis, count);
      Arrays.sort(sorted);
      return count == 0 ? Double.NaN : sorted[count / 2];
    }
  }

  /**
   * Tokens of a text at most.
   *
   * @param most that the model takes, which may be fewer than its position table has rows
   */
  private static int maxLength(RunConfig config, int most) {
    int asked = config.smallInteger(RunOption.MAX_LENGTH);
    if (config.isGiven(RunOption.MAX_LENGTH) && asked > most) {
      throw new InputException(
          RunOption.MAX_LENGTH + " is " + asked + "; this model takes " + most + " tokens at most");
    }
    return Math.min(asked, most);
  }

  /** What is timed: the classes of the rows, where there are some. */
  private static Task task(BenchShape shape, Dataset rows) {
    if (rows != null) {
      return Classification.of(rows);
    }
    return shape == null ? BenchShape.TWO_CLASSES : shape.task();
  }

  private static EncodedDataset randomData(
      RunConfig config, JsonNode json, Task task, int maxLength, long seed) {
    int vocabulary = json.path("vocab_size").asInt();
    return task.type().generates()
        ? randomText(vocabulary, maxLength, seed)
        : randomTokens(vocabulary, maxLength, config.flag(RunOption.FIXED_LENGTH), seed);
  }

  private static EncodedDataset encoded(
      Dataset rows, Path folder, Task task, int maxLength, int threads) {
    try (TextTokenizer tokenizer = TextTokenizer.open(folder)) {
      return new Encoder(task.encoder(tokenizer, maxLength, Purpose.TRAINING), threads)
          .encode(rows);
    }
  }

  /** Sequences of full length, every next token learned. */
  private static EncodedDataset randomText(int vocabulary, int length, long seed) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LEARNED_ROWS, false);
    for (int i = 0; i < 256; i++) {
      builder.addNextTokens(randomIds(vocabulary, length, seed, i), null, 0, length);
    }
    return builder.build();
  }

  private static int[] randomIds(int vocabulary, int length, long seed, int example) {
    int[] ids = new int[length];
    for (int t = 0; t < length; t++) {
      long word = Philox.bits64(seed, RandomStream.BENCHMARK_TEXTS.of(1 + example), t);
      ids[t] = (int) Math.floorMod(word, (long) vocabulary);
    }
    return ids;
  }

  private static EncodedDataset randomTokens(
      int vocabulary, int maxLength, boolean fixedLength, long seed) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.LABEL, true);
    int examples = 4096;
    for (int i = 0; i < examples; i++) {
      long bits = Philox.bits64(seed, RandomStream.BENCHMARK_TEXTS.of(0), i);
      int length =
          fixedLength ? maxLength : Math.min(maxLength, 4 + (int) Math.floorMod(bits, 45L));
      builder.add(randomIds(vocabulary, length, seed, i), new int[length], i & 1);
    }
    return builder.build();
  }
}
