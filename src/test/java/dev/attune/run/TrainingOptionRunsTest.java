package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.data.Finding;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import dev.attune.weights.WeightFolder;
import dev.attune.weights.WeightSource;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs with class weights, frozen parts, rates by layer and rates that follow evaluations. */
class TrainingOptionRunsTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path validation;

  @BeforeEach
  void write() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 161, 1); // one positive more
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 20, 2);
  }

  private RecordedRun run(String output, String... namesAndValues) {
    RecordedRun run = new RecordedRun(model, train, scratch.resolve(output));
    run.with(RunOption.VALIDATION_FILE, validation.toString());
    for (int i = 0; i < namesAndValues.length; i += 2) {
      run.with(
          OptionNames.find(namesAndValues[i], CommandOptions.TRAIN).orElseThrow(),
          namesAndValues[i + 1]);
    }
    return run;
  }

  private byte[] weights(String output) throws IOException {
    return Files.readAllBytes(scratch.resolve(output).resolve("model.safetensors"));
  }

  private static float[] tensor(Path folder, String name) {
    try (WeightSource source = WeightFolder.open(folder)) {
      String held = source.names().contains(name) ? name : name.replaceFirst("^bert\\.", "");
      FloatBuffer values = FloatBuffer.allocate((int) elements(source.info(held).shape()));
      source.read(held, values);
      return values.array();
    }
  }

  private static long elements(long[] shape) {
    long count = 1;
    for (long dim : shape) {
      count *= dim;
    }
    return count;
  }

  static Stream<Arguments> options() {
    return Stream.of(
            List.of("class-weights", "balanced", "label-smoothing", "0.1"),
            List.of("freeze-layers", "1"),
            List.of("freeze", "embeddings,layers.1", "optimizer", "sgd"),
            List.of("layer-lr-decay", "0.8", "head-learning-rate", "1e-2"),
            List.of(
                "lr-scheduler",
                "reduce_lr_on_plateau",
                "lr-scheduler-kwargs",
                "patience=0,threshold=0.5",
                "eval-steps",
                "1"),
            List.of(
                "lr-scheduler",
                "greedy",
                "lr-scheduler-kwargs",
                "patience=0,min_lr=0,factor=0.5,smooth=1,window_size=2",
                "eval-steps",
                "1"))
        .map(Arguments::of);
  }

  /** A run that is stopped and goes on ends as one that was not, whatever was asked for. */
  @ParameterizedTest
  @MethodSource("options")
  void aResumedRunEndsWithTheSameBytes(List<String> options) throws IOException {
    String[] given = options.toArray(String[]::new);
    run("whole", given).run();
    assertTrue(run("parts", given).stoppedAfter(3).run().training().interrupted());
    run("parts", given).with(RunOption.RESUME).run();
    assertArrayEquals(weights("whole"), weights("parts"));
    assertEquals(
        Files.readString(scratch.resolve("whole/metrics.jsonl")),
        Files.readString(scratch.resolve("parts/metrics.jsonl")));
    run("plain").run();
    assertTrue(!java.util.Arrays.equals(weights("plain"), weights("whole")), "options do nothing");
  }

  @Test
  void anotherOptionThanTheRunWasBegunWithIsRefused() {
    run("out", "freeze-layers", "1").stoppedAfter(3).run();
    String refusal = run("out").with(RunOption.RESUME).refusal();
    assertTrue(refusal.contains("--freeze-layers was 1 and is now 0"), refusal);
    String[] plateau = {"lr-scheduler", "reduce_lr_on_plateau", "eval-steps", "2"};
    run("other", plateau).stoppedAfter(3).run();
    refusal =
        run("other", "lr-scheduler", "reduce_lr_on_plateau", "eval-steps", "3")
            .with(RunOption.RESUME)
            .refusal();
    assertTrue(refusal.contains("--eval-steps was 2 and is now 3"), refusal);
  }

  @Test
  void frozenPartsStayToTheBitAndTheFolderIsWhole() {
    RecordedRun run = run("out", "freeze-layers", "1");
    run.run();
    assertTrue(
        run.notes().stream().anyMatch(note -> note.startsWith("frozen: ")), run.notes()::toString);
    Path out = scratch.resolve("out");
    for (String name :
        List.of(
            "bert.embeddings.word_embeddings.weight",
            "bert.embeddings.LayerNorm.bias",
            "bert.encoder.layer.0.attention.self.query.weight",
            "bert.encoder.layer.0.output.LayerNorm.weight")) {
      assertArrayEquals(tensor(model, name), tensor(out, name), name);
    }
    String trained = "bert.encoder.layer.1.attention.self.query.weight";
    assertTrue(!java.util.Arrays.equals(tensor(model, trained), tensor(out, trained)));
    assertEquals(0.5, measured(out).get("loss").asDouble(), 0.5);
  }

  private JsonNode measured(Path folder) {
    try {
      return new ObjectMapper().readTree(folder.resolve("attune.json").toFile()).get("eval");
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  /** A smaller store, and so smaller checkpoints: what is frozen comes from the base again. */
  @Test
  void linearProbingTrainsTheHeadAlone() {
    run("out", "freeze-base", "true").run();
    Path out = scratch.resolve("out");
    String pooler = "bert.pooler.dense.weight";
    assertArrayEquals(tensor(model, pooler), tensor(out, pooler));
    assertTrue(tensor(out, "classifier.weight").length > 0);
  }

  @Test
  void balancedWeightsAreStatedAndWeighEvaluationsToo() throws IOException {
    List<String> lines = new ArrayList<>(Files.readAllLines(train));
    lines.removeIf(line -> line.endsWith("negative") && lines.indexOf(line) % 4 != 2);
    Files.write(train, lines);
    long negative = lines.stream().filter(line -> line.endsWith("negative")).count();
    long positive = lines.stream().filter(line -> line.endsWith("positive")).count();
    double n = negative + positive;
    RecordedRun run = run("out", "class-weights", "balanced");
    run.run();
    Finding stated =
        run.report().findings().stream()
            .filter(finding -> finding.code().equals("class_weights"))
            .findFirst()
            .orElseThrow();
    String expected =
        String.format(
            java.util.Locale.ROOT,
            "negative %.4g, positive %.4g",
            n / (2 * negative),
            n / (2 * positive));
    assertTrue(stated.message().contains(expected), stated.message());
    JsonNode saved = new ObjectMapper().readTree(scratch.resolve("out/attune.json").toFile());
    assertEquals(n / (2 * negative), saved.get("class_weights").get("negative").asDouble(), 1e-6);
    // Evaluated from the folder, the loss is what training reported.
    RunConfig config =
        RunConfig.builder(CommandOptions.EVALUATE)
            .set(RunOption.MODEL, scratch.resolve("out").toString())
            .set(RunOption.FILE, validation.toString())
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32")
            .build();
    double loss = EvaluateRun.run(config).values().get("loss");
    assertEquals(measured(scratch.resolve("out")).get("loss").asDouble(), loss, 1e-6);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("refusals")
  void whatMakesNoSenseIsRefused(List<String> options, String expected) {
    String refusal = run("out", options.toArray(String[]::new)).refusal();
    assertTrue(refusal.contains(expected), refusal);
  }

  static Stream<Arguments> refusals() {
    return Stream.of(
        Arguments.of(
            List.of("class-weights", "joy=2"),
            "--class-weights is 'joy=2'; it is balanced, or NAME=WEIGHT"),
        Arguments.of(
            List.of("class-weights", "positive=0"),
            "a weight is above 0 and at most 1000000, not '0'"),
        Arguments.of(List.of("class-weights", "positive=1,positive=2"), "is there twice"),
        Arguments.of(
            List.of("class-weights", "balanced", "task", "regression"),
            "--class-weights has no meaning for --task regression"),
        Arguments.of(List.of("freeze", "pooler"), "--freeze has 'pooler'; it takes embeddings"),
        Arguments.of(List.of("freeze", "layers.3-1"), "--freeze has 'layers.3-1'"),
        Arguments.of(List.of("freeze", "layers.0-2"), "this model has 2 layers (0 to 1)"),
        Arguments.of(
            List.of("freeze-layers", "3"),
            "--freeze-layers is 3; this model has 2 layers (0 to 1)"),
        Arguments.of(List.of("freeze-layers", "-1"), "--freeze-layers is -1"),
        Arguments.of(
            List.of("freeze-base", "true", "freeze-layers", "1"), "leave --freeze-layers out"),
        Arguments.of(
            List.of("freeze-layers", "1", "lora-r", "4"),
            "--freeze-layers does not go with --lora-r"),
        Arguments.of(List.of("layer-lr-decay", "0"), "--layer-lr-decay is 0.0"),
        Arguments.of(List.of("layer-lr-decay", "1.1"), "above 0 and at most 1"),
        Arguments.of(List.of("head-learning-rate", "0"), "--head-learning-rate is 0.0"),
        Arguments.of(
            List.of("lr-scheduler", "reduce_lr_on_plateau", "eval-strategy", "no"),
            "follows evaluations on the way, of which --eval-strategy no makes none"),
        Arguments.of(
            List.of("lr-scheduler", "reduce_lr_on_plateau", "warmup-steps", "3"),
            "--warmup-steps does nothing: --lr-scheduler reduce_lr_on_plateau has no warmup; leave it"
                + " out"),
        Arguments.of(
            List.of("lr-scheduler", "reduce_lr_on_plateau", "lr-scheduler-kwargs", "mode=1"),
            "mode=1, which reduce_lr_on_plateau does not take"));
  }

  @Test
  void ratesThatFollowEvaluationsNeedThem() {
    String refusal =
        new RecordedRun(model, train, scratch.resolve("out"))
            .with(RunOption.LR_SCHEDULER, "reduce_lr_on_plateau")
            .refusal();
    assertTrue(refusal.contains("follows evaluations, and needs --validation-file"), refusal);
  }
}
