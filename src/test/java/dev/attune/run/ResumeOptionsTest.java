package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every option of training is changed in turn before a resume: it is refused by name, or the run
 * ends with the bytes of one that was never stopped.
 */
class ResumeOptionsTest {
  @TempDir static Path shared;
  @TempDir Path scratch;

  /** Where a run stopped after step 3 of 6, whose best weights so far are those of step 2. */
  private static Path begun;

  private static Path whole;
  private static Path model;
  private static Path train;
  private static Path validation;
  private static final Map<RunOption, String> CHANGED = new EnumMap<>(RunOption.class);

  /** They say where and how, and nothing of the run. */
  private static final Set<RunOption> NOT_OF_A_RUN =
      Set.of(RunOption.OUTPUT_DIR, RunOption.RESUME, RunOption.OVERWRITE);

  @BeforeAll
  static void beginARun() throws IOException {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(shared.resolve("validation.csv"), 20, 2);
    whole = shared.resolve("whole");
    run(whole).run();
    begun = shared.resolve("begun");
    assertTrue(run(begun).stoppedAfter(3).run().training().interrupted());
    fill();
  }

  private static RecordedRun run(Path output) {
    return new RecordedRun(model, train, output)
        .with(RunOption.VALIDATION_FILE, validation.toString())
        .with(RunOption.EVAL_STEPS, "2")
        .with(RunOption.LOAD_BEST_MODEL_AT_END);
  }

  private static void fill() throws IOException {
    Path other = copy(model, shared.resolve("other"));
    byte[] weights = Files.readAllBytes(other.resolve("model.safetensors"));
    weights[weights.length / 2] ^= 1;
    Files.write(other.resolve("model.safetensors"), weights);
    Path data = TinyModel.writeData(shared.resolve("more.csv"), 60, 5);
    put(RunOption.MODEL, other.toString());
    put(RunOption.BASE_MODEL, other.toString());
    put(RunOption.TASK, "multi-label-classification");
    put(RunOption.TRAIN_FILE, data.toString());
    put(RunOption.VALIDATION_FILE, data.toString());
    put(RunOption.TEST_FILE, data.toString());
    put(RunOption.COLUMNS, "text=label,label=text");
    put(RunOption.FORMAT, "csv");
    put(RunOption.ENCODING, "windows-1252");
    put(RunOption.DELIMITER, "comma");
    put(RunOption.QUOTING, "none");
    put(RunOption.LABEL_NAMES, "positive,negative");
    put(RunOption.VALIDATION_SPLIT, "0.2");
    put(RunOption.TEST_SPLIT, "0.2");
    put(RunOption.K_FOLD, "3");
    put(RunOption.MAX_TRAIN_SAMPLES, "100");
    put(RunOption.MAX_EVAL_SAMPLES, "10");
    put(RunOption.EPOCHS, "5");
    put(RunOption.MAX_STEPS, "8");
    put(RunOption.BATCH_SIZE, "8");
    put(RunOption.GRADIENT_ACCUMULATION_STEPS, "2");
    put(RunOption.LEARNING_RATE, "2e-3");
    put(RunOption.HEAD_LEARNING_RATE, "1e-2");
    put(RunOption.LAYER_LR_DECAY, "0.9");
    put(RunOption.LR_SCHEDULER, "cosine");
    put(RunOption.LR_SCHEDULER_KWARGS, "num_cycles=2");
    put(RunOption.WARMUP_RATIO, "0.5");
    put(RunOption.WARMUP_STEPS, "2");
    put(RunOption.OPTIMIZER, "sgd");
    put(RunOption.WEIGHT_DECAY, "0.1");
    put(RunOption.ADAM_BETA1, "0.8");
    put(RunOption.ADAM_BETA2, "0.9");
    put(RunOption.ADAM_EPSILON, "1e-6");
    put(RunOption.SGD_MOMENTUM, "0.5");
    put(RunOption.MAX_GRAD_NORM, "0.1");
    put(RunOption.LABEL_SMOOTHING, "0.1");
    put(RunOption.MAX_LENGTH, "6");
    put(RunOption.MLM_PROBABILITY, "0.2");
    put(RunOption.MASK_REPLACE_PROB, "0.5");
    put(RunOption.RANDOM_REPLACE_PROB, "0.2");
    put(RunOption.GENERATOR, other.toString());
    put(RunOption.CLASS_WEIGHTS, "balanced");
    put(RunOption.POS_WEIGHT, "auto");
    put(RunOption.DOC_STRIDE, "4");
    put(RunOption.MAX_ANSWER_LENGTH, "5");
    put(RunOption.N_BEST, "5");
    put(RunOption.NULL_THRESHOLD, "0.5");
    put(RunOption.FREEZE, "layers.0");
    put(RunOption.FREEZE_LAYERS, "1");
    put(RunOption.DPO_BETA, "0.5");
    put(RunOption.LOSS, "triplet");
    put(RunOption.LOSS_SCALE, "10");
    put(RunOption.LOSS_MARGIN, "1");
    put(RunOption.TRIPLET_DISTANCE, "cosine");
    put(RunOption.MATRYOSHKA_DIMS, "16");
    put(RunOption.MATRYOSHKA_WEIGHTS, "1");
    put(RunOption.POOLING, "cls");
    put(RunOption.QUERY_PROMPT, "query: ");
    put(RunOption.PASSAGE_PROMPT, "passage: ");
    put(RunOption.MINI_BATCH_SIZE, "4");
    put(RunOption.BATCH_SAMPLER, "no-duplicates");
    put(RunOption.SAMPLING_STRATEGY, "unique");
    put(RunOption.NUM_ITERATIONS, "2");
    put(RunOption.LABEL_TEMPLATE, "About {}.");
    put(RunOption.HEAD_C, "2");
    put(RunOption.LORA_R, "4");
    put(RunOption.LORA_ALPHA, "4");
    put(RunOption.LORA_DROPOUT, "0.1");
    put(RunOption.LORA_TARGETS, "query");
    put(RunOption.LORA_EXCLUDE_MODULES, "query");
    put(RunOption.LORA_LAYERS, "0");
    put(RunOption.LORA_RANK_PATTERN, "query=2");
    put(RunOption.LORA_ALPHA_PATTERN, "query=2");
    put(RunOption.LORA_MODULES_TO_SAVE, "pooler");
    put(RunOption.LORA_TRAINABLE_TOKEN_INDICES, "5");
    put(RunOption.LORA_BIAS, "all");
    put(RunOption.INIT_LORA_WEIGHTS, "gaussian");
    put(RunOption.DROPOUT, "0");
    put(RunOption.SEED, "7");
    put(RunOption.PRECISION, "bf16");
    put(RunOption.BACKEND, "torch");
    put(RunOption.ISA, "portable");
    put(RunOption.THREADS, "2");
    put(RunOption.EVAL_STEPS, "3");
    put(RunOption.EVAL_STRATEGY, "epoch");
    put(RunOption.SAVE_STEPS, "1");
    put(RunOption.SAVE_TOTAL_LIMIT, "3");
    put(RunOption.SAVE_RETRY_MINUTES, "1");
    put(RunOption.EARLY_STOPPING_PATIENCE, "1");
    put(RunOption.METRIC_FOR_BEST_MODEL, "accuracy");
    put(RunOption.LOGGING_STEPS, "2");
    put(RunOption.RUN_STORE, shared.resolve("runs").toString());
    put(RunOption.REPORT_TO, "openmetrics");
    put(RunOption.METRICS_PORT, "9464");
    put(RunOption.INTERLEAVE_PROBS, "0.5,0.5");
    put(RunOption.STOPPING_STRATEGY, "all_exhausted");
    put(RunOption.SHUFFLE_BUFFER_SIZE, "10");
    put(RunOption.ON_NONFINITE, "skip");
    put(RunOption.ADD_TOKENS, "zebra");
    put(RunOption.EVALUATE_WITH, "generate");
    put(RunOption.MAX_NEW_TOKENS, "5");
    put(RunOption.STOP, "x");
    put(RunOption.STREAMS, "2");
    for (RunOption flag : CommandOptions.TRAIN) {
      if (flag.isFlag() && !NOT_OF_A_RUN.contains(flag)) {
        put(flag, flag == RunOption.LOAD_BEST_MODEL_AT_END ? "false" : "true");
      }
    }
  }

