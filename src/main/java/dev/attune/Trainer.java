package dev.attune;

import dev.attune.core.FileOps;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.run.CommandOptions;
import dev.attune.run.CrossValidation;
import dev.attune.run.Datasets;
import dev.attune.run.OptionNames;
import dev.attune.run.RunConfig;
import dev.attune.run.RunListener;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.BiFunction;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/**
 * Fine-tunes a model. What is not set has the default of {@code attune train --help}; every setter
 * returns this.
 *
 * <pre>{@code
 * Trainer.classification("minilm")
 *     .train(examples)
 *     .validation(more)
 *     .epochs(6)
 *     .learningRate(1e-4)
 *     .onStep(step -> System.out.println(step.loss()))
 *     .saveTo(Path.of("out"));
 * }</pre>
 *
 * <p>The model is named ("minilm"), a Hugging Face folder, or named as on the Hugging Face Hub
 * ({@code ORG/NAME}, {@code ORG/NAME@REVISION}). Data may be in memory or in files as the command
 * line reads them. Where a name of the hub is given, and nowhere else, what is not on this machine
 * is fetched. One thread uses a trainer at a time; its listeners hear on that thread.
 *
 * @param <E> the kind of example
 */
public final class Trainer<E> {
  private static final System.Logger LOG = System.getLogger("dev.attune");

  /** Where examples come from: a file, or memory. */
  private record Source(String file, List<Example> examples) {
    /** What is in memory; null: a file, which the run reads. */
    static Dataset held(Source source, String name) {
      return source == null || source.file != null
          ? null
          : new Dataset(Path.of(name), source.examples);
    }
  }

  private final BiFunction<Integer, ? super E, Example> reader;
  private final Map<RunOption, String> options = new EnumMap<>(RunOption.class);
  private Source train;
  private Source validation;
  private Source test;
  private Consumer<TrainingStep> onStep;
  private Consumer<Evaluation> onEvaluation;
  private BooleanSupplier stopWhen;

  private Trainer(String task, String model, BiFunction<Integer, ? super E, Example> reader) {
    this.reader = reader;
    options.put(RunOption.TASK, task);
    options.put(RunOption.MODEL, Objects.requireNonNull(model, "model"));
  }

  /** A trainer of a {@link Classifier}: one of several labels for each text or pair. */
  public static Trainer<LabeledText> classification(String model) {
    return new Trainer<>(
        "classification",
        model,
        (row, e) -> new Example(row, e.text(), e.pair(), e.label(), null, null, Map.of()));
  }

  /**
   * A trainer of a {@link Classifier} from few examples of each label: vectors that are alike where
   * labels are, then a logistic regression on them.
   */
  public static Trainer<LabeledText> fewShot(String model) {
    return new Trainer<>(
        "few-shot",
        model,
        (row, e) -> new Example(row, e.text(), e.pair(), e.label(), null, null, Map.of()));
  }

  /**
   * A trainer of a {@link MultiLabelClassifier} from few examples of each label: as {@link
   * #fewShot}, with a regression for each label.
   */
  public static Trainer<MultiLabeledText> fewShotMultiLabel(String model) {
    return new Trainer<>(
        "few-shot-multi-label",
        model,
        (row, e) -> Example.ofLabels(row, e.text(), e.pair(), e.labels()));
  }

  /** A trainer of a {@link MultiLabelClassifier}: any number of labels for each text or pair. */
  public static Trainer<MultiLabeledText> multiLabelClassification(String model) {
    return new Trainer<>(
        "multi-label-classification",
        model,
        (row, e) -> Example.ofLabels(row, e.text(), e.pair(), e.labels()));
  }

  /** A trainer of a {@link Regressor}: a number for each text or pair. */
  public static Trainer<ScoredText> regression(String model) {
    return new Trainer<>(
        "regression",
        model,
        (row, e) ->
            new Example(row, e.text(), e.pair(), Double.toString(e.score()), null, null, Map.of()));
  }

