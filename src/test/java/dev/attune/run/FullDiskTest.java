package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InterruptedCallException;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What was trained is not lost where it cannot be saved. Instead of a full disk, something stands
 * in the way: files where folders must be made.
 */
class FullDiskTest {
  @TempDir Path scratch;
  private Path model;
  private Path train;
  private Path validation;
  private Path output;

  @BeforeEach
  void makeModelAndData() {
    try (CpuBackend backend = new CpuBackend(1)) {
      model = TinyModel.write(scratch.resolve("model"), backend);
    }
    train = TinyModel.writeData(scratch.resolve("train.csv"), 160, 1);
    validation = TinyModel.writeData(scratch.resolve("validation.csv"), 20, 2);
    output = scratch.resolve("out");
  }

  private RunConfig config(Path folder, RunOption... flags) {
    RunConfig.Builder config =
        RunConfig.builder(CommandOptions.TRAIN)
            .set(RunOption.MODEL, model.toString())
            .set(RunOption.TRAIN_FILE, train.toString())
            .set(RunOption.VALIDATION_FILE, validation.toString())
            .set(RunOption.OUTPUT_DIR, folder.toString())
            .set(RunOption.BACKEND, "cpu")
            .set(RunOption.PRECISION, "fp32")
            .set(RunOption.THREADS, "1")
            .set(RunOption.LEARNING_RATE, "1e-3")
            .set(RunOption.BATCH_SIZE, "16")
            .set(RunOption.EVAL_STEPS, "2")
            .set(RunOption.LOAD_BEST_MODEL_AT_END, "true")
            .set(RunOption.MAX_STEPS, "6");
    for (RunOption flag : flags) {
      config.set(flag, flag.isFlag() ? "true" : "0");
    }
    return config.build();
  }

  private byte[] expected() throws IOException {
    Path whole = scratch.resolve("whole");
    new TrainRun(config(whole), new Blocking(whole, 99), () -> false).run();
    return weights(whole);
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }

  /** Puts a file where the model's new files are written, and takes it away again. */
  private static class Blocking implements RunListener {
    private final Path obstacle;
    private final long fromStep;
    private final List<String> notes = new ArrayList<>();
    private final List<Long> checkpoints = new ArrayList<>();
    private final List<String> answers = new ArrayList<>();
    private boolean attended;
    private int asked;

    Blocking(Path folder, long fromStep) {
      this.obstacle = folder.resolve(".model.partial");
      this.fromStep = fromStep;
    }

    Blocking answering(String... lines) {
      attended = true;
      answers.addAll(List.of(lines));
      return this;
    }

