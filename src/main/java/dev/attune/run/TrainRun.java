package dev.attune.run;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.checkpoint.AdapterFolder;
import dev.attune.checkpoint.CheckpointStore;
import dev.attune.checkpoint.ModelFolder;
import dev.attune.checkpoint.ModelInstall;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.data.TargetKind;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.TextGeneration;
import dev.attune.hub.Hub;
import dev.attune.kernels.ProductPeak;
import dev.attune.metrics.Metrics;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.optim.Sgd;
import dev.attune.store.LoraConfig;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.Objective;
import dev.attune.train.TrainListener;
import dev.attune.train.TrainResult;
import dev.attune.train.Trainer;
import dev.attune.train.TrainerConfig;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.BooleanSupplier;

/** A training run from its config to a model folder. */
public final class TrainRun {
  /** Options that must be those of the run that a resume goes on with. */
  private static final List<RunOption> FIXED =
      List.of(
          RunOption.TASK,
          RunOption.EPOCHS,
          RunOption.MAX_STEPS,
          RunOption.BATCH_SIZE,
          RunOption.GRADIENT_ACCUMULATION_STEPS,
          RunOption.LEARNING_RATE,
          RunOption.LR_SCHEDULER,
          RunOption.WARMUP_RATIO,
          RunOption.WARMUP_STEPS,
          RunOption.OPTIMIZER,
          RunOption.WEIGHT_DECAY,
          RunOption.ADAM_BETA1,
          RunOption.ADAM_BETA2,
          RunOption.ADAM_EPSILON,
          RunOption.SGD_MOMENTUM,
          RunOption.MAX_GRAD_NORM,
          RunOption.LABEL_SMOOTHING,
          RunOption.DROPOUT,
          RunOption.TRAIN_ON_PROMPT,
          RunOption.LORA_R,
          RunOption.LORA_ALPHA,
          RunOption.LORA_DROPOUT,
          RunOption.LORA_TARGETS,
          RunOption.USE_RSLORA,
          RunOption.USE_DORA,
          RunOption.LOAD_IN_4BIT,
          RunOption.LOAD_IN_8BIT,
          RunOption.SEED,
          RunOption.NO_SHUFFLE);

  /**
   * What came out.
   *
   * @param training how the loop ended
   * @param evaluation metrics on validation data, else on test data, else empty
   * @param test metrics on test data, or empty
   * @param table the metrics object behind the last of them, with its per-class table; or null
   * @param peakMemoryBytes of the process
   * @param utilization share of the measured product peak; NaN if not measured
   * @param outputDir where the model is
   */
  public record Outcome(
      TrainResult training,
      Map<String, Double> evaluation,
      Map<String, Double> test,
      Metrics table,
      long peakMemoryBytes,
      double utilization,
      Path outputDir) {}

  private final RunConfig config;
  private final RunListener listener;
  private final BooleanSupplier stopRequested;

  /**
   * @param stopRequested asked after every step; once true the run saves a checkpoint and ends
   */
  public TrainRun(RunConfig config, RunListener listener, BooleanSupplier stopRequested) {
    this.config = config;
    this.listener = listener;
    this.stopRequested = stopRequested;
  }

  /** Runs to the end, or to the request to stop. */
  public Outcome run() {
    Task task = Task.ofOption(config.text(RunOption.TASK));
    TargetKind kind = Objective.targetKind(task);
    TrainerConfig trainerConfig = trainerConfig();
    LoraConfig lora = Adapters.of(config);
    GenerationOptions generation = generation(task);
    boolean resume = config.flag(RunOption.RESUME);
    config.required(RunOption.TRAIN_FILE);
    Path outputDir = Path.of(config.required(RunOption.OUTPUT_DIR));
    Path base = Hub.resolve(config.required(RunOption.MODEL), listener::onNote);
    ObjectNode modelConfig = ModelFolder.readConfig(base);
    Data data = Data.read(config, kind);
    try (OutputFolder output =
            OutputFolder.prepare(outputDir, config.flag(RunOption.OVERWRITE), resume);
        Session session = Session.open(config);
        TextTokenizer tokenizer = TextTokenizer.open(base);
        Model model =
            Families.create(
                session.backend(),
                modelConfig,
                task.head(),
                data.outputs(),
                dropoutOption(),
                Adapters.builder(config, lora, session.precision()))) {
      int maxLength = maxLength(model, tokenizer);
      // Weights stream in from disk while the text is tokenised.
      Background<ModelFolder.Loaded> weights =
          Background.start(
              "attune-weights", () -> ModelFolder.load(base, model, trainerConfig.seed()));
      int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
      DataReport report;
      ModelFolder.Loaded loaded;
      try {
        report = data.encode(config, tokenizer, maxLength, threads);
      } finally {
        loaded = weights.join();
      }
      listener.onDataReport(report);
      report.throwIfFatal();
      data.checkVocabulary(modelConfig.path("vocab_size").asInt());
      if (generation != null) {
        data.prepareAnswers(new TextGeneration(generation, tokenizer, base), model.maxLength());
      }
      describe(loaded);
      return train(
          session, model, tokenizer, modelConfig, data, report, output, trainerConfig, task);
    }
  }

