package dev.attune.run;

import dev.attune.batch.Batch;
import dev.attune.batch.BatchStream;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Packer;
import dev.attune.batch.WholeDataset;
import dev.attune.core.InputException;
import dev.attune.core.InterruptedCallException;
import dev.attune.data.DataReport;
import dev.attune.data.Finding;
import dev.attune.data.Finding.Severity;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.ModelFolder;
import dev.attune.hub.Progress;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.Optimizer;
import dev.attune.tape.Tape;
import dev.attune.task.Task;
import dev.attune.text.TextTokenizer;
import dev.attune.train.Evaluator;
import dev.attune.train.Inference;
import dev.attune.train.TrainingLoop;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.function.IntUnaryOperator;
import java.util.stream.IntStream;

/**
 * What a training run will do and what memory it takes, found by preparing it without its weights
 * and rehearsing its largest step on a backend that computes nothing. It is taken to save
 * checkpoints on its way.
 *
 * @param rows of the training data, bad ones among them
 * @param batchSize examples in a batch
 * @param tokens of one pass over the training data
 * @param steps of the run
 * @param need memory that it takes
 * @param baseContent a digest of the files that it begins from: weights, configuration, tokenizer
 * @param report on the data
 * @param wrongRows the first rows that cannot be learned, each with its place and what is wrong
 * @param wrongRowCount of all of them
 */
