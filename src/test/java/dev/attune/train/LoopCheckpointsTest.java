package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Buffer;
import dev.attune.optim.Schedule;
import dev.attune.testkit.Host;
import dev.attune.testkit.TinyModel;
import dev.attune.train.LoopTrial.Recorder;
import dev.attune.train.TrainerConfig.Evaluations;
import dev.attune.train.TrainerConfig.Rates;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the loop saves, when it says so, and how it goes on from that. */
class LoopCheckpointsTest {
  @TempDir static Path shared;
  private static Path folder;

  @BeforeAll
  static void prepare() {
    try (CpuBackend backend = new CpuBackend(1)) {
      folder = TinyModel.write(shared.resolve("model"), backend);
    }
  }

  /** Told to stop while it evaluates, a run saves; the next one evaluates first, and ends alike. */
  @Test
  void anEvaluationThatIsStoppedIsDueWhenTheRunGoesOn() {
    Saved saved = new Saved();
    List<String> undisturbed = new ArrayList<>();
    float[] expected = evaluated(undisturbed, saved, null, () -> false);
    assertEquals(List.of("2", "4", "5"), steps(undisturbed));

    List<String> heard = new ArrayList<>();
    int[] asked = {0};
    // Asked after steps 1 and 2; then between the batches of the evaluation.
    evaluated(heard, saved, null, () -> ++asked[0] > 2);
    assertEquals(List.of(), heard);
    assertEquals(2, saved.state.path("step").asLong());
    assertTrue(saved.state.path("evaluation_due").asBoolean());

    assertArrayEquals(expected, evaluated(heard, saved, saved.state, () -> false));
    assertEquals(undisturbed, heard);
  }

  private static List<String> steps(List<String> heard) {
    return heard.stream().map(line -> line.substring(0, line.indexOf(' '))).toList();
  }

  @Test
  void aCheckpointInTheBackgroundIsToldOfOnceItIsSafe() {
    assertEquals(
        List.of(
            "expected",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "told 4",
            "begin 4",
            "released",
            "step 5",
            "step 6",
            "safe 4",
            "step 7",
            "step 8",
            "told 8",
            "save 8",
            "safe 8"),
        savedSlowly(8));
  }

  @Test
  void aStopWaitsForTheCheckpointInTheBackground() {
    assertEquals(
        List.of(
            "expected",
            "step 1",
            "step 2",
            "step 3",
            "step 4",
            "told 4",
            "begin 4",
            "released",
            "step 5",
            "safe 4",
            "told 5",
            "save 5",
            "safe 5"),
        savedSlowly(5));
  }

  /** What is heard of a run that saves every fourth step and is told to stop after one. */
  private static List<String> savedSlowly(int stopAfter) {
    List<String> heard = new ArrayList<>();
    TrainerConfig saving =
        new TrainerConfig(16, 1, 9, 1, LoopTrial.RATES, 1.0, 0, 3, true, Evaluations.every(0), 4);
    TrainListener listener =
        new Recorder(() -> {}) {
          @Override
          public void onStep(Step step) {
            heard.add("step " + step.step());
          }

          @Override
          public void onCheckpointBegins(long step) {
            heard.add("told " + step);
          }

          @Override
          public void onCheckpoint(long step) {
            heard.add("safe " + step);
          }
        };
    int[] steps = {0};
    try (LoopTrial trial = new LoopTrial(folder, saving, DType.F32, 0f, 1)) {
      trial.loop().run(listener, new Slow(heard), () -> ++steps[0] == stopAfter);
    }
    return heard;
  }

  /** Five steps, an evaluation after every other; returns the weights. */
  private static float[] evaluated(
      List<String> heard, Saved saved, ObjectNode from, BooleanSupplier stop) {
    TrainerConfig config =
        new TrainerConfig(16, 1, 5, 1, LoopTrial.RATES, 1.0, 0, 3, true, Evaluations.every(2), 0);
    TrainListener listener =
        new Recorder(() -> {}) {
          @Override
          public void onEvaluation(
              long step, double epoch, Map<String, Double> metrics, boolean best) {
            heard.add(step + " " + metrics);
          }
        };
    try (LoopTrial trial = new LoopTrial(folder, config, DType.F32, 0.1f, 2, 300)) {
      if (from != null) {
        saved.restore(trial.loop().buffers());
        trial.loop().resume(from, false);
      }
      trial.loop().run(listener, saved, stop);
      return trial.weights();
    }
  }