  /** How evaluations generate; null: they do not. */
  private GenerationOptions generation(Task task) {
    if (EvaluationWay.of(config) == EvaluationWay.LOSS) {
      return null;
    }
    if (task != Task.CAUSAL_LM) {
      throw new InputException(
          "--evaluate-with generate needs --task causal-lm; the task is " + task.option());
    }
    if (config.path(RunOption.VALIDATION_FILE) == null
        && config.path(RunOption.TEST_FILE) == null) {
      throw new InputException(
          "--evaluate-with generate needs --validation-file or --test-file to generate for");
    }
    return GenerationSettings.of(config);
  }

  private Outcome train(
      Session session,
      Model model,
      TextTokenizer tokenizer,
      ObjectNode modelConfig,
      Data data,
      DataReport report,
      OutputFolder output,
      TrainerConfig trainerConfig,
      Task task) {
    model.parameters().enableTraining();
    model.parameters().prepare(session.precision());
    session.leave(data.answerCacheBytes(model, session.precision()));
    try (Inference inference = new Inference(session.backend());
        Optimizer optimizer = optimizer(model);
        Trainer trainer =
            new Trainer(
                task,
                model,
                optimizer,
                session.tape(trainerConfig.seed()),
                data.train(),
                data.validation(task, inference),
                trainerConfig)) {
      session
          .tape(trainerConfig.seed())
          .useCheckpoints(config.flag(RunOption.GRADIENT_CHECKPOINTING));
      Checkpoints checkpoints =
          new Checkpoints(
              new CheckpointStore(
                  output.checkpoints(), config.smallInteger(RunOption.SAVE_TOTAL_LIMIT)),
              data.train().fingerprint(),
              config.toYaml());
      long resumedAt = 0;
      if (config.flag(RunOption.RESUME)) {
        JsonNode state =
            checkpoints.loadLatest(trainer.buffers(), this::checkSameRun, listener::onNote);
        if (state == null) {
          listener.onNote("there is no checkpoint to resume; starting from the beginning");
        } else {
          trainer.resume(state);
          resumedAt = state.path("step").asLong();
          listener.onNote("resuming after step " + resumedAt);
        }
      }
      output.openMetrics(resumedAt);
      writeRunFiles(output, report);
      listener.onModel(
          config.text(RunOption.MODEL),
          model.parameters().count(),
          session.backend().description(),
          session.precisionName());
      TrainResult result =
          trainer.run(new MetricsLog(output, listener), checkpoints, stopRequested);
      double utilization =
          result.flopsPerSecond() > 0
              ? result.flopsPerSecond()
                  / ProductPeak.measure(session.backend(), session.precision())
              : Double.NaN;
      if (result.interrupted()) {
        return new Outcome(
            result,
            result.evaluation(),
            Map.of(),
            null,
            ProcessMemory.peakBytes(session.backend(), session.tape(trainerConfig.seed()).arena()),
            utilization,
            output.folder());
      }
      install(output, model, tokenizer, modelConfig, data, task, result);
      Evaluator testing = data.test(task, inference);
      Map<String, Double> test =
          testing == null ? Map.of() : testing.evaluate(model, session.tape(trainerConfig.seed()));
      if (testing != null) {
        ObjectNode line = JsonNodeFactory.instance.objectNode().put("step", result.steps());
        ObjectNode values = line.putObject("test");
        test.forEach(values::put);
        output.log(line);
      }
      // The model is safe in the folder: checkpoints have served their purpose.
      checkpoints.clear();
      return new Outcome(
          result,
          result.evaluation().isEmpty() ? test : result.evaluation(),
          test,
          testing != null ? testing.metrics() : null,
          ProcessMemory.peakBytes(session.backend(), session.tape(trainerConfig.seed()).arena()),
          utilization,
          output.folder());
    }
  }