  /** A trainer of a {@link Tagger}: a tag for each word. */
  public static Trainer<TaggedWords> tokens(String model) {
    return new Trainer<>(
        "token-classification", model, (row, e) -> Example.ofTokens(row, e.words(), e.tags()));
  }

  /** A trainer of a {@link QuestionAnswerer}: where a text answers a question. */
  public static Trainer<AnsweredQuestion> questionAnswering(String model) {
    return new Trainer<>("question-answering", model, (row, e) -> e.example(row));
  }

  /** A trainer of a {@link Generator}: a language model. */
  public static Trainer<LanguageExample> causalLm(String model) {
    return new Trainer<>("causal-lm", model, (row, e) -> e.example(row));
  }

  /**
   * A trainer of a {@link Generator} by which of two answers is better (direct preference
   * optimization). The model, which knows how to answer already, is compared with what it was
   * before.
   */
  public static Trainer<PreferenceExample> preferences(String model) {
    return new Trainer<>("dpo", model, (row, e) -> e.example(row));
  }

  /** A trainer of a {@link MaskFiller}: a masked language model, of texts as they are. */
  public static Trainer<String> maskedLanguage(String model) {
    return new Trainer<>("masked-lm", model, (row, e) -> Example.of(row, e, null));
  }

  /**
   * A trainer of ELECTRA's discriminator, which finds tokens that are none of the text, from texts
   * as they are: what it leaves is a model for others to be trained from.
   *
   * @param generator folder of the masked language model that replaces tokens
   */
  public static Trainer<String> replacedTokens(String model, Path generator) {
    Trainer<String> trainer =
        new Trainer<>("replaced-token-detection", model, (row, e) -> Example.of(row, e, null));
    return trainer.set(RunOption.GENERATOR, Objects.requireNonNull(generator, "generator"));
  }

  /**
   * A trainer of an {@link Embedder}: vectors of texts, of which like ones are near. The loss,
   * where {@link #loss} does not say, is the usual one for the kind of examples.
   */
  public static Trainer<RelatedTexts> embedding(String model) {
    return new Trainer<>("embedding", model, (row, e) -> e.example(row));
  }

  /** What to learn. The examples are read now, once. */
  public Trainer<E> train(Iterable<? extends E> examples) {
    train = read(examples.iterator());
    return this;
  }

  /** What to learn. The stream is consumed now. */
  public Trainer<E> train(Stream<? extends E> examples) {
    train = read(examples.iterator());
    return this;
  }

  /**
   * What to learn, in a file: CSV, TSV, JSON lines or a JSON list, SQuAD's JSON, Parquet, CoNLL or
   * text, by its ending, which may be followed by .gz or .zst; or in a folder of such files. How
   * they are written can be said by {@link #option}: "format", "encoding", "delimiter", "quoting".
   */
  public Trainer<E> train(Path file) {
    return train(file.toString());
  }

  /** The same, or {@code hf://datasets/ORG/NAME/path/file.csv} of the Hugging Face Hub. */
  public Trainer<E> train(String file) {
    train = new Source(file, null);
    return this;
  }

  /** What to evaluate on while training. */
  public Trainer<E> validation(Iterable<? extends E> examples) {
    validation = read(examples.iterator());
    return this;
  }

  /** What to evaluate on while training. The stream is consumed now. */
  public Trainer<E> validation(Stream<? extends E> examples) {
    validation = read(examples.iterator());
    return this;
  }

  /** What to evaluate on while training, in a file. */
  public Trainer<E> validation(Path file) {
    return validation(file.toString());
  }

  /** The same, named as for {@link #train(String)}. */
  public Trainer<E> validation(String file) {
    validation = new Source(file, null);
    return this;
  }

  /** What to evaluate on once, at the end. */
  public Trainer<E> test(Iterable<? extends E> examples) {
    test = read(examples.iterator());
    return this;
  }

