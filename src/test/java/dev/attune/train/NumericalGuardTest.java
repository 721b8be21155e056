package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.batch.TargetLayout;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Optimizer;
import dev.attune.optim.Schedule;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.tape.Tape;
import dev.attune.testkit.Host;
import dev.attune.testkit.TestTasks;
import dev.attune.testkit.TinyModel;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Guards;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;
import java.util.stream.DoubleStream;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Values that are no numbers: noticed, named, and in no file. */
class NumericalGuardTest {
  private static final int BATCH = 8;

  /** Its square is beyond f32, so the loss is infinite though every weight is sound. */
  private static final float TOO_LARGE = 1e30f;

  private static final Guards SKIP = new Guards(true, false);
  private static final Guards CHECK = new Guards(false, true);

  @TempDir static Path shared;
  private static Path folder;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyModel.write(shared.resolve("model"), backend);
    }
  }

  private static class Heard implements TrainListener {
    final List<Double> losses = new ArrayList<>();
    final List<Long> skipped = new ArrayList<>();

    @Override
    public void onStep(Step step) {
      losses.add(step.loss());
    }

    @Override
    public void onSkipped(Step step, long count) {
      assertEquals(skipped.size() + 1, count);
      skipped.add(step.step());
    }

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {}
  }

  /** Refuses to be asked for anything. */
  private static final CheckpointSink NOTHING_IS_SAVED =
      new CheckpointSink() {
        @Override
        public void save(long step, ObjectNode state, Map<String, Buffer> contents) {
          throw new AssertionError("step " + step + " was saved");
        }

        @Override
        public boolean begin(
            long step, ObjectNode state, Map<String, Buffer> contents, Set<String> fleeting) {
          return false;
        }

        @Override
        public Optional<Ended> settled(boolean waits) {
          return Optional.empty();
        }

        @Override
        public void saveBest(long step, Buffer weights) {
          throw new AssertionError("weights were saved");
        }

        @Override
        public boolean loadBest(Buffer weights) {
          return false;
        }

        @Override
        public boolean savesLast() {
          return true;
        }
      };

  /** Batches in order; one of those that are named has a target that is too large. */
  private static EncodedDataset batches(int[] numbers, int... bad) {
    EncodedDataset.Builder builder = EncodedDataset.builder(TargetLayout.NUMBER, true);
    for (int number : numbers) {
      boolean isBad = IntStream.of(bad).anyMatch(b -> b == number);
      for (int i = 0; i < BATCH; i++) {
        int[] ids = {2, 5 + (number + i) % 22, 5 + number * i % 22, 3};
        builder.add(ids, new int[4], isBad && i == 3 ? TOO_LARGE : (number + i) % 5 - 2f);
      }
    }
    return builder.build();
  }

  private static int[] upTo(int count) {
    return IntStream.range(0, count).toArray();
  }

  private record Ended(TrainResult result, float[] weights) {}

  private static Ended train(
      EncodedDataset data,
      Guards guards,
      boolean keepsInputs,
      TrainListener listener,
      CheckpointSink sink,
      BiConsumer<Long, Parameters> afterStep) {
    TrainerConfig config =
        new TrainerConfig(
            BATCH,
            1,
            0,
            1,
            Rates.of(Schedule.Kind.CONSTANT, 1e-3, 0),
            1.0,
            0,
            3,
            false,
            Evaluations.every(0),
            0,
            guards);
    try (CpuBackend backend = new CpuBackend(1);
        Model model =
            Families.create(backend, ModelFolder.readConfig(folder), HeadKind.SEQUENCE, 1, 0f);
        Tape tape = new Tape(backend, new Arena(backend, 1 << 28), DType.F32, config.seed())) {
      ModelWeights.load(folder, model, config.seed());
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      tape.useCheckpoints(keepsInputs);
      TrainListener touching =
          new Heard() {
            @Override
            public void onStep(Step step) {
              listener.onStep(step);
              afterStep.accept(step.step(), parameters);
            }

            @Override
            public void onSkipped(Step step, long count) {
              listener.onSkipped(step, count);
            }
          };
      try (Optimizer optimizer = new AdamW(parameters, AdamW.Config.withDecay(0.01f));
          TrainingLoop trainer =
              new TrainingLoop(TestTasks.REGRESSION, model, optimizer, tape, data, null, config)) {
        TrainResult result = trainer.run(touching, sink, () -> false);
        return new Ended(result, Host.floats(parameters.weights(), 0, (int) parameters.size()));
      }
    }
  }

  private static Ended train(EncodedDataset data, Guards guards, TrainListener listener) {
    return train(data, guards, false, listener, null, (step, parameters) -> {});
  }

  private static void fill(Parameters parameters, String name, float value) {
    Segment segment =
        parameters.segments().stream().filter(s -> s.name().endsWith(name)).findFirst().get();
    parameters.write(
        segment,
        (first, values) -> {
          while (values.hasRemaining()) {
            values.put(value);
          }
        });
  }

  @Test
  void aStepThatIsNotFiniteEndsTheRunAndNamesTheRemedies() {
    Heard heard = new Heard();
    String message =
        assertThrows(DivergedException.class, () -> train(batches(upTo(6), 2), Guards.STOP, heard))
            .getMessage();
    assertTrue(message.startsWith("step 3: the loss is Infinity"), message);
    assertEquals(2, heard.losses.size());
  }

  /** Not a bit of it is left: Adam's moments and its count of updates neither. */
  @Test
  void aSkippedStepLeavesTheWeightsOfARunWithoutItsBatch() {
    Heard heard = new Heard();
    Ended skipping = train(batches(upTo(6), 2), SKIP, heard);
    Ended without = train(batches(new int[] {0, 1, 3, 4, 5}), Guards.STOP, new Heard());
    assertEquals(List.of(3L), heard.skipped);
    assertEquals(6, skipping.result().steps());
    assertEquals(1, skipping.result().skippedSteps());
    assertEquals(without.result().trainLoss(), skipping.result().trainLoss());
    assertArrayEquals(without.weights(), skipping.weights());
  }

  @Test
  void aFirstStepCanBeSkipped() {
    Ended skipping = train(batches(upTo(4), 0), SKIP, new Heard());
    Ended without = train(batches(new int[] {1, 2, 3}), Guards.STOP, new Heard());
    assertArrayEquals(without.weights(), skipping.weights());
  }

  @Test
  void whereEveryStepIsSkippedTheRunEnds() {
    Heard heard = new Heard();
    String message =
        assertThrows(DivergedException.class, () -> train(batches(upTo(20), upTo(20)), SKIP, heard))
            .getMessage();
    assertTrue(message.startsWith("step 11: the loss is Infinity"), message);
    assertTrue(message.contains("as in the 10 steps before"), message);
    assertEquals(10, heard.skipped.size());
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.POSITIVE_INFINITY, Float.NaN})
  void weightsThatTheLastUpdateSpoiltAreNotSaved(float value) {
    String message =
        assertThrows(
                DivergedException.class,
                () ->
                    train(
                        batches(upTo(3)),
                        Guards.STOP,
                        false,
                        new Heard(),
                        NOTHING_IS_SAVED,
                        (step, parameters) -> {
                          if (step == 3) {
                            fill(parameters, "layer.1.output.dense.bias", value);
                          }
                        }))
            .getMessage();
    assertTrue(message.startsWith("step 3: the update left values in "), message);
    assertTrue(message.contains("layer.1.output.dense.bias"), message);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theOpThatMadeTheFirstSuchValueIsNamed(boolean keepsInputs) {
    String message =
        assertThrows(
                DivergedException.class,
                () ->
                    train(
                        batches(upTo(3)),
                        CHECK,
                        keepsInputs,
                        new Heard(),
                        null,
                        (step, parameters) -> {
                          if (step == 1) {
                            fill(parameters, "layer.1.intermediate.dense.weight", 3e38f);
                          }
                        }))
            .getMessage();
    assertTrue(message.startsWith("step 2: the forward of "), message);
    assertTrue(message.contains(" in layer 1 made the first values that are not finite"), message);
  }

  @Test
  void theCheckChangesNoBit() {
    Ended checked = train(batches(upTo(4)), CHECK, new Heard());
    Ended plain = train(batches(upTo(4)), Guards.STOP, new Heard());
    assertArrayEquals(plain.weights(), checked.weights());
  }

  @Test
  void aLossThatIsNotFiniteIsNamedByTheCheck() {
    String message =
        assertThrows(DivergedException.class, () -> train(batches(upTo(4), 1), CHECK, new Heard()))
            .getMessage();
    assertTrue(message.startsWith("step 2: the loss made the first values"), message);
  }

  @Test
  void theTwoWaysExcludeEachOther() {
    assertThrows(InputException.class, () -> new Guards(true, true));
  }

  @Test
  void aLossThatLeapsIsNoticedOnceForAWhile() {
    LossSpikes spikes = new LossSpikes();
    double[] losses =
        DoubleStream.iterate(0, i -> i + 1).limit(100).map(i -> 1 + 0.1 * Math.sin(i)).toArray();
    losses[10] = 50; // before anything is usual
    losses[60] = 5;
    losses[61] = 6;
    List<Integer> noticed = new ArrayList<>();
    for (int i = 0; i < losses.length; i++) {
      if (spikes.add(losses[i]).isPresent()) {
        noticed.add(i);
      }
    }
    assertEquals(List.of(60), noticed);
  }
}