  private void install(
      OutputFolder output,
      Model model,
      TextTokenizer tokenizer,
      ObjectNode baseConfig,
      Data data,
      Task task,
      TrainResult result) {
    LoraConfig lora = Adapters.of(config);
    ObjectNode saved = baseConfig.deepCopy();
    saved.putArray("architectures").add(model.architecture());
    saved.put("dtype", "float32");
    saved.remove("torch_dtype");
    ObjectNode attune = JsonNodeFactory.instance.objectNode();
    // An adapter's folder has no config.json: what the outputs mean must stand elsewhere.
    describeOutputs(lora == null ? saved : attune, data, task);
    attune.put("task", task.option());
    attune.put("base_model", config.text(RunOption.MODEL));
    attune.put("max_length", maxLength(model, tokenizer));
    if (task == Task.CAUSAL_LM) {
      attune.put("train_on_prompt", config.flag(RunOption.TRAIN_ON_PROMPT));
    }
    attune.put("steps", result.steps());
    attune.put("train_loss", result.trainLoss());
    ObjectNode eval = attune.putObject("eval");
    result.evaluation().forEach(eval::put);
    try {
      ModelInstall.install(
          output.folder(),
          folder -> {
            if (lora == null) {
              ModelFolder.writeWeights(folder.resolve("model.safetensors"), model.parameters());
              ModelFolder.writeJson(folder.resolve("config.json"), saved);
            } else {
              AdapterFolder.write(folder, model, lora, baseName(), task);
            }
            ModelFolder.writeJson(folder.resolve("attune.json"), attune);
            MergeRun.copyGenerationConfig(tokenizer.folder(), folder);
            tokenizer.saveTo(folder);
          });
    } catch (IOException e) {
      throw new UncheckedIOException(
          "the model could not be saved in "
              + output.folder()
              + ": "
              + OutputFolder.describe(e)
              + ". What was there is unchanged; free some space and train again"
              + (Files.exists(output.checkpoints())
                  ? ", with --resume from the last checkpoint"
                  : " (--save-steps would have left a checkpoint to resume from)"),
          e);
    }
  }

  /** The base model as an adapter names it: a folder by its whole path. */
  private String baseName() {
    String name = config.text(RunOption.MODEL);
    Path folder = Path.of(name);
    return Files.isDirectory(folder) ? folder.toAbsolutePath().normalize().toString() : name;
  }

  /** What a head's outputs mean; a language model's are its tokens. */
  private static void describeOutputs(ObjectNode saved, Data data, Task task) {
    switch (task) {
      case CLASSIFICATION, TOKEN_CLASSIFICATION -> {
        saved.set("id2label", data.labels().id2label());
        saved.set("label2id", data.labels().label2id());
      }
      case REGRESSION -> {
        saved.putObject("id2label").put("0", "LABEL_0");
        saved.putObject("label2id").put("LABEL_0", 0);
      }
      case CAUSAL_LM -> {}
    }
    switch (task) {
      case CLASSIFICATION -> saved.put("problem_type", "single_label_classification");
      case REGRESSION -> saved.put("problem_type", "regression");
      case TOKEN_CLASSIFICATION, CAUSAL_LM -> {}
    }
  }

  private void writeRunFiles(OutputFolder output, DataReport report) {
    try {
      Files.writeString(output.runFile(), config.toCommentedYaml());
      ModelFolder.writeJson(output.folder().resolve("data_report.json"), report.toJson());
    } catch (IOException e) {
      throw new UncheckedIOException(
          "cannot write to " + output.folder() + ": " + OutputFolder.describe(e), e);
    }
  }

  private void checkSameRun(RunConfig earlier) {
    for (RunOption option : FIXED) {
      if (!config.agrees(earlier, option)) {
        throw new InputException(
            "--resume goes on with the run as it was begun, but --"
                + option.option()
                + " was "
                + earlier.text(option)
                + " and is now "
                + config.text(option));
      }
    }
  }