  /** What to evaluate on once, at the end. The stream is consumed now. */
  public Trainer<E> test(Stream<? extends E> examples) {
    test = read(examples.iterator());
    return this;
  }

  /** What to evaluate on once, at the end, in a file. */
  public Trainer<E> test(Path file) {
    return test(file.toString());
  }

  /** The same, named as for {@link #train(String)}. */
  public Trainer<E> test(String file) {
    test = new Source(file, null);
    return this;
  }

  private Source read(Iterator<? extends E> examples) {
    List<Example> out = new ArrayList<>();
    while (examples.hasNext()) {
      out.add(reader.apply(out.size() + 1, Objects.requireNonNull(examples.next(), "example")));
    }
    return new Source(null, out);
  }

  /**
   * Holds a share of the training examples out, above 0 and below 1, to evaluate on: spread evenly
   * over the labels, equal texts on one side, chosen by the seed.
   */
  public Trainer<E> validationSplit(double share) {
    return set(RunOption.VALIDATION_SPLIT, share);
  }

  /** Which columns of files play which role: "text=body,label=topic". */
  public Trainer<E> columns(String value) {
    return set(RunOption.COLUMNS, value);
  }

  /** Passes over the training data, 0.5 being half of one; 3 unless given. */
  public Trainer<E> epochs(double value) {
    return set(RunOption.EPOCHS, value);
  }

  /** Optimizer steps in all, in place of epochs. */
  public Trainer<E> maxSteps(long value) {
    return set(RunOption.MAX_STEPS, value);
  }

  /** Examples in a batch; 32 unless given. */
  public Trainer<E> batchSize(int value) {
    return set(RunOption.BATCH_SIZE, value);
  }

  /** Batches in an optimizer step; 1 unless given. */
  public Trainer<E> gradientAccumulationSteps(int value) {
    return set(RunOption.GRADIENT_ACCUMULATION_STEPS, value);
  }

  /** The peak learning rate; 2e-5 unless given. */
  public Trainer<E> learningRate(double value) {
    return set(RunOption.LEARNING_RATE, value);
  }

  /** What becomes of the learning rate; linear unless given. */
  public Trainer<E> schedule(LearningRateSchedule value) {
    return set(RunOption.LR_SCHEDULER, value.name().toLowerCase(Locale.ROOT));
  }

  /**
   * The same with numbers of its shape.
   *
   * @param parameters by Transformers' names, as {@code Map.of("num_cycles", 2.0)}
   */
  public Trainer<E> schedule(LearningRateSchedule value, Map<String, Double> parameters) {
    schedule(value);
    return set(
        RunOption.LR_SCHEDULER_KWARGS,
        parameters.entrySet().stream()
            .map(entry -> entry.getKey() + "=" + entry.getValue())
            .sorted()
            .collect(Collectors.joining(",")));
  }

  /** The peak learning rate of the head, outside the base model; as of the rest unless given. */
  public Trainer<E> headLearningRate(double value) {
    return set(RunOption.HEAD_LEARNING_RATE, value);
  }

  /**
   * Layer-wise learning rates: each layer learns at so much of the rate of the one above it, layer
   * l of L (from 0) at {@code decay^(L - l)}, the embeddings at {@code decay^(L + 1)}; what stands
   * on the layers, and the head, at the rate itself. 1 unless given: all alike.
   *
   * @param decay above 0, at most 1
   */
  public Trainer<E> layerLearningRateDecay(double decay) {
    return set(RunOption.LAYER_LR_DECAY, decay);
  }

  /** Share of the steps that warm up; 0.1 unless given. */
  public Trainer<E> warmupRatio(double value) {
    return set(RunOption.WARMUP_RATIO, value);
  }

  /** Steps that warm up, in place of their share. */
  public Trainer<E> warmupSteps(long value) {
    return set(RunOption.WARMUP_STEPS, value);
  }

