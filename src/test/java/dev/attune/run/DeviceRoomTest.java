package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.folder.ModelFolder;
import dev.attune.folder.ModelWeights;
import dev.attune.generate.GenerationLoop;
import dev.attune.generate.LogitRules;
import dev.attune.generate.Request;
import dev.attune.generate.Sampling;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Families;
import dev.attune.model.HeadKind;
import dev.attune.model.Model;
import dev.attune.model.TransformerModel;
import dev.attune.tape.Tape;
import dev.attune.testkit.Backends;
import dev.attune.testkit.TinyDecoder;
import java.nio.file.Path;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The arena takes what is free of a device's memory, but for what is to come after it. */
class DeviceRoomTest {
  @TempDir Path scratch;
  private Path folder;

  @BeforeEach
  void prepare() {
    try (CpuBackend cpu = new CpuBackend(1)) {
      folder = TinyDecoder.write(scratch.resolve("model"), cpu, 32);
    }
  }

  private Model model(Backend backend) {
    Model model =
        Families.create(backend, ModelFolder.readConfig(folder), HeadKind.LANGUAGE_MODEL, 1, null);
    ModelWeights.load(folder, model, 1);
    model.parameters().prepare(DType.F32);
    return model;
  }

  /** As many at a time as take a share of what is free. */
  private static int slots(TransformerModel model, long bytes) {
    long one =
        GenerationLoop.cacheBytes(model, DType.F32, 1001, TinyDecoder.CONTEXT)
            - GenerationLoop.cacheBytes(model, DType.F32, 1000, TinyDecoder.CONTEXT);
    return Math.toIntExact(bytes / one);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void keysAndValuesHaveRoomBesideTheArena(Backends.Target target) {
    Backend backend = target.backend();
    try (Model model = model(backend)) {
      TransformerModel decoder = (TransformerModel) model;
      long free = backend.reservableBytes();
      int slots = slots(decoder, Math.min(free * 3 / 5, 4L << 30));
      long bytes = GenerationLoop.cacheBytes(decoder, DType.F32, slots, TinyDecoder.CONTEXT);
      try (Arena everything = new Arena(backend, free - bytes / 4);
          Tape tape = new Tape(backend, everything, DType.F32, 1)) {
        assertThrows(
            DeviceMemoryException.class,
            () -> new GenerationLoop(decoder, tape, slots, TinyDecoder.CONTEXT));
      }
      try (Tape tape = new Tape(backend, Session.arena(backend, bytes), DType.F32, 1);
          GenerationLoop generator =
              new GenerationLoop(decoder, tape, slots, TinyDecoder.CONTEXT)) {
        generator.submit(
            new Request(
                new int[] {1, 2, 3}, Sampling.greedy(), LogitRules.NONE, 2, new int[0], 0, null),
            done -> assertTrue(done.tokens().length > 0));
        generator.run();
      }
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void moreKeysAndValuesThanThereIsMemoryAreAnError(Backends.Target target) {
    Backend backend = target.backend();
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> Session.arena(backend, 1L << 44));
    assertTrue(
        e.getMessage().startsWith("no room for keys and values: 16777216 MiB"), e.getMessage());
    assertTrue(RunOption.worded(e.getMessage()).contains("--max-new-tokens"), e.getMessage());
  }

  /** A cache that could not be made whole leaves nothing behind. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void aCacheThatDoesNotFitGivesBackWhatItHad(Backends.Target target) {
    Backend backend = target.backend();
    try (Model model = model(backend)) {
      TransformerModel decoder = (TransformerModel) model;
      long before = backend.reservableBytes();
      int slots = slots(decoder, 3 * before);
      try (Tape tape = new Tape(backend, new Arena(backend, 1 << 20), DType.F32, 1)) {
        assertThrows(
            DeviceMemoryException.class,
            () -> new GenerationLoop(decoder, tape, slots, TinyDecoder.CONTEXT));
      }
      assertEquals(before, backend.reservableBytes());
    }
  }
}
