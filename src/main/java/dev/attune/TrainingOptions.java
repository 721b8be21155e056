package dev.attune;

import dev.attune.run.CommandOptions;
import dev.attune.run.OptionNames;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What {@code attune train} is told by its options, by setters of their own: each gives back the
 * object that it was called on. What is not set has the default of the command line.
 *
 * @param <T> the kind of object that is set
 */
public abstract class TrainingOptions<T extends TrainingOptions<T>> {
  private final Map<RunOption, String> options = new EnumMap<>(RunOption.class);

  TrainingOptions(String task, String model) {
    options.put(RunOption.TASK, task);
    options.put(RunOption.MODEL, Objects.requireNonNull(model, "model"));
  }

  /** This object, as what it is. */
  abstract T self();

  /** Sets an option, as the command line spells its value. */
  final T set(RunOption option, Object value) {
    options.put(option, Objects.requireNonNull(value).toString());
    return self();
  }

  /** A configuration of a run with what was set. */
  final RunConfig.Builder configured() {
    RunConfig.Builder builder = RunConfig.builder(CommandOptions.TRAIN);
    options.forEach(builder::set);
    return builder;
  }

  /**
   * Holds a share of the training examples out, above 0 and below 1, to evaluate on: spread evenly
   * over the labels, equal texts on one side, chosen by the seed.
   */
  public T validationSplit(double share) {
    return set(RunOption.VALIDATION_SPLIT, share);
  }

  /** Which columns of files play which role: "text=body,label=topic". */
  public T columns(String value) {
    return set(RunOption.COLUMNS, value);
  }

  /** Passes over the training data, 0.5 being half of one; 3 unless given. */
  public T epochs(double value) {
    return set(RunOption.EPOCHS, value);
  }

  /** Optimizer steps in all, in place of epochs. */
  public T maxSteps(long value) {
    return set(RunOption.MAX_STEPS, value);
  }

  /** Examples in a batch; 32 unless given. */
  public T batchSize(int value) {
    return set(RunOption.BATCH_SIZE, value);
  }

  /** Batches in an optimizer step; 1 unless given. */
  public T gradientAccumulationSteps(int value) {
    return set(RunOption.GRADIENT_ACCUMULATION_STEPS, value);
  }

  /** The peak learning rate; 2e-5 unless given. */
  public T learningRate(double value) {
    return set(RunOption.LEARNING_RATE, value);
  }

  /** What becomes of the learning rate; linear unless given. */
  public T schedule(LearningRateSchedule value) {
    return set(RunOption.LR_SCHEDULER, value.name().toLowerCase(Locale.ROOT));
  }

  /**
   * The same with numbers of its shape.
   *
   * @param parameters by Transformers' names, as {@code Map.of("num_cycles", 2.0)}
   */
  public T schedule(LearningRateSchedule value, Map<String, Double> parameters) {
    schedule(value);
    return set(
        RunOption.LR_SCHEDULER_KWARGS,
        parameters.entrySet().stream()
            .map(entry -> entry.getKey() + "=" + entry.getValue())
            .sorted()
            .collect(Collectors.joining(",")));
  }

  /** The peak learning rate of the head, outside the base model; as of the rest unless given. */
  public T headLearningRate(double value) {
    return set(RunOption.HEAD_LEARNING_RATE, value);
  }

  /**
   * Layer-wise learning rates: each layer learns at so much of the rate of the one above it, layer
   * l of L (from 0) at {@code decay^(L - l)}, the embeddings at {@code decay^(L + 1)}; what stands
   * on the layers, and the head, at the rate itself. 1 unless given: all alike.
   *
   * @param decay above 0, at most 1
   */
  public T layerLearningRateDecay(double decay) {
    return set(RunOption.LAYER_LR_DECAY, decay);
  }

  /** Share of the steps that warm up; 0.1 unless given. */
  public T warmupRatio(double value) {
    return set(RunOption.WARMUP_RATIO, value);
  }

  /** Steps that warm up, in place of their share. */
  public T warmupSteps(long value) {
    return set(RunOption.WARMUP_STEPS, value);
  }

  /** Decay of matrices and embeddings; 0.01 unless given. */
  public T weightDecay(double value) {
    return set(RunOption.WEIGHT_DECAY, value);
  }

  /** Bound on the gradient norm; 1 unless given, 0: none. */
  public T maxGradNorm(double value) {
    return set(RunOption.MAX_GRAD_NORM, value);
  }

  /** Share of a label's weight that is spread over all labels; 0 unless given. */
  public T labelSmoothing(double value) {
    return set(RunOption.LABEL_SMOOTHING, value);
  }

  /** Tokens of an example at most; longer ones are cut, and counted. 512 unless given. */
  public T maxLength(int value) {
    return set(RunOption.MAX_LENGTH, value);
  }