public record TrainEstimate(
    int rows,
    int batchSize,
    long tokens,
    long steps,
    Need need,
    String baseContent,
    DataReport report,
    List<String> wrongRows,
    int wrongRowCount) {
  /**
   * Memory of a run.
   *
   * @param weightBytes of the model's weights and their gradients
   * @param frozenBytes of these, what stays as it is: runs of a {@link TrainGroup} have it once
   * @param optimizerBytes of what the optimizer keeps
   * @param activationBytes of the largest step, outside the gradients, or of an evaluation where
   *     that takes more
   * @param dataBytes of the tokens
   * @param copyBytes of a copy of its state, from which checkpoints are saved while it goes on; 0:
   *     there is none
   */
  public record Need(
      long weightBytes,
      long frozenBytes,
      long optimizerBytes,
      long activationBytes,
      long dataBytes,
      long copyBytes) {
    /** All of it. */
    public long bytes() {
      return weightBytes + optimizerBytes + activationBytes + dataBytes + copyBytes;
    }
  }

  /** Of a number that is trained: master, gradient, and at most a copy in bf16. */
  private static final long BYTES_OF_TRAINED = 2 * Float.BYTES + 2;

  /** Of a token that is kept: its id and what is learned of it. */
  private static final int BYTES_OF_TOKEN = 2 * Integer.BYTES;

  /**
   * Finds out.
   *
   * @param given the run's options; rows that cannot be read are counted whether they say that such
   *     are left out or not
   * @param batchSizes the batch size by the number of rows; null: as the options say
   * @throws InputException on what makes the run impossible or pointless, but for wrong rows
   */
  public static TrainEstimate of(
      RunConfig given, IntUnaryOperator batchSizes, RunListener listener) {
    RunConfig asked = given.with(RunOption.SKIP_BAD_ROWS, "true");
    TrainPlan.of(asked);
    Datasets.check(asked, true);
    Progress fetching = Fetched.heardBy(listener);
    ModelFolder base =
        ModelFolder.openToTrain(
            asked.text(RunOption.MODEL), asked.text(RunOption.BASE_MODEL), fetching);
    boolean generates = TrainPlan.of(asked).task().generates();
    LargeData large = new LargeData(asked, listener::onNote);
    Datasets read = Datasets.read(asked, null, generates && base.hasChatTemplate(), large.rows());
    int rows = read.train().rows() + skipped(read.train().reading().findings());
    RunConfig config =
        batchSizes == null
            ? asked
            : asked.with(RunOption.BATCH_SIZE, Integer.toString(batchSizes.applyAsInt(rows)));
    TrainPlan plan = TrainPlan.of(config);
    HeldOut.of(config, null).check(plan);
    plan = base.isAdapter() ? plan.continuing(base) : plan.ofModel();
    plan.freezing().check(Families.layers(base.config()));
    Subject subject = Subject.of(plan, base, read, null);
    return rehearsed(plan, base, subject.data(), large, listener, rows);
  }

  /**
   * What a run would begin from, by content: {@link #baseContent()}, without its data being read.
   *
   * @throws InputException if it cannot be begun from
   */
  public static String baseContent(RunConfig config) {
    ModelFolder base =
        ModelFolder.openToTrain(
            config.text(RunOption.MODEL), config.text(RunOption.BASE_MODEL), Progress.silent());
    TrainPlan plan = TrainPlan.of(config);
    try (TextTokenizer plain = base.openTokenizer()) {
      AddedVocabulary added = AddedVocabulary.of(config, base, plain);
      try (TextTokenizer extended = added == null ? null : added.tokenizer()) {
        return content(
            base.isAdapter() ? plan.continuing(base) : plan.ofModel(),
            base,
            extended == null ? plain : extended);
      }
    }
  }

  private static String content(TrainPlan plan, ModelFolder base, TextTokenizer tokenizer) {
    int threads = Backends.threads(plan.config().smallInteger(RunOption.THREADS));
    return PreparedRun.baseContent(
        ContentDigest.ofModel(base, plan.task().settingsFiles(base), threads), tokenizer);
  }

  private static TrainEstimate rehearsed(
      TrainPlan plan,
      ModelFolder base,
      Data data,
      LargeData large,
      RunListener listener,
      int rows) {
    RunConfig config = plan.config();
    Task task = data.task();
    PlannedBackend.Taken taken = new PlannedBackend.Taken();
    try (Session session = open(config, taken);
        TextTokenizer plain = base.openTokenizer()) {
      AddedVocabulary added = AddedVocabulary.of(config, base, plain);
      try (TextTokenizer extended = added == null ? null : added.tokenizer();
          Model model =
              task.model(
                  session.backend(),
                  added == null ? base.config() : added.config(base.config()),
                  plan.dropout(),
                  PreparedRun.builder(plan, base, session))) {
        TextTokenizer tokenizer = extended == null ? plain : extended;
        int length = plan.maxLength(model, task.usualLength(), tokenizer);
        int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
        DataReport report =
            data.encode(config, tokenizer, length, threads, large.tokens(), listener::onTokenised);
        report.throwIfFatal();
        data.checkVocabulary(
            (added == null ? base.config() : added.config(base.config()))
                .path("vocab_size")
                .asInt());
        Need need = need(plan, session, model, data, taken);
        EncodedDataset train = data.encodedTrain();
        List<Finding> wrong =
            report.findings(Severity.WARNING).stream()
                .filter(finding -> !finding.reasons().isEmpty())
                .toList();
        List<String> reasons = new ArrayList<>();
        wrong.forEach(finding -> reasons.addAll(finding.reasons()));
        return new TrainEstimate(
            rows,
            plan.trainer().batchSize(),
            train.tokens(),
            steps(plan, train),
            need,
            content(plan, base, tokenizer),
            report,
            List.copyOf(reasons),
            skipped(wrong));
      }
    }
  }

  private static long steps(TrainPlan plan, EncodedDataset train) {
    int batchSize = plan.trainer().batchSize();
    return plan.trainer().totalSteps(BatchStream.batchesPerEpoch(train.examples(), batchSize));
  }

  private static int skipped(List<Finding> findings) {
    return findings.stream()
        .filter(finding -> !finding.reasons().isEmpty())
        .mapToInt(Finding::count)
        .sum();
  }

  /** Real memory of a device would be taken: what the CPU would take is close to it. */
  private static Session open(RunConfig config, PlannedBackend.Taken taken) {
    return Session.open(
        Compute.of(config.with(RunOption.BACKEND, BackendKind.CPU.name().toLowerCase(Locale.ROOT))),
        backend -> PlannedBackend.of(backend, taken));
  }

  private static Need need(
      TrainPlan plan, Session session, Model model, Data data, PlannedBackend.Taken taken) {
    session.prepareTraining(model);
    long weights = taken.bytes();
    long trained = model.parameters().size() * BYTES_OF_TRAINED;
    Tape tape = session.tape(plan.trainer().seed());
    tape.useCheckpoints(plan.config().flag(RunOption.GRADIENT_CHECKPOINTING));
    // It may come to share its passes with others of a group, which borrow no memory of gradients.
    tape.useLoans(plan.config().smallInteger(RunOption.LORA_R) == 0);
    try (Inference inference = new Inference(session.backend());
        Optimizer optimizer = plan.optimizer(model.parameters())) {
      long optimizing = taken.bytes() - weights;
      compareOnce(data, model, tape, inference);
      data.compareWithNothing();
      Evaluator validating = data.validation(data.task(), inference);
      EncodedDataset train = data.encodedTrain();
      try (TrainingLoop loop =
          new TrainingLoop(
              data.task(),
              model,
              optimizer,
              tape,
              new WholeDataset(train),
              validating,
              plan.trainer())) {
        loop.rehearse(largest(train, plan.trainer().batchSize(), model.positionOffset()));
        if (validating != null && !data.task().isFitted()) {
          evaluateOnce(validating, model, tape);
        }
        long beside = taken.bytes() - weights - optimizing - tape.arena().reservedBytes();
        long kept = (long) train.tokens() * BYTES_OF_TOKEN;
        boolean savesOnTheWay = steps(plan, train) > 1;
        return new Need(
            weights,
            Math.max(0, weights - trained),
            optimizing,
            Math.max(0, beside) + tape.arena().highWaterBytes(),
            kept,
            savesOnTheWay
                ? Checkpoints.copyBytes(loop.buffers(), session.backend(), taken.reservableBytes())
                : 0);
      }
    }
  }

  /** A batch of the longest examples, which no batch of the run exceeds. */
  private static Batch largest(EncodedDataset data, int batchSize, int positionOffset) {
    int columns = data.columns();
    int[] longest =
        IntStream.range(0, data.examples())
            .boxed()
            .sorted(
                Comparator.comparingInt(
                    example ->
                        -IntStream.range(0, columns)
                            .map(i -> data.length(example * columns + i))
                            .sum()))
            .limit(batchSize)
            .mapToInt(Integer::intValue)
            .toArray();
    return new Packer(data, positionOffset).pack(longest, new Batch());
  }

  private static void compareOnce(Data data, Model model, Tape tape, Inference inference) {
    int[] asked = {0};
    try {
      data.compareWithStart(model, tape, inference, () -> asked[0]++ > 0);
    } catch (InterruptedCallException e) {
      InterruptedCallException.check("rehearsing");
    }
  }

  private static void evaluateOnce(Evaluator evaluator, Model model, Tape tape) {
    try {
      evaluator.evaluate(
          model,
          tape,
          (batch, output) -> {
            throw new InterruptedCallException("one batch is enough");
          });
    } catch (InterruptedCallException e) {
      InterruptedCallException.check("rehearsing");
    }
  }
}
