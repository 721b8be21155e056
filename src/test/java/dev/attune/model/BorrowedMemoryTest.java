package dev.attune.model;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.Batch;
import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.store.Freezing;
import dev.attune.store.LoraConfig;
import dev.attune.store.ParameterBuilder;
import dev.attune.store.Parameters;
import dev.attune.tape.Tape;
import dev.attune.task.Objective;
import dev.attune.task.Staging;
import dev.attune.task.Task;
import dev.attune.testkit.Backends;
import dev.attune.testkit.GoldenBatch;
import dev.attune.testkit.Goldens;
import dev.attune.testkit.Host;
import dev.attune.testkit.Steps;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Activations in the memory of gradients that are not written yet: of each family and task all
 * gradients have the bits that they have without, and no op writes where another still reads.
 */
class BorrowedMemoryTest {
  private static final Backend BACKEND = Backends.best().findFirst().orElseThrow().backend();

  /** What is trained, or otherwise than usual. */
  private enum Way {
    WHOLE,
    LORA,
    DORA,
    FROZEN_LAYER,
    DROPOUT;

    ParameterBuilder builder() {
      ParameterBuilder builder = new ParameterBuilder();
      if (this == FROZEN_LAYER) {
        builder.freeze(new Freezing(false, 0, Set.of(1), false));
      } else if (this == LORA || this == DORA) {
        builder.freeze(DType.F32, DType.F32);
        builder.adapt(
            new LoraConfig(32, 8, 0.1f, List.of(LoraConfig.ALL_LINEAR), false, this == DORA));
      }
      return builder;
    }
  }

  /** What passes leave, and the most of the arena's own memory that they took. */
  private record Outcome(float[] gradients, long ownBytes) {}

  static Stream<String> families() {
    return GoldenModelTest.OWN.stream();
  }

  @ParameterizedTest
  @MethodSource("families")
  void gradientsAreTheSameBits(String name) {
    for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
      Outcome own = run(name, Way.WHOLE, dtype, false, 1);
      Outcome borrowed = run(name, Way.WHOLE, dtype, true, 1);
      assertArrayEquals(own.gradients, borrowed.gradients, name + " in " + dtype);
      assertTrue(borrowed.ownBytes <= own.ownBytes, name + " in " + dtype);
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void gradientsAreTheSameBitsWhateverIsTrained(Way way) {
    for (String name : List.of("bert", "modernbert", "deberta", "gpt2", "llama")) {
      for (DType dtype : new DType[] {DType.F32, DType.BF16}) {
        Outcome own = run(name, way, dtype, false, 1);
        Outcome borrowed = run(name, way, dtype, true, 1);
        assertArrayEquals(own.gradients, borrowed.gradients, name + " in " + dtype);
        assertTrue(borrowed.ownBytes < own.ownBytes, name + " in " + dtype + " borrowed nothing");
      }
    }
  }

  /** The second pass of a step finds gradients there, and adds to them. */
  @Test
  void onlyTheFirstPassOfAStepBorrows() {
    for (String name : List.of("bert", "llama")) {
      Outcome own = run(name, Way.WHOLE, DType.F32, false, 2);
      Outcome borrowed = run(name, Way.WHOLE, DType.F32, true, 2);
      assertArrayEquals(own.gradients, borrowed.gradients, name);
      assertEquals(own.ownBytes, borrowed.ownBytes, name);
    }
  }

  /** Of layers that share their weights none borrows. */
  @Test
  void activationsOfUpperLayersTakeNothingOfTheirOwn() {
    for (String name : List.of("bert", "modernbert", "llama")) {
      long own = run(name, Way.WHOLE, DType.F32, false, 1).ownBytes;
      long borrowed = run(name, Way.WHOLE, DType.F32, true, 1).ownBytes;
      assertTrue(borrowed < own, name + ": " + borrowed + " of " + own);
    }
    long own = run("albert", Way.WHOLE, DType.F32, false, 1).ownBytes;
    assertEquals(own, run("albert", Way.WHOLE, DType.F32, true, 1).ownBytes);
  }

  private static Outcome run(String name, Way way, DType dtype, boolean borrows, int passes) {
    Path folder = Goldens.own(name);
    Task task = GoldenBatch.task(folder);
    Goldens.Tensors golden = new Goldens.Tensors(folder.resolve("golden.safetensors"));
    try (Model model =
            Families.create(
                BACKEND,
                ModelFolder.readConfig(folder),
                task.head(),
                5,
                way == Way.DROPOUT ? 0.1f : null,
                way.builder());
        Tape tape = new Tape(BACKEND, new Arena(BACKEND, 64 << 20), dtype, 1);
        Staging staging = new Staging(BACKEND)) {
      ModelWeights.load(folder, model, 0);
      if (way == Way.LORA || way == Way.DORA) {
        ModelWeights.randomize(model, 3); // an adapter whose B is zero has no gradient of A
      }
      Parameters parameters = model.parameters();
      parameters.enableTraining();
      Batch batch = GoldenBatch.of(golden, task, model.positionOffset());
      for (int pass = 0; pass < passes; pass++) {
        Inputs inputs = staging.stage(batch, model.batchRotaries());
        if (parameters.rowSparse() != null) {
          parameters.rowSparse().mark(batch.uniqueIds(), batch.uniqueCount());
        }
        tape.begin(true);
        if (borrows) {
          tape.borrow(parameters.layerGradients());
        }
        new Objective(task, 0f).apply(tape, model, model.forward(tape, inputs), staging);
        tape.backward();
      }
      Steps.complete(parameters);
      return new Outcome(
          Host.floats(parameters.gradients(), 0, (int) parameters.size()),
          tape.arena().highWaterBytes());
    }
  }
}