  /** Replaces every dropout of the model. */
  public T dropout(double value) {
    return set(RunOption.DROPOUT, value);
  }

  /** Ends with the weights of the evaluation that this metric, "loss" or another, calls best. */
  public T keepBest(String metric) {
    return set(RunOption.METRIC_FOR_BEST_MODEL, metric);
  }

  /** Of the order, dropout and new weights; 42 unless given. */
  public T seed(long value) {
    return set(RunOption.SEED, value);
  }

  /** Whether the examples are visited in a random order, as they are unless told otherwise. */
  public T shuffle(boolean value) {
    return set(RunOption.NO_SHUFFLE, !value);
  }

  /** The type of activations. */
  public T precision(Precision value) {
    return set(RunOption.PRECISION, value.name().toLowerCase(Locale.ROOT));
  }

  /** Where to train. */
  public T device(Device value) {
    String name = value == Device.LIBTORCH ? "torch" : value.name().toLowerCase(Locale.ROOT);
    return set(RunOption.BACKEND, name);
  }

  /** Threads of the CPU; 0, the default: all cores. The result does not depend on it. */
  public T threads(int value) {
    return set(RunOption.THREADS, value);
  }

  /** Evaluates every so many steps; 0, the default: after each epoch. */
  public T evalSteps(long value) {
    return set(RunOption.EVAL_STEPS, value);
  }

  /** Saves a checkpoint every so many steps; 0, the default: only when stopped. */
  public T saveSteps(long value) {
    return set(RunOption.SAVE_STEPS, value);
  }

  /** Stops after so many evaluations without a smaller loss, and keeps the best weights. */
  public T earlyStopping(int patience) {
    return earlyStopping(patience, "loss");
  }

  /** Stops after so many evaluations in which a metric did not improve; keeps the best weights. */
  public T earlyStopping(int patience, String metric) {
    set(RunOption.METRIC_FOR_BEST_MODEL, metric);
    return set(RunOption.EARLY_STOPPING_PATIENCE, patience);
  }

  /** Trains low-rank adapters of this rank, and freezes the model (Hu et al., LoRA, 2021). */
  public T lora(int rank) {
    return set(RunOption.LORA_R, rank);
  }

  /** Adapters are scaled by alpha / rank; twice the rank unless given. */
  public T loraAlpha(double value) {
    return set(RunOption.LORA_ALPHA, value);
  }

  /** Dropout on the input of adapters; 0 unless given. */
  public T loraDropout(double value) {
    return set(RunOption.LORA_DROPOUT, value);
  }

  /** Names of the products that get an adapter; all unless given. */
  public T loraTargets(String... names) {
    return set(RunOption.LORA_TARGETS, String.join(",", names));
  }

  /** Modules that get no adapter after all, of those that {@link #loraTargets} means. */
  public T loraExcludeModules(String... names) {
    return set(RunOption.LORA_EXCLUDE_MODULES, String.join(",", names));
  }

  /** Layers with adapters, counted from 0; all unless given. */
  public T loraLayers(int... layers) {
    return set(
        RunOption.LORA_LAYERS,
        IntStream.of(layers).mapToObj(Integer::toString).collect(Collectors.joining(",")));
  }

  /** Ranks of the modules whose names end in a match of these regular expressions. */
  public T loraRankPattern(Map<String, Integer> ranks) {
    return set(RunOption.LORA_RANK_PATTERN, pairs(ranks));
  }

  /** The same of alphas. */
  public T loraAlphaPattern(Map<String, Double> alphas) {
    return set(RunOption.LORA_ALPHA_PATTERN, pairs(alphas));
  }

  /** In the order of a map that has one; else by name, lest it be another in the next process. */
  private static String pairs(Map<String, ?> values) {
    boolean ordered = values instanceof LinkedHashMap || values instanceof SortedMap;
    return (ordered ? values : new TreeMap<>(values))
        .entrySet().stream()
            .map(entry -> entry.getKey() + "=" + entry.getValue())
            .collect(Collectors.joining(","));
  }

  /** Modules to train whole beside the adapters, by the ends of their names. */
  public T loraModulesToSave(String... names) {
    return set(RunOption.LORA_MODULES_TO_SAVE, String.join(",", names));
  }

  /** Biases to train beside the adapters: none, all, or lora_only; none unless given. */
  public T loraBias(String kind) {
    return set(RunOption.LORA_BIAS, kind);
  }

  /** How adapters begin: true, gaussian, pissa or olora. */
  public T initLoraWeights(String kind) {
    return set(RunOption.INIT_LORA_WEIGHTS, kind);
  }

  /** Trains the norms of adapted weights' rows apart (Liu et al., DoRA, 2024). */
  public T useDora() {
    return set(RunOption.USE_DORA, true);
  }