  /** Decay of matrices and embeddings; 0.01 unless given. */
  public Trainer<E> weightDecay(double value) {
    return set(RunOption.WEIGHT_DECAY, value);
  }

  /** Bound on the gradient norm; 1 unless given, 0: none. */
  public Trainer<E> maxGradNorm(double value) {
    return set(RunOption.MAX_GRAD_NORM, value);
  }

  /** Share of a label's weight that is spread over all labels; 0 unless given. */
  public Trainer<E> labelSmoothing(double value) {
    return set(RunOption.LABEL_SMOOTHING, value);
  }

  /** Tokens of an example at most; longer ones are cut, and counted. 512 unless given. */
  public Trainer<E> maxLength(int value) {
    return set(RunOption.MAX_LENGTH, value);
  }

  /** Replaces every dropout of the model. */
  public Trainer<E> dropout(double value) {
    return set(RunOption.DROPOUT, value);
  }

  /** Ends with the weights of the evaluation that this metric, "loss" or another, calls best. */
  public Trainer<E> keepBest(String metric) {
    return set(RunOption.METRIC_FOR_BEST_MODEL, metric);
  }

  /** Of the order, dropout and new weights; 42 unless given. */
  public Trainer<E> seed(long value) {
    return set(RunOption.SEED, value);
  }

  /** Whether the examples are visited in a random order, as they are unless told otherwise. */
  public Trainer<E> shuffle(boolean value) {
    return set(RunOption.NO_SHUFFLE, !value);
  }

  /** The type of activations. */
  public Trainer<E> precision(Precision value) {
    return set(RunOption.PRECISION, value.name().toLowerCase(Locale.ROOT));
  }

  /** Where to train. */
  public Trainer<E> device(Device value) {
    String name = value == Device.LIBTORCH ? "torch" : value.name().toLowerCase(Locale.ROOT);
    return set(RunOption.BACKEND, name);
  }

  /** Threads of the CPU; 0, the default: all cores. The result does not depend on it. */
  public Trainer<E> threads(int value) {
    return set(RunOption.THREADS, value);
  }

  /** Evaluates every so many steps; 0, the default: after each epoch. */
  public Trainer<E> evalSteps(long value) {
    return set(RunOption.EVAL_STEPS, value);
  }

  /** Saves a checkpoint every so many steps; 0, the default: only when stopped. */
  public Trainer<E> saveSteps(long value) {
    return set(RunOption.SAVE_STEPS, value);
  }

  /** Stops after so many evaluations without a smaller loss, and keeps the best weights. */
  public Trainer<E> earlyStopping(int patience) {
    return earlyStopping(patience, "loss");
  }

  /** Stops after so many evaluations in which a metric did not improve; keeps the best weights. */
  public Trainer<E> earlyStopping(int patience, String metric) {
    set(RunOption.METRIC_FOR_BEST_MODEL, metric);
    return set(RunOption.EARLY_STOPPING_PATIENCE, patience);
  }

  /** Trains low-rank adapters of this rank, and freezes the model (Hu et al., LoRA, 2021). */
  public Trainer<E> lora(int rank) {
    return set(RunOption.LORA_R, rank);
  }

  /** Adapters are scaled by alpha / rank; twice the rank unless given. */
  public Trainer<E> loraAlpha(double value) {
    return set(RunOption.LORA_ALPHA, value);
  }

  /** Dropout on the input of adapters; 0 unless given. */
  public Trainer<E> loraDropout(double value) {
    return set(RunOption.LORA_DROPOUT, value);
  }

  /** Names of the products that get an adapter; all unless given. */
  public Trainer<E> loraTargets(String... names) {
    return set(RunOption.LORA_TARGETS, String.join(",", names));
  }

  /** Modules that get no adapter after all, of those that {@link #loraTargets} means. */
  public Trainer<E> loraExcludeModules(String... names) {
    return set(RunOption.LORA_EXCLUDE_MODULES, String.join(",", names));
  }