    void clear() {
      try {
        Files.deleteIfExists(obstacle);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    @Override
    public boolean isAttended() {
      return attended;
    }

    @Override
    public Optional<String> answer(long atMostMillis) throws InterruptedException {
      asked++;
      if (attended) {
        return answers.isEmpty() ? Optional.empty() : Optional.of(answers.remove(0));
      }
      clear();
      return RunListener.super.answer(1);
    }

    @Override
    public void onStep(Step step) {
      if (step.step() == fromStep) {
        try {
          Files.createFile(obstacle); // where a folder is to be
        } catch (IOException e) {
          throw new UncheckedIOException(e);
        }
      }
    }

    @Override
    public void onNote(String note) {
      notes.add(RunOption.worded(note));
    }

    @Override
    public void onDataReport(dev.attune.data.DataReport report) {}

    @Override
    public void onModel(String name, long parameters, String backend, String precision) {}

    @Override
    public void onEvaluation(long step, double epoch, Map<String, Double> metrics, boolean best) {}

    @Override
    public void onCheckpoint(long step) {
      checkpoints.add(step);
    }
  }

  @Test
  void whereNobodyIsAskedItIsTriedAgain() throws IOException {
    Blocking blocking = new Blocking(output, 4);
    TrainRun.Outcome outcome = new TrainRun(config(output), blocking, () -> false).run();
    assertEquals(output, outcome.modelFolder());
    assertArrayEquals(expected(), weights(output));
    assertEquals(1, blocking.notes.stream().filter(n -> n.contains("in memory")).count());
    assertTrue(
        blocking.notes.stream().anyMatch(n -> n.contains("tried again every 5 seconds for 30")),
        blocking.notes.toString());
  }

  @Test
  void aPersonGivesAnotherFolder() throws IOException {
    Path taken = Files.createDirectory(scratch.resolve("taken"));
    Files.writeString(taken.resolve("config.json"), "{}");
    Path other = scratch.resolve("other");
    Blocking blocking = new Blocking(output, 4).answering("", taken.toString(), " " + other + " ");
    TrainRun.Outcome outcome = new TrainRun(config(output), blocking, () -> false).run();
    assertEquals(other, outcome.modelFolder());
    assertEquals(output, outcome.outputDir());
    assertArrayEquals(expected(), weights(other));
    assertFalse(Files.exists(output.resolve("model.safetensors")));
    assertTrue(Files.exists(output.resolve("metrics.jsonl")));
    assertEquals("{}", Files.readString(taken.resolve("config.json")));
    assertTrue(
        blocking.notes.stream().anyMatch(n -> n.contains("already holds a model")),
        blocking.notes.toString());
  }

  @Test
  void noRetriesFailAtOnceAndAStopEndsTheWait() {
    Blocking blocking = new Blocking(output, 4);
    RunConfig once = config(output, RunOption.SAVE_RETRY_MINUTES);
    UncheckedIOException failure =
        assertThrows(
            UncheckedIOException.class, () -> new TrainRun(once, blocking, () -> false).run());
    assertTrue(
        failure.getMessage().contains("could not be saved in " + output), failure::getMessage);
    assertEquals(0, blocking.asked);
    Path second = scratch.resolve("second");
    Blocking waiting = new Blocking(second, 4).answering();
    BooleanSupplier stop = () -> waiting.asked > 0;
    InterruptedCallException stopped =
        assertThrows(
            InterruptedCallException.class,
            () -> new TrainRun(config(second), waiting, stop).run());
    assertTrue(stopped.getMessage().contains("was not saved"), stopped::getMessage);
  }

  /** Checkpoints and the best weights find a file in their place from the second step on. */
  @ParameterizedTest
  @ValueSource(longs = {4, 99})
  void checkpointsThatFailDoNotEndTheRun(long freedAt) throws IOException {
    RunConfig config = config(output).with(RunOption.SAVE_STEPS, "1");
    List<Long> failed = new ArrayList<>();
    Blocking listener =
        new Blocking(output, 99) {
          @Override
          public void onStep(Step step) {
            block(output.resolve("checkpoints"), step.step() == 2, step.step() == freedAt);
          }

          @Override
          public void onCheckpointFailed(long step, UncheckedIOException failure) {
            failed.add(step);
            super.onCheckpointFailed(step, failure);
          }
        };
    new TrainRun(config, listener, () -> false).run();
    assertEquals(freedAt == 4 ? List.of(1L, 4L, 5L) : List.of(1L), listener.checkpoints);
    assertEquals(freedAt == 4 ? List.of(2L, 3L) : List.of(2L, 3L, 4L, 5L), failed);
    assertTrue(
        listener.notes.stream().anyMatch(n -> n.contains("best weights so far")),
        listener.notes.toString());
    assertArrayEquals(expected(), weights(output));
  }

  /** Moves the folder away and puts a file there, or the other way round. */
  private static void block(Path folder, boolean blocks, boolean frees) {
    Path aside = folder.resolveSibling("aside");
    try {
      if (blocks) {
        Files.move(folder, aside);
        Files.createFile(folder);
      } else if (frees) {
        Files.delete(folder);
        Files.move(aside, folder);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