  @Test
  void aCheckpointWithoutTheRateThatEvaluationsLedToIsRefused() {
    TrainerConfig config =
        new TrainerConfig(
            16,
            1,
            5,
            1,
            Rates.of(Schedule.Kind.REDUCE_LR_ON_PLATEAU, 1e-3, 0),
            1.0,
            0,
            3,
            true,
            Evaluations.every(2),
            0);
    try (LoopTrial trial = new LoopTrial(folder, config, DType.F32, 0.1f, 1, 30)) {
      ObjectNode earlier = new TrainState().toJson();
      String refusal =
          assertThrows(InputException.class, () -> trial.loop().resume(earlier, false))
              .getMessage();
      assertTrue(refusal.contains("begun with another version of Attune"), refusal);
    }
  }

  /** A checkpoint in memory. */
  private static final class Saved implements CheckpointSink {
    private ObjectNode state;
    private final Map<String, byte[]> buffers = new HashMap<>();

    @Override
    public void save(long step, ObjectNode json, Map<String, Buffer> contents) {
      state = json.deepCopy();
      contents.forEach(
          (name, buffer) -> buffers.put(name, Host.bytes(buffer, 0, (int) buffer.sizeBytes())));
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

    void restore(Map<String, Buffer> into) {
      into.forEach(
          (name, buffer) -> {
            ByteBuffer bytes = ByteBuffer.allocateDirect((int) buffer.sizeBytes());
            buffer.write(0, bytes.put(buffers.get(name)).flip());
          });
    }

    @Override
    public void saveBest(long step, Buffer weights) {}

    @Override
    public boolean loadBest(Buffer weights) {
      return false;
    }
  }

  /** A sink that saves in the background, which takes until it is asked twice. */
  private static final class Slow implements CheckpointSink {
    private final List<String> heard;
    private long begun; // 0: nothing
    private int asked;
    private final Map<String, Buffer> lent = new HashMap<>(); // nobody may change them
    private final Map<String, byte[]> asBegun = new HashMap<>();

    Slow(List<String> heard) {
      this.heard = heard;
    }

    @Override
    public void expect(Map<String, Buffer> buffers) {
      heard.add("expected");
    }

    @Override
    public boolean begin(
        long step, ObjectNode state, Map<String, Buffer> buffers, Set<String> fleeting) {
      assertEquals(0, begun, "one at a time");
      heard.add("begin " + step);
      begun = step;
      asked = 0;
      lent.putAll(buffers);
      lent.keySet().removeAll(fleeting);
      lent.forEach((name, buffer) -> asBegun.put(name, bytes(buffer)));
      return true;
    }

    @Override
    public void release() {
      heard.add("released");
      assertTrue(lent.containsKey("weights") && lent.size() >= 3, lent::toString);
      lent.forEach((name, buffer) -> assertArrayEquals(asBegun.get(name), bytes(buffer), name));
      lent.clear();
    }

    private static byte[] bytes(Buffer buffer) {
      return Host.bytes(buffer, 0, (int) buffer.sizeBytes());
    }

    @Override
    public Optional<Ended> settled(boolean waits) {
      if (begun == 0 || (!waits && ++asked < 2)) {
        return Optional.empty();
      }
      Ended ended = new Ended(begun, null);
      begun = 0;
      return Optional.of(ended);
    }

    @Override
    public void save(long step, ObjectNode state, Map<String, Buffer> buffers) {
      assertEquals(0, begun, "one at a time");
      heard.add("save " + step);
    }

    @Override
    public void saveBest(long step, Buffer weights) {}

    @Override
    public boolean loadBest(Buffer weights) {
      return false;
    }
  }
}
