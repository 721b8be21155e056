package dev.attune.run;

import dev.attune.batch.EncodedCache;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.batch.TrainingData;
import dev.attune.batch.WholeDataset;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding;
import dev.attune.folder.ContentDigest;
import dev.attune.generate.TextGeneration;
import dev.attune.model.Model;
import dev.attune.tape.Tape;
import dev.attune.task.Prediction;
import dev.attune.task.Purpose;
import dev.attune.task.Reading;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.train.AnswerCheck;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.ReferencePass;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.UnaryOperator;

/** A training run's data: read, checked, tokenised. */
final class Data {
  private final Task task;
  private final DataReport.Builder report;
  private final Dataset train;
  private final Dataset validation;
  private final Dataset test;
  private EncodedDataset encodedTrain;
  private TrainingData streamed; // null: those are all
  private EncodedDataset encodedFitting; // null where nothing is fitted
  private EncodedDataset encodedValidation;
  private EncodedDataset encodedTest;
  private ComparedAnswers validationAnswers;
  private ComparedAnswers testAnswers;

  private Data(Task task, Dataset train, Dataset validation, Dataset test) {
    this.task = task;
    this.report = DataReport.builder(task);
    this.train = train;
    this.validation = validation;
    this.test = test;
  }

  /** Checks what was read, and stops at what makes training pointless. */
  static Data of(RunConfig config, Task task, Datasets sets) {
    Data data = new Data(task, sets.train(), sets.validation(), sets.test());
    data.report(config, null, null, null).throwIfFatal();
    return data;
  }

  /**
   * The report alone: with token lengths, or without them where fatal findings stand in the way of
   * encoding.
   */
  static DataReport inspected(
      RunConfig config,
      Task task,
      Datasets sets,
      TextTokenizer tokenizer,
      int maxLength,
      EncodedCache cache) {
    Data data = new Data(task, sets.train(), sets.validation(), sets.test());
    DataReport onTexts = data.report(config, null, null, null);
    if (!onTexts.findings(Finding.Severity.FATAL).isEmpty()) {
      return onTexts;
    }
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    return data.encode(config, tokenizer, maxLength, threads, cache, (done, of) -> {});
  }

  /** What is learned. */
  Task task() {
    return task;
  }

  /**
   * Tokenises everything; returns the full report, which has no fatal findings.
   *
   * @param cache of large training data
   * @param progress hears how far training data are
   */
  DataReport encode(
      RunConfig config,
      TextTokenizer tokenizer,
      int maxLength,
      int threads,
      EncodedCache cache,
      Encoder.Progress progress) {
    Encoder learned = new Encoder(task.encoder(tokenizer, maxLength, Purpose.TRAINING), threads);
    encodedTrain = cache.encode(learned, train, tokenizer.content(), progress);
    Encoder measured = new Encoder(task.encoder(tokenizer, maxLength, Purpose.EVALUATION), threads);
    encodedFitting =
        task.isFitted()
            ? new Encoder(task.encoder(tokenizer, maxLength, Purpose.FITTING), threads)
                .encode(train)
            : null;
    encodedValidation = validation == null ? null : measured.encode(validation);
    encodedTest = test == null ? null : measured.encode(test);
    return report(config, encodedTrain, encodedValidation, encodedTest, maxLength);
  }

  /**
   * Prepares validation and test data for comparing what a language model answers.
   *
   * @param most tokens of a text, prompt included
   */
  void prepareAnswers(TextGeneration generation, int most) {
    validationAnswers =
        validation == null ? null : new ComparedAnswers(generation, validation, most);
    testAnswers = test == null ? null : new ComparedAnswers(generation, test, most);
  }

  /** Refuses answers whose keys and values might find no room. */
  void checkAnswerRoom(Model model, DType dtype, long roomBytes) {
    for (ComparedAnswers answers : new ComparedAnswers[] {validationAnswers, testAnswers}) {
      if (answers != null) {
        answers.checkRoom(model, dtype, roomBytes);
      }
    }
  }

  /** What keys and values take while answers are compared, one file at a time; or 0. */
  long answerCacheBytes(Model model, DType dtype) {
    long bytes = 0;
    for (ComparedAnswers answers : new ComparedAnswers[] {validationAnswers, testAnswers}) {
      bytes = Math.max(bytes, answers == null ? 0 : answers.cacheBytes(model, dtype));
    }
    return bytes;
  }

  private DataReport report(
      RunConfig config, EncodedDataset a, EncodedDataset b, EncodedDataset c) {
    return report(config, a, b, c, 0);
  }

  private DataReport report(
      RunConfig config, EncodedDataset a, EncodedDataset b, EncodedDataset c, int maxLength) {
    if (maxLength > 0) {
      report.maxLength(maxLength);
    }
    report.batchSize(Math.max(1, config.smallInteger(RunOption.BATCH_SIZE)));
    report.train(train, a == null ? null : a.lengths());
    if (validation != null) {
      report.validation(validation, b == null ? null : b.lengths());
    }
    if (test != null) {
      report.test(test, c == null ? null : c.lengths());
    }
    return report.build();
  }