  /** Scales adapters by alpha over the root of the rank (Kalajdzievski, rsLoRA, 2023). */
  public T useRslora() {
    return set(RunOption.USE_RSLORA, true);
  }

  /**
   * Parts of the model that keep their weights while the rest is trained: "embeddings", and layers
   * counted from 0, as in "embeddings,layers.0-3". They take no gradient and no optimizer memory,
   * and what lies below all that is trained takes no time in backward. The folder that is saved
   * holds the whole model.
   */
  public T freeze(String parts) {
    return set(RunOption.FREEZE, parts);
  }

  /** The embeddings and the first layers keep their weights: see {@link #freeze}. */
  public T freezeLayers(int count) {
    return set(RunOption.FREEZE_LAYERS, count);
  }

  /** All but the head keeps its weights (linear probing): see {@link #freeze}. */
  public T freezeBase() {
    return set(RunOption.FREEZE_BASE, true);
  }

  /** How the frozen weights below adapters are held: INT8 or NF4; else in the run's precision. */
  public T weights(WeightFormat value) {
    set(RunOption.LOAD_IN_8BIT, value == WeightFormat.INT8);
    return set(RunOption.LOAD_IN_4BIT, value == WeightFormat.NF4);
  }

  /** Keeps each layer's input only, and computes the rest again: to the same bits. */
  public T gradientCheckpointing() {
    return set(RunOption.GRADIENT_CHECKPOINTING, true);
  }

  /**
   * What each class, or tag, counts in the loss: "balanced" (scikit-learn's weights, inversely to
   * the classes' frequency in the training data), or by name, as "negative=0.5,positive=2"; 1
   * unless given. As PyTorch's {@code CrossEntropyLoss(weight=…)}: the mean is divided by what the
   * targets of the step count. The loss of evaluations is weighted too.
   */
  public T classWeights(String value) {
    return set(RunOption.CLASS_WEIGHTS, value);
  }

  /**
   * Of several labels a text: the weight of texts that have a label, as "auto" (those without it
   * over those with it), or by name, as "spam=2,offer=5"; 1 unless given.
   */
  public T posWeight(String value) {
    return set(RunOption.POS_WEIGHT, value);
  }

  /**
   * At the end sets thresholds for the best F1 on validation data: of several labels a text each
   * label's, of questions that of "no answer".
   */
  public T tuneThresholds() {
    return set(RunOption.TUNE_THRESHOLDS, true);
  }

  /** Of questions: tokens that windows of a long context share; 128 unless given. */
  public T docStride(int value) {
    return set(RunOption.DOC_STRIDE, value);
  }

  /** Of questions: tokens of an answer at most; 30 unless given. */
  public T maxAnswerLength(int value) {
    return set(RunOption.MAX_ANSWER_LENGTH, value);
  }

  /** Of questions: answers to consider in evaluation and later use; 20 unless given. */
  public T nBest(int value) {
    return set(RunOption.N_BEST, value);
  }

  /** Of a language model: learns prompts and all turns too, not only what answers them. */
  public T trainOnPrompt() {
    return set(RunOption.TRAIN_ON_PROMPT, true);
  }

  /**
   * Of preferences: how much a difference between the answers' log-ratios counts, the less the
   * further the model may go from where it began; 0.1 unless given.
   */
  public T dpoBeta(double value) {
    return set(RunOption.DPO_BETA, value);
  }

  /** Of embeddings and preferences: the loss by its name, such as "cosent" or "ipo". */
  public T loss(String name) {
    return set(RunOption.LOSS, name);
  }

  /** Of embeddings: learns vectors that may be cut to these lengths. */
  public T matryoshkaDims(int... dimensions) {
    return set(
        RunOption.MATRYOSHKA_DIMS,
        IntStream.of(dimensions).mapToObj(Integer::toString).collect(Collectors.joining(",")));
  }

  /** Of embeddings: what is put before the first text of each example, and before the others. */
  public T prompts(String query, String passage) {
    set(RunOption.QUERY_PROMPT, query);
    return set(RunOption.PASSAGE_PROMPT, passage);
  }

  /** Goes on from the newest checkpoint in the folder, to the bytes of a run never stopped. */
  public T resume() {
    return set(RunOption.RESUME, true);
  }

  /** Replaces the model in the folder. */
  public T overwrite() {
    return set(RunOption.OVERWRITE, true);
  }

  /**
   * Sets any option of {@code attune train} by its name there, as "adam-beta2".
   *
   * @throws InvalidInputException if there is none of that name
   */
  public T option(String name, Object value) {
    return set(
        OptionNames.find(name, CommandOptions.TRAIN)
            .orElseThrow(
                () -> Faults.translate(OptionNames.unknown(name, CommandOptions.TRAIN, ""))),
        value);
  }
}
