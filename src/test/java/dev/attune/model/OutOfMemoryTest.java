package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.optim.AdamW;
import dev.attune.optim.GradientNorm;
import dev.attune.optim.Optimizer;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.FaultyMemory;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Memory that runs out at every place where it can, as a step of training is prepared and run:
 * always a {@link DeviceMemoryException}, nothing left behind, and what comes next works.
 */
class OutOfMemoryTest {
  private static final Backend BACKEND = Backends.cpu().findFirst().orElseThrow().backend();

  private static ParameterBuilder builder(String way) {
    ParameterBuilder builder = new ParameterBuilder();
    if (!way.equals("full")) {
      builder.freeze(DType.BF16, DType.BF16);
      builder.adapt(
          new LoraConfig(2, 4, 0f, List.of(LoraConfig.ALL_LINEAR), false, way.equals("dora")));
    }
    return builder;
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert full", "bert lora", "llama full", "llama dora"})
  void anyAllocationMayFail(String name) {
    Path folder = Goldens.own(name.split(" ")[0]);
    Task task = GoldenBatch.task(folder);
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    FaultyMemory memory = new FaultyMemory(BACKEND);
    int failed = 0;
    for (boolean done = false; !done; ) {
      memory.failAt(failed + 1);
      try (Model model =
              Families.create(
                  memory.backend(),
                  ModelFolder.readConfig(folder),
                  task.head(),
                  5,
                  null,
                  builder(name.split(" ")[1]));
          Tape tape =
              new Tape(memory.backend(), new Arena(memory.backend(), 16 << 20), DType.BF16, 1);
          Staging staging = new Staging(memory.backend())) {
        ModelWeights.load(folder, model, 0);
        model.parameters().enableTraining();
        try (Optimizer optimizer = new AdamW(model.parameters(), AdamW.Config.withDecay(0.1f));
            GradientNorm norm = new GradientNorm(model.parameters())) {
          Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
          gradients(model, tape, staging, task, batch);
          norm.clip(0, 1);
          optimizer.announce(1e-3f, 1);
          optimizer.step();
        }
        done = true;
      } catch (DeviceMemoryException e) {
        failed++;
      }
      assertEquals(0, memory.liveCount(), "left behind where allocation " + failed + " fails");
    }
    assertTrue(failed >= 8, "only " + failed + " allocations");
  }

  /** Wherever activations run out, the next pass over the same weights has the same gradients. */
  @Test
  void activationsMayRunOutAnywhere() {
    Path folder = Goldens.own("bert");
    Task task = GoldenBatch.task(folder);
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    try (Model model =
            Families.create(BACKEND, ModelFolder.readConfig(folder), task.head(), 5, null);
        Staging staging = new Staging(BACKEND)) {
      ModelWeights.load(folder, model, 0);
      model.parameters().enableTraining();
      Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
      float[] expected;
      long needed;
      try (Tape tape = new Tape(BACKEND, new Arena(BACKEND, 16 << 20), DType.F32, 1)) {
        expected = gradients(model, tape, staging, task, batch);
        needed = tape.arena().highWaterBytes();
      }
      int failures = 0;
      for (long capacity = 1024; capacity < needed; capacity += needed / 40) {
        try (Tape tape = new Tape(BACKEND, new Arena(BACKEND, capacity), DType.F32, 1)) {
          gradients(model, tape, staging, task, batch);
        } catch (DeviceMemoryException e) {
          assertFalse(e.getMessage().isBlank());
          failures++;
        }
        try (Tape tape = new Tape(BACKEND, new Arena(BACKEND, needed), DType.F32, 1)) {
          assertArrayEquals(expected, gradients(model, tape, staging, task, batch));
        }
      }
      assertTrue(failures >= 35, failures + " failures");
    }
  }

  /** A forward and a backward pass of a fresh step. */
  private static float[] gradients(
      Model model, Tape tape, Staging staging, Task task, Batch batch) {
    Parameters parameters = model.parameters();
    Steps.end(parameters);
    Inputs inputs = staging.stage(batch, model.batchRotaries());
    if (parameters.rowSparse() != null) {
      parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
    }
    tape.begin(true);
    new Objective(task, 0f).apply(tape, model, model.forward(tape, inputs), staging);
    tape.backward();
    Steps.complete(parameters);
    return Host.floats(parameters.gradients(), 0, (int) parameters.size());
  }
}