  /** Checks token ids against the model, for folders whose tokenizer is another model's. */
  void checkVocabulary(int vocabulary) {
    for (EncodedDataset split :
        new EncodedDataset[] {encodedTrain, encodedValidation, encodedTest}) {
      if (split != null) {
        checkVocabulary(split, vocabulary);
      }
    }
  }

  /** The same of one encoded file. */
  static void checkVocabulary(EncodedDataset encoded, int vocabulary) {
    if (encoded.maxId() >= vocabulary) {
      throw new InputException(
          "the tokenizer gives token id "
              + encoded.maxId()
              + ", the model has "
              + vocabulary
              + " word embeddings; the folder's tokenizer belongs to another model");
    }
  }

  /**
   * Gives all data what the task compares the model with: what it finds now, before it is trained.
   * Does nothing where the task compares with nothing.
   *
   * @return how many sequences the model has read
   */
  int compareWithStart(Model model, Tape tape, Inference inference, BooleanSupplier stopRequested) {
    if (!task.comparesWithStart()) {
      return 0;
    }
    UnaryOperator<EncodedDataset> pass =
        split ->
            split == null ? null : ReferencePass.over(split, model, tape, inference, stopRequested);
    encodedTrain = pass.apply(encodedTrain);
    encodedValidation = pass.apply(encodedValidation);
    encodedTest = pass.apply(encodedTest);
    int sequences = 0;
    for (EncodedDataset split :
        new EncodedDataset[] {encodedTrain, encodedValidation, encodedTest}) {
      sequences += split == null ? 0 : split.size();
    }
    return sequences;
  }

  /**
   * Gives the data numbers that mean nothing, in place of what {@link #compareWithStart} finds: for
   * who only rehearses.
   */
  void compareWithNothing() {
    if (task.comparesWithStart()) {
      encodedTrain = encodedTrain.withReferences(new double[encodedTrain.size()]);
      if (encodedValidation != null) {
        encodedValidation = encodedValidation.withReferences(new double[encodedValidation.size()]);
      }
    }
  }

  /** The training data as they were read, of a stream the first rows. */
  EncodedDataset encodedTrain() {
    return encodedTrain;
  }

  /** How much of an epoch examples are; 0 where it is not known how many there are. */
  double shareOfEpoch(long examples) {
    return streamed == null ? (double) examples / encodedTrain.examples() : 0;
  }

  /** What is learned from. */
  TrainingData train() {
    return streamed == null ? new WholeDataset(encodedTrain) : streamed;
  }

  /**
   * Learns from a stream, of which the training data are the first rows.
   *
   * @param rows makes it of those
   */
  void stream(Function<EncodedDataset, TrainingData> rows) {
    streamed = rows.apply(encodedTrain);
  }

  /** Null where there is none. */
  EncodedDataset validation() {
    return encodedValidation;
  }

  /** The rows that are evaluated on; null where there are none. */
  Dataset validationRows() {
    return validation;
  }

  /** The rows that are tested on; null where there are none. */
  Dataset testRows() {
    return test;
  }

  /** Hears what a task makes of the test data, row by row, while it is evaluated. */
  Reading testing(Task measured, BiConsumer<Example, Prediction> sink) {
    return measured.reading(test, encodedTest, sink);
  }

  /** The same of validation data. */
  Reading validating(Task measured, BiConsumer<Example, Prediction> sink) {
    return measured.reading(validation, encodedValidation, sink);
  }

  /** Of the tokens, targets and label names that are trained on. */
  String trainFingerprint() {
    return encodedTrain.fingerprint()
        + (task.labels() == null ? "" : "-" + ContentDigest.ofTexts(task.labels().names()));
  }

  /** Of the tokens and targets that are evaluated on. */
  String validationFingerprint() {
    return encodedValidation == null ? "none" : encodedValidation.fingerprint();
  }

  /** The task with what is fitted to the training data; itself where nothing is. */
  Task fitted(Task unfitted, Model model, Tape tape, Inference inference) {
    return encodedFitting == null
        ? unfitted
        : Evaluator.fitted(unfitted, encodedFitting, model, tape, inference);
  }

  /** Measures on validation data; null where there is none. */
  Evaluator validation(Task measured, Inference inference) {
    return evaluator(measured, encodedValidation, inference, validationAnswers);
  }

  /** Measures on test data; null where there is none. */
  Evaluator test(Task measured, Inference inference) {
    return evaluator(measured, encodedTest, inference, testAnswers);
  }

  private Evaluator evaluator(
      Task measured, EncodedDataset encoded, Inference inference, AnswerCheck answers) {
    if (encoded == null) {
      return null;
    }
    Evaluator evaluator = new Evaluator(measured, encoded, inference, answers);
    return encodedFitting == null ? evaluator : evaluator.fittedTo(encodedFitting);
  }
}