  /** Layers with adapters, counted from 0; all unless given. */
  public Trainer<E> loraLayers(int... layers) {
    return set(
        RunOption.LORA_LAYERS,
        IntStream.of(layers).mapToObj(Integer::toString).collect(Collectors.joining(",")));
  }

  /** Ranks of the modules whose names end in a match of these regular expressions. */
  public Trainer<E> loraRankPattern(Map<String, Integer> ranks) {
    return set(RunOption.LORA_RANK_PATTERN, pairs(ranks));
  }

  /** The same of alphas. */
  public Trainer<E> loraAlphaPattern(Map<String, Double> alphas) {
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
  public Trainer<E> loraModulesToSave(String... names) {
    return set(RunOption.LORA_MODULES_TO_SAVE, String.join(",", names));
  }

  /** Biases to train beside the adapters: none, all, or lora_only; none unless given. */
  public Trainer<E> loraBias(String kind) {
    return set(RunOption.LORA_BIAS, kind);
  }

  /** How adapters begin: true, gaussian, pissa or olora. */
  public Trainer<E> initLoraWeights(String kind) {
    return set(RunOption.INIT_LORA_WEIGHTS, kind);
  }

  /** Trains the norms of adapted weights' rows apart (Liu et al., DoRA, 2024). */
  public Trainer<E> useDora() {
    return set(RunOption.USE_DORA, true);
  }

  /** Scales adapters by alpha over the root of the rank (Kalajdzievski, rsLoRA, 2023). */
  public Trainer<E> useRslora() {
    return set(RunOption.USE_RSLORA, true);
  }

  /**
   * Parts of the model that keep their weights while the rest is trained: "embeddings", and layers
   * counted from 0, as in "embeddings,layers.0-3". They take no gradient and no optimizer memory,
   * and what lies below all that is trained takes no time in backward. The folder that is saved
   * holds the whole model.
   */
  public Trainer<E> freeze(String parts) {
    return set(RunOption.FREEZE, parts);
  }

  /** The embeddings and the first layers keep their weights: see {@link #freeze}. */
  public Trainer<E> freezeLayers(int count) {
    return set(RunOption.FREEZE_LAYERS, count);
  }

  /** All but the head keeps its weights (linear probing): see {@link #freeze}. */
  public Trainer<E> freezeBase() {
    return set(RunOption.FREEZE_BASE, true);
  }

  /** How the frozen weights below adapters are held: INT8 or NF4; else in the run's precision. */
  public Trainer<E> weights(WeightFormat value) {
    set(RunOption.LOAD_IN_8BIT, value == WeightFormat.INT8);
    return set(RunOption.LOAD_IN_4BIT, value == WeightFormat.NF4);
  }

  /** Keeps each layer's input only, and computes the rest again: to the same bits. */
  public Trainer<E> gradientCheckpointing() {
    return set(RunOption.GRADIENT_CHECKPOINTING, true);
  }

  /**
   * What each class, or tag, counts in the loss: "balanced" (scikit-learn's weights, inversely to
   * the classes' frequency in the training data), or by name, as "negative=0.5,positive=2"; 1
   * unless given. As PyTorch's {@code CrossEntropyLoss(weight=…)}: the mean is divided by what the
   * targets of the step count. The loss of evaluations is weighted too.
   */
  public Trainer<E> classWeights(String value) {
    return set(RunOption.CLASS_WEIGHTS, value);
  }

  /**
   * Of several labels a text: the weight of texts that have a label, as "auto" (those without it
   * over those with it), or by name, as "spam=2,offer=5"; 1 unless given.
   */
  public Trainer<E> posWeight(String value) {
    return set(RunOption.POS_WEIGHT, value);
  }

  /**
   * At the end sets thresholds for the best F1 on validation data: of several labels a text each
   * label's, of questions that of "no answer".
   */
  public Trainer<E> tuneThresholds() {
    return set(RunOption.TUNE_THRESHOLDS, true);
  }

  /** Of questions: tokens that windows of a long context share; 128 unless given. */
  public Trainer<E> docStride(int value) {
    return set(RunOption.DOC_STRIDE, value);
  }

  /** Of questions: tokens of an answer at most; 30 unless given. */
  public Trainer<E> maxAnswerLength(int value) {
    return set(RunOption.MAX_ANSWER_LENGTH, value);
  }

  /** Of questions: answers to consider in evaluation and later use; 20 unless given. */
  public Trainer<E> nBest(int value) {
    return set(RunOption.N_BEST, value);
  }

  /** Of a language model: learns prompts and all turns too, not only what answers them. */
  public Trainer<E> trainOnPrompt() {
    return set(RunOption.TRAIN_ON_PROMPT, true);
  }

  /**
   * Of preferences: how much a difference between the answers' log-ratios counts, the less the
   * further the model may go from where it began; 0.1 unless given.
   */
  public Trainer<E> dpoBeta(double value) {
    return set(RunOption.DPO_BETA, value);
  }

  /** Of embeddings and preferences: the loss by its name, such as "cosent" or "ipo". */
  public Trainer<E> loss(String name) {
    return set(RunOption.LOSS, name);
  }

  /** Of embeddings: learns vectors that may be cut to these lengths. */
  public Trainer<E> matryoshkaDims(int... dimensions) {
    return set(
        RunOption.MATRYOSHKA_DIMS,
        IntStream.of(dimensions).mapToObj(Integer::toString).collect(Collectors.joining(",")));
  }

  /** Of embeddings: what is put before the first text of each example, and before the others. */
  public Trainer<E> prompts(String query, String passage) {
    set(RunOption.QUERY_PROMPT, query);
    return set(RunOption.PASSAGE_PROMPT, passage);
  }

  /** Goes on from the newest checkpoint in the folder, to the bytes of a run never stopped. */
  public Trainer<E> resume() {
    return set(RunOption.RESUME, true);
  }

  /** Replaces the model in the folder. */
  public Trainer<E> overwrite() {
    return set(RunOption.OVERWRITE, true);
  }

  /**
   * Sets any option of {@code attune train} by its name there, as "adam-beta2".
   *
   * @throws InvalidInputException if there is none of that name
   */
  public Trainer<E> option(String name, Object value) {
    return set(
        OptionNames.find(name, CommandOptions.TRAIN)
            .orElseThrow(
                () -> Faults.translate(OptionNames.unknown(name, CommandOptions.TRAIN, ""))),
        value);
  }

  private Trainer<E> set(RunOption option, Object value) {
    options.put(option, Objects.requireNonNull(value).toString());
    return this;
  }

  /** Hears of each optimizer step. What it throws ends the run. */
  public Trainer<E> onStep(Consumer<TrainingStep> listener) {
    onStep = onStep == null ? listener : onStep.andThen(listener);
    return this;
  }

  /** Hears of each evaluation. What it throws ends the run. */
  public Trainer<E> onEvaluation(Consumer<Evaluation> listener) {
    onEvaluation = onEvaluation == null ? listener : onEvaluation.andThen(listener);
    return this;
  }

  /** Asked after every step: once true, the run saves a checkpoint and ends. */
  public Trainer<E> stopWhen(BooleanSupplier condition) {
    stopWhen = condition;
    return this;
  }

  /**
   * Trains, and writes the model into a folder that Transformers loads unchanged.
   *
   * <p>An interrupt of the calling thread is a request to stop: the run saves a checkpoint after
   * the step in hand and returns; {@link TrainingResult#stopped} is then true, and the thread's
   * interrupt flag is set.
   *
   * @throws InvalidInputException if the data, the model, an option or the folder is wrong; nothing
   *     was changed
   * @throws InsufficientMemoryException if there is no room
   * @throws TrainingDivergedException if the loss stops being finite
   */
  public TrainingResult saveTo(Path folder) {
    RunConfig config = config(folder).build();
    return run((data, listener, stop) -> result(new TrainRun(config, data, listener, stop).run()));
  }

  /**
   * Cross-validation: trains as often as there are folds, each time on all examples but a fold's,
   * and measures on that fold. Every example is in one fold; labels are spread evenly over them,
   * equal texts are in one. It leaves the metrics in the folder, and the predictions of each
   * example by the model that had not learned it; no model.
   *
   * @param folds at least 2
   * @throws InvalidInputException likewise
   */
  public CrossValidationResult crossValidate(int folds, Path folder) {
    RunConfig config = config(folder).set(RunOption.K_FOLD, Integer.toString(folds)).build();
    return run(
        (data, listener, stop) ->
            result(new CrossValidation(config, data, listener, stop).run(), true));
  }

  /** The same where the metrics are all that is wanted: no file is left. */
  public CrossValidationResult crossValidate(int folds) {
    Path folder = null;
    try {
      folder = Files.createTempDirectory("attune-folds");
      RunConfig config = config(folder).set(RunOption.K_FOLD, Integer.toString(folds)).build();
      return run(
          (data, listener, stop) ->
              result(new CrossValidation(config, data, listener, stop).run(), false));
    } catch (IOException e) {
      throw new AttuneException("there is no temporary folder: " + e.getMessage(), e);
    } finally {
      remove(folder);
    }
  }

  private static void remove(Path folder) {
    try {
      if (folder != null) {
        FileOps.SYSTEM.deleteTree(folder);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, () -> folder + " cannot be removed: " + e);
    }
  }

  /** What is done on a thread of its own, with the examples that are in memory. */
  private interface Work<T> {
    T run(Datasets data, RunListener listener, BooleanSupplier stop);
  }

  private <T> T run(Work<T> work) {
    if (train == null) {
      throw new InvalidInputException("there is nothing to learn: call train first", null);
    }
    return Faults.translated(
        () ->
            RunThread.run(
                "attune-train",
                thread -> {
                  Datasets data =
                      new Datasets(
                          Source.held(train, "the training examples"),
                          Source.held(validation, "the validation examples"),
                          Source.held(test, "the test examples"));
                  BooleanSupplier stop =
                      () ->
                          thread.isInterrupted()
                              || stopWhen != null && thread.onCaller(stopWhen::getAsBoolean);
                  return work.run(data, new RunEvents(thread, onStep, onEvaluation), stop);
                }));
  }

  private RunConfig.Builder config(Path folder) {
    RunConfig.Builder builder = RunConfig.builder(CommandOptions.TRAIN);
    options.forEach(builder::set);
    file(builder, RunOption.TRAIN_FILE, train);
    file(builder, RunOption.VALIDATION_FILE, validation);
    file(builder, RunOption.TEST_FILE, test);
    return builder.set(RunOption.OUTPUT_DIR, folder.toString());
  }

  private static void file(RunConfig.Builder builder, RunOption option, Source source) {
    if (source != null && source.file() != null) {
      builder.set(option, source.file());
    }
  }

  private static TrainingResult result(TrainRun.Outcome outcome) {
    var training = outcome.training();
    return new TrainingResult(
        training.steps(),
        training.epochs(),
        training.trainLoss(),
        training.evaluation(),
        outcome.test(),
        training.tokensPerSecond(),
        training.interrupted(),
        training.stoppedEarly(),
        outcome.modelFolder());
  }

  private static CrossValidationResult result(CrossValidation.Outcome outcome, boolean keepsFiles) {
    return new CrossValidationResult(
        outcome.folds().stream()
            .map(
                fold ->
                    new CrossValidationResult.Fold(
                        fold.number(), fold.rows(), fold.steps(), fold.metrics()))
            .toList(),
        outcome.mean(),
        outcome.standardError(),
        outcome.interrupted(),
        keepsFiles ? outcome.predictions() : null);
  }
}