  private static void put(RunOption option, String value) {
    CHANGED.put(option, value);
  }

  static List<RunOption> options() {
    return CommandOptions.TRAIN.stream().filter(option -> !NOT_OF_A_RUN.contains(option)).toList();
  }

  private static Path copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.copy(file, to.resolve(from.relativize(file).toString()));
      }
    }
    return to;
  }

  @ParameterizedTest
  @MethodSource("options")
  void anOptionThatIsChangedIsRefusedByNameOrChangesNothing(RunOption option) throws IOException {
    String value = CHANGED.get(option);
    assertNotNull(value, "another value of a new option is to be tried here");
    Path output = copy(begun, scratch.resolve("out"));
    RecordedRun resumed = run(output).with(RunOption.RESUME).with(option, value);
    try {
      resumed.run();
    } catch (InputException e) {
      String refusal = RunOption.worded(e.getMessage());
      assertTrue(refusal.contains("--" + option.option()), "refused without its name: " + refusal);
      assertTrue(Files.isDirectory(output.resolve("checkpoints/step-000000003")), refusal);
      return;
    }
    if (resumed.notes().stream().anyMatch(note -> note.contains("and is now of"))) {
      assertEquals(RunOption.MAX_STEPS, option, "no other makes it longer");
      return;
    }
    assertArrayEquals(bytes(whole), bytes(output), "it is another model, and nothing was said");
    if (option != RunOption.LOGGING_STEPS && option != RunOption.TEST_FILE) {
      assertEquals(
          Files.readString(whole.resolve("metrics.jsonl")),
          Files.readString(output.resolve("metrics.jsonl")));
    }
  }

  private static byte[] bytes(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }
}
