package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.bench.TrainingBench;
import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What is refused, is refused with what is there, what may be, and what helps. */
class RefusalsTest {
  @TempDir static Path shared;
  private static Path model;
  private static Path train;

  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("model"), backend);
    }
    train = TinyModel.writeData(shared.resolve("train.csv"), 24, 1);
  }

  private RecordedRun on(Path base, Path file) {
    return new RecordedRun(base, file, scratch.resolve("out")).with(RunOption.MAX_STEPS, "1");
  }

  private static String worded(Executable call) {
    return RunOption.worded(assertThrows(InputException.class, call).getMessage());
  }

  /** Before the data are read: there are none. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "FREEZE; layers.0-99; --freeze names layer 99; this model has 2 layers (0 to 1), of which"
            + " --freeze layers.0-1 are all",
        "FREEZE_LAYERS; 3; --freeze-layers is 3; this model has 2 layers (0 to 1): give 0 to 2",
        "CLASS_WEIGHTS; a=1e308; --class-weights is 'a=1e308'; a weight is above 0 and at most"
            + " 1000000, not '1e308'",
        "CLASS_WEIGHTS; a=1,b=nan; --class-weights is 'a=1,b=nan'; a weight is above 0",
        "CLASS_WEIGHTS; a=1,b=0; --class-weights is 'a=1,b=0'; a weight is above 0",
        "CLASS_WEIGHTS; even; --class-weights is 'even'; it is balanced, or NAME=WEIGHT",
        "MAX_TRAIN_SAMPLES; 0; --max-train-samples is 0; it must be at least 1",
        "MAX_EVAL_SAMPLES; many; --max-eval-samples is 'many', not a whole number (evaluate on",
        "EPOCHS; many; --epochs is 'many', not a number (passes over the training data",
        "LABEL_NAMES; a,b,a; --label-names a,b,a names \"a\" twice",
        "LEARNING_RATE; 1d; --learning-rate is '1d', not a number (",
        "LEARNING_RATE; 0x1p-3; --learning-rate is '0x1p-3', not a number (",
        "WEIGHT_DECAY; 1e-4f; --weight-decay is '1e-4f', not a number (",
        "BATCH_SIZE; ８; --batch-size is '８', not a whole number (",
        "SEED; 99999999999999999999; --seed is '99999999999999999999', not a number of 64 bits",
        "MAX_STEPS; 99999999999; --max-steps is 99999999999; it must be at least 0 and at most 1000000000",
        "SAVE_RETRY_MINUTES; 1e308; --save-retry-minutes is 1e308; it must be from 0 to 527040",
        "LR_SCHEDULER_KWARGS; power=2; --lr-scheduler-kwargs has power=2, which linear does not",
      })
  void aValueThatCannotBeIsNamedWithItsRange(String option, String value, String message)
      throws IOException {
    String said =
        on(model, scratch.resolve("none.csv")).with(RunOption.valueOf(option), value).refusal();
    assertTrue(said.startsWith(message), said);
    assertFalse(Files.exists(scratch.resolve("out")));
  }

  /** The folder is taken by then, so that no other run writes there; nothing was written. */
  @Test
  void aRunThatIsRefusedLateLeavesNoEmptyFolder() throws IOException {
    Path bare = Files.createDirectory(scratch.resolve("bare"));
    try (Stream<Path> files = Files.list(model)) {
      for (Path file : files.filter(f -> !f.endsWith("vocab.txt")).toList()) {
        Files.copy(file, bare.resolve(file.getFileName()));
      }
    }
    RecordedRun run = new RecordedRun(bare, train, scratch.resolve("new/out"));
    assertTrue(run.refusal().contains("tokenizer.json"));
    assertFalse(Files.exists(scratch.resolve("new")));

    Path mine = Files.createDirectories(scratch.resolve("mine"));
    assertTrue(new RecordedRun(bare, train, mine).refusal().contains("tokenizer.json"));
    assertTrue(Files.exists(mine));
  }

  /** Options that are nothing together: before the data are read, of which there are none. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "LR_SCHEDULER=greedy; --lr-scheduler greedy follows evaluations, and needs --validation-file"
            + " or --validation-split",
        "LR_SCHEDULER=reduce_lr_on_plateau; --lr-scheduler reduce_lr_on_plateau follows evaluations",
        "EARLY_STOPPING_PATIENCE=2; --early-stopping-patience needs --validation-file or --valid",
        "LOAD_BEST_MODEL_AT_END=true; keeping the best weights (--metric-for-best-model,"
            + " --load-best-model-at-end) needs --validation-file or --validation-split",
        "METRIC_FOR_BEST_MODEL=accuracy; keeping the best weights (--metric-for-best-model,",
        "EVAL_STEPS=2; --eval-steps needs data to evaluate on: --validation-file or",
        "EVAL_STRATEGY=epoch; --eval-strategy needs data to evaluate on: --validation-file or",
        "MAX_EVAL_SAMPLES=2; --max-eval-samples needs data to evaluate on: --validation-file or",
        "TASK=multi-label-classification TUNE_THRESHOLDS=true; --tune-thresholds needs"
            + " --validation-file or --validation-split",
        "TASK=question-answering TUNE_THRESHOLDS=true; --tune-thresholds needs --validation-file",
        "TASK=causal-lm EVALUATE_WITH=generate; --evaluate-with generate needs --validation-file",
        "VALIDATION_SPLIT=0.1 VALIDATION_FILE=x.csv; --validation-split and --validation-file are"
            + " both given; leave one of them out",
        "TEST_SPLIT=0.1 TEST_FILE=x.csv; --test-split and --test-file are both given",
        "VALIDATION_SPLIT=0.5 TEST_SPLIT=0.5; --validation-split and --test-split leave nothing to",
        "TASK=embedding LOSS=cosine; --loss is 'cosine'; allowed are multiple-negatives-ranking,",
        "TASK=embedding LOSS=triplet LOSS_SCALE=3; --loss-scale has no meaning for --loss triplet",
        "TASK=embedding LOSS_MARGIN=3; --loss-margin has no meaning for --loss multiple-negatives",
        "TASK=embedding LOSS_SCALE=1e308; --loss-scale is 1e308; it must be from -3.4028235E38 to",
        "TASK=embedding LOSS=triplet LOSS_MARGIN=-1e308; --loss-margin is -1e308; it must be from",
        "TASK=embedding MATRYOSHKA_DIMS=8,8; --matryoshka-dims is '8,8'; a list of different",
        "TASK=embedding MATRYOSHKA_WEIGHTS=1,2; --matryoshka-weights is '1,2'; as many numbers",
        "TASK=embedding BATCH_SAMPLER=any; --batch-sampler is 'any'; allowed are batch and",
        "TASK=embedding POOLING=max; --pooling is 'max'; allowed are mean, cls, lasttoken",
        "TASK=embedding MINI_BATCH_SIZE=0; --mini-batch-size is '0'; an integer of at least 1",
        "TASK=few-shot LOSS=triplet; --loss triplet is not one of rows with labels; allowed are",
        "TASK=few-shot HEAD_C=0; --head-c is 0.0; it must be above 0",
        "TASK=few-shot NUM_ITERATIONS=3; --num-iterations is how many pairs are listed for each row",
        "TASK=few-shot SAMPLING_STRATEGY=all; --sampling-strategy is 'all'; allowed are",
        "TASK=few-shot SAMPLING_STRATEGY=unique LABEL_TEMPLATE={}; --label-template is of all",
        "TASK=masked-lm MLM_PROBABILITY=0; --mlm-probability is 0.0; it must be above 0",
        "TASK=masked-lm MASK_REPLACE_PROB=0.9 RANDOM_REPLACE_PROB=0.5; --mask-replace-prob and"
            + " --random-replace-prob are 0.9 and 0.5; together they may be 1 at most",
        "TASK=question-answering DOC_STRIDE=-1; --doc-stride is '-1'; an integer of at least 0",
        "WEIGHT_DECAY=1e308; --weight-decay is 1.0E308; it must be from 0.0 to 10.0",
        "OPTIMIZER=sgd WEIGHT_DECAY=1e308; --weight-decay is 1.0E308; it must be from 0.0 to 10.0",
        "ADAM_BETA1=0.99999999; --adam-beta1 is 0.99999999, which in 32 bits is 1; it must be from 0 to at most 0.99999994",
        "ADAM_BETA2=1; --adam-beta2 is 1.0; it must be from 0 to below 1",
        "ADAM_EPSILON=1e-60; --adam-epsilon is 1.0E-60; it must be from",
        "LORA_R=2 LORA_LAYERS=7-3; --lora-layers has '7-3'; it takes numbers and ranges: 0,4-7",
        "LORA_R=2 LORA_TRAINABLE_TOKEN_INDICES=x; --lora-trainable-token-indices has 'x'; it takes",
        "LORA_R=2 LORA_TRAINABLE_TOKEN_INDICES=999999999999; --lora-trainable-token-indices has '999999999999'; numbers are 0 to 9999999",
        "LORA_R=2 LORA_TRAINABLE_TOKEN_INDICES=1-2147483647; --lora-trainable-token-indices has '1-2147483647'; numbers are 0 to 9999999",
        "LORA_R=2 LORA_TRAINABLE_TOKEN_INDICES=7-3; --lora-trainable-token-indices has '7-3'; a range goes from the lower number",
        "LORA_TRAINABLE_TOKEN_INDICES=3; --lora-trainable-token-indices needs --lora-r",
      })
  void optionsThatAreNothingTogetherAreRefusedAtOnce(String options, String message)
      throws IOException {
    RecordedRun run = on(model, scratch.resolve("none.csv"));
    for (String option : options.split(" ")) {
      String[] pair = option.split("=", 2);
      run = run.with(RunOption.valueOf(pair[0]), pair[1]);
    }
    String said = run.refusal();
    assertTrue(said.startsWith(message), said);
    assertFalse(Files.exists(scratch.resolve("out")));
  }

  @Test
  void aDirectionIsNoParameterOfAPlateau() {
    String said =
        on(model, scratch.resolve("none.csv"))
            .with(RunOption.LR_SCHEDULER, "reduce_lr_on_plateau")
            .with(RunOption.WARMUP_RATIO, "0")
            .with(RunOption.LR_SCHEDULER_KWARGS, "mode=max")
            .refusal();
    assertTrue(
        said.startsWith(
            "--lr-scheduler-kwargs has mode=max, which reduce_lr_on_plateau does not take; it takes"
                + " factor, "),
        said);
    assertTrue(said.endsWith("follows from --metric-for-best-model"), said);
    String number =
        on(model, scratch.resolve("none.csv"))
            .with(RunOption.LR_SCHEDULER, "reduce_lr_on_plateau")
            .with(RunOption.WARMUP_RATIO, "0")
            .with(RunOption.LR_SCHEDULER_KWARGS, "factor=half")
            .refusal();
    assertTrue(
        number.endsWith("factor is 'half', which is no number; it must be from 0 to below 1"),
        number);
  }

  @ParameterizedTest
  @CsvSource({"VALIDATION_FILE", "CLASS_WEIGHTS", "LORA_TARGETS", "SEED", "METRIC_FOR_BEST_MODEL"})
  void anEmptyValueIsNotTakenForNone(RunOption option) {
    String said = worded(() -> on(model, train).with(option, ""));
    assertTrue(said.startsWith("--" + option.option() + " has an empty value; leave it "), said);
  }

  @Test
  void anAdapterIsFrozenBesideItself() {
    on(model, train).with(RunOption.LORA_R, "2").run();
    Path adapter = scratch.resolve("out");
    String said =
        new RecordedRun(adapter, train, scratch.resolve("further"))
            .with(RunOption.FREEZE_LAYERS, "1")
            .refusal();
    assertTrue(
        said.startsWith("--freeze-layers: " + adapter + " is an adapter, beside which the whole"),
        said);
    assertFalse(said.contains("--lora"), said);
    RunConfig embed =
        RunConfig.builder(CommandOptions.EMBED)
            .set(RunOption.MODEL, adapter.toString())
            .set(RunOption.FILE, List.of(train.toString()))
            .set(RunOption.OUTPUT, scratch.resolve("vectors.npy").toString())
            .build();
    String vectors = worded(() -> EmbedRun.run(embed));
    assertTrue(vectors.contains(" is an adapter for classification, which makes no"), vectors);
    assertTrue(vectors.contains("attune merge"), vectors);
  }

  @Test
  void whoAsksAnEmbeddingModelToPredictHearsWhatWillDo() throws IOException {
    Path pairs =
        Files.writeString(
            scratch.resolve("pairs.csv"), "anchor,positive\ngood,fine\nbad,sad\nold,poor\n");
    for (String rank : List.of("0", "2")) {
      Path made = scratch.resolve("made" + rank);
      new RecordedRun(model, pairs, made)
          .with(RunOption.TASK, "embedding")
          .with(RunOption.LORA_R, rank)
          .with(RunOption.MAX_STEPS, "1")
          .run();
      String said = worded(() -> PredictRun.run(predict(made)));
      assertTrue(said.contains("attune embed --model " + made + " writes them"), said);
      assertTrue(
          said.contains(
              rank.equals("0")
                  ? "attune train --model " + made
                  : "(attune merge --model " + made + ") and train that"),
          said);
    }
  }

  @Test
  void aFileForClassificationIsNotTakenForScores() throws IOException {
    String labelled = on(model, train).with(RunOption.TASK, "embedding").refusal();
    assertTrue(
        labelled.contains("the rows have one text each, and --task embedding learns from"),
        labelled);
    assertTrue(labelled.contains("columns anchor,positive or"), labelled);
    assertTrue(labelled.endsWith("as for --task classification"), labelled);
    Path texts = Files.writeString(scratch.resolve("texts.csv"), "text\ngood\nbad\n");
    String bare = on(model, texts).with(RunOption.TASK, "embedding").refusal();
    assertTrue(bare.contains("the rows have one text each"), bare);
    assertFalse(bare.contains("classification"), bare);
  }

  @ParameterizedTest
  @CsvSource({"MAX_EVAL_SAMPLES,5", "EVAL_STEPS,2", "EVAL_STRATEGY,epoch"})
  void whatIsAskedOfEvaluationsNeedsThem(RunOption option, String value) {
    String said = on(model, train).with(option, value).refusal();
    assertTrue(
        said.startsWith("--" + option.option() + " needs data to evaluate on: --validation-file"),
        said);
  }

  private RunConfig predict(Path folder, String... namesAndValues) {
    RunConfig.Builder options =
        RunConfig.builder(CommandOptions.PREDICT)
            .set(RunOption.MODEL, folder.toString())
            .set(RunOption.FILE, List.of(train.toString()))
            .set(RunOption.OUTPUT, scratch.resolve("predictions.jsonl").toString());
    for (int i = 0; i < namesAndValues.length; i += 2) {
      options.set(RunOption.valueOf(namesAndValues[i]), namesAndValues[i + 1]);
    }
    return options.build();
  }

  /**
   * What another task, or another kind of model, would do with an option is not done in silence.
   */
  @Test
  void anOptionThatAModelHasNoUseForIsRefused() {
    on(model, train).run();
    Path made = scratch.resolve("out");
    String stride = worded(() -> PredictRun.run(predict(made, "DOC_STRIDE", "9")));
    assertTrue(stride.equals("--doc-stride has no meaning for --task classification"), stride);
    String base = worded(() -> PredictRun.run(predict(made, "BASE_MODEL", "minilm")));
    assertTrue(base.startsWith("--base-model minilm is an adapter's, and "), base);
    String bits = worded(() -> PredictRun.run(predict(made, "LOAD_IN_4BIT", "true")));
    assertTrue(bits.contains("are for language models and for the bases of adapters"), bits);
  }

  @ParameterizedTest
  @CsvSource({
    "MAX_LENGTH,0,it must be from 1 to",
    "MAX_LENGTH,-1,it must be from 1 to",
    "DROPOUT,-1,at least 0 and below 1",
    "DROPOUT,1e308,--dropout is 1e308",
    "MAX_STEPS,1000001,it must be from 0 to 1000000",
    "MAX_STEPS,-1,it must be from 0 to 1000000",
    "BATCH_SIZE,0,it must be from 1 to",
    "MAX_NEW_TOKENS,5,needs --streams",
    "COLUMNS,'text,label',needs --file",
  })
  void whatCannotBeTimedIsRefused(RunOption option, String value, String part) {
    RunConfig bench =
        RunConfig.builder(CommandOptions.BENCH)
            .set(RunOption.MODEL, model.toString())
            .set(RunOption.MAX_STEPS, "1")
            .set(option, value)
            .build();
    String said = worded(() -> TrainingBench.run(bench, note -> {}));
    assertTrue(said.startsWith("--" + option.option() + " "), said);
    assertTrue(said.contains(part), said);
  }

  @Test
  void aBenchmarkTakesAsManyLabelsAsAFileHas() throws IOException {
    Path three =
        Files.writeString(scratch.resolve("three.csv"), "text,label\ngood,a\nbad,b\nsad,c\n");
    RunConfig bench =
        RunConfig.builder(CommandOptions.BENCH)
            .set(RunOption.MODEL, model.toString())
            .set(RunOption.FILE, three.toString())
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.MAX_STEPS, "1")
            .set(RunOption.BATCH_SIZE, "3")
            .build();
    double loss = TrainingBench.run(bench, note -> {}).training().trainLoss();
    assertTrue(Math.abs(loss - Math.log(3)) < 0.3, "loss " + loss);
  }

  @Test
  void metricsOfTestDataAreNotThoseOfValidation() {
    TrainRun.Outcome outcome = on(model, train).with(RunOption.TEST_FILE, train.toString()).run();
    assertTrue(outcome.evaluation().isEmpty(), outcome.evaluation()::toString);
    assertTrue(outcome.test().containsKey("accuracy"), outcome.test()::toString);
  }

  /** The first rows of RoBERTa's position table belong to no token. */
  @Test
  void aBenchmarkTakesNoMoreTokensThanTheModel() {
    RunConfig bench =
        RunConfig.builder(CommandOptions.BENCH)
            .set(RunOption.MODEL, Goldens.own("roberta").toString())
            .set(RunOption.MAX_STEPS, "1")
            .set(RunOption.MAX_LENGTH, "26")
            .build();
    String said = worded(() -> TrainingBench.run(bench, note -> {}));
    assertTrue(said.startsWith("--max-length is 26; this model takes 24 tokens at most"), said);
  }

  /** What stands behind the object would be read by nobody. */
  @ParameterizedTest
  @ValueSource(strings = {"config.json", "tokenizer_config.json"})
  void aFileWithMoreThanItsObjectIsRefused(String name) throws IOException {
    Path base = copied(model, "twice");
    Files.writeString(base.resolve(name), "{\"dropout\": 0.5}\n", StandardOpenOption.APPEND);
    String said = on(base, train).refusal();
    assertTrue(said.contains(name), said);
    assertTrue(said.endsWith("more follows the value that it begins with"), said);
  }

  @Test
  void aConfigFileOfTwoDocumentsIsRefused() {
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    String said = worded(() -> config.setAll("epochs: 1\n---\nepochs: 2\n", "run.yaml"));
    assertEquals("run.yaml: not valid YAML: more follows the value that it begins with", said);
  }

  private Path copied(Path from, String name) throws IOException {
    Path to = Files.createDirectories(scratch.resolve(name));
    try (Stream<Path> files = Files.list(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Files.copy(file, to.resolve(file.getFileName()));
      }
    }
    return to;
  }

  /** A model of finite weights that are so large that nothing can be computed with them. */
  @Test
  void outputsThatAreNoNumbersAreRefused() throws IOException {
    Path trained = scratch.resolve("trained");
    new RecordedRun(model, train, trained).with(RunOption.MAX_STEPS, "1").run();
    Path base = copied(trained, "large");
    Path weights = base.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(weights);
    ByteBuffer all = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    for (int at = 8 + (int) all.getLong(0); at < bytes.length; at += Float.BYTES) {
      all.putFloat(at, Math.signum(all.getFloat(at)) * 3e38f);
    }
    Files.write(weights, bytes);
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.PREDICT)
            .set(RunOption.MODEL, base.toString())
            .set(RunOption.FILE, train.toString())
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.OUTPUT, scratch.resolve("predicted.jsonl").toString());
    String said = worded(() -> PredictRun.run(config.build()));
    assertTrue(said.startsWith("the model gives NaN where a number is wanted"), said);
    assertFalse(Files.exists(scratch.resolve("predicted.jsonl")));
  }
}