  private TrainerConfig trainerConfig() {
    return new TrainerConfig(
        config.smallInteger(RunOption.BATCH_SIZE),
        config.smallInteger(RunOption.EPOCHS),
        config.integer(RunOption.MAX_STEPS),
        config.smallInteger(RunOption.GRADIENT_ACCUMULATION_STEPS),
        config.number(RunOption.LEARNING_RATE),
        Schedule.Kind.ofOption(config.text(RunOption.LR_SCHEDULER)),
        config.integer(RunOption.WARMUP_STEPS),
        config.number(RunOption.WARMUP_RATIO),
        config.number(RunOption.MAX_GRAD_NORM),
        config.number(RunOption.LABEL_SMOOTHING),
        config.integer(RunOption.SEED),
        !config.flag(RunOption.NO_SHUFFLE),
        config.integer(RunOption.EVAL_STEPS),
        config.integer(RunOption.SAVE_STEPS),
        config.smallInteger(RunOption.EARLY_STOPPING_PATIENCE),
        config.text(RunOption.METRIC_FOR_BEST_MODEL));
  }

  private Optimizer optimizer(Model model) {
    float decay = (float) config.number(RunOption.WEIGHT_DECAY);
    String kind = config.text(RunOption.OPTIMIZER);
    return switch (kind) {
      case "adamw" ->
          new AdamW(
              model.parameters(),
              new AdamW.Config(
                  (float) config.number(RunOption.ADAM_BETA1),
                  (float) config.number(RunOption.ADAM_BETA2),
                  (float) config.number(RunOption.ADAM_EPSILON),
                  decay));
      case "sgd" ->
          new Sgd(
              model.parameters(),
              new Sgd.Config((float) config.number(RunOption.SGD_MOMENTUM), decay, false));
      default ->
          throw new InputException("--optimizer is '" + kind + "'; allowed are adamw and sgd");
    };
  }

  private Float dropoutOption() {
    if (config.text(RunOption.DROPOUT) == null) {
      return null;
    }
    double dropout = config.number(RunOption.DROPOUT);
    if (!(dropout >= 0 && dropout < 1)) {
      throw new InputException("--dropout is " + dropout + "; it must be at least 0 and below 1");
    }
    return (float) dropout;
  }

  private int maxLength(Model model, TextTokenizer tokenizer) {
    int wanted = config.smallInteger(RunOption.MAX_LENGTH);
    if (wanted > model.maxLength()) {
      if (config.isGiven(RunOption.MAX_LENGTH)) {
        throw new InputException(
            "--max-length is "
                + wanted
                + ", the model has positions for "
                + model.maxLength()
                + " tokens");
      }
      return model.maxLength();
    }
    return wanted;
  }

  private void describe(ModelFolder.Loaded loaded) {
    if (!loaded.created().isEmpty()) {
      listener.onNote("new weights: " + String.join(", ", loaded.created()));
    }
    if (!loaded.unused().isEmpty()) {
      listener.onNote("tensors of the folder that are not used: " + summary(loaded.unused()));
    }
  }

  private static String summary(List<String> names) {
    return names.size() <= 4
        ? String.join(", ", names)
        : String.join(", ", names.subList(0, 3)) + " and " + (names.size() - 3) + " more";
  }

  /** Writes metrics.jsonl on the way to the listener. */
  private record MetricsLog(OutputFolder output, RunListener next) implements TrainListener {
    @Override
    public void onStep(Step step) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      line.put("step", step.step()).put("epoch", step.epoch()).put("loss", step.loss());
      line.put("grad_norm", step.gradNorm()).put("learning_rate", step.learningRate());
      line.put("tokens", step.tokens());
      output.log(line);
      next.onStep(step);
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {
      ObjectNode line = JsonNodeFactory.instance.objectNode();
      line.put("step", step).put("epoch", epoch);
      ObjectNode values = line.putObject("eval");
      metrics.forEach(values::put);
      output.log(line);
      next.onEvaluation(step, epoch, metrics, best);
    }

    @Override
    public void onCheckpoint(long step) {
      next.onCheckpoint(step);
    }
  }
}
