package dev.attune.kernels.cuda;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.DType;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.memory.Arena;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Families;
import dev.attune.model.Model;
import dev.attune.optim.AdamW;
import dev.attune.optim.Sgd;
import dev.attune.run.RunOption;
import dev.attune.tape.Tape;
import dev.attune.testkit.Backends;
import dev.attune.testkit.TestTasks;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;

/**
 * A device that is too small says what did not fit, how large it is, how much is free and which
 * options would help: wherever memory runs out on the way to a training step.
 */
@SuppressWarnings("try") // buffers that only take room
class CudaMemoryMessageTest {
  /** 2,021,890 weights, of which 30522 x 64 are the word table: 7 MiB in f32. */
  private static final String BERT =
      """
      {"model_type": "bert", "vocab_size": 30522, "hidden_size": 64, "num_hidden_layers": 1,
       "num_attention_heads": 2, "intermediate_size": 128, "max_position_embeddings": 128,
       "type_vocab_size": 2, "hidden_act": "gelu"}
      """;

  /** Between one buffer of that many weights and two. */
  private static final long ROOM_FOR_ONE = 12L << 20;

  /** Between two and three. */
  private static final long ROOM_FOR_TWO = 20L << 20;

  private static final long DEVICE_BYTES = 128L << 20;

  private CpuBackend cpu;
  private EmulatedRuntime runtime;
  private CudaBackend backend;

  @BeforeEach
  void open() {
    Assumptions.assumeFalse(Backends.onDevice(), "this process has loaded the kernels of a device");
    cpu = new CpuBackend(1);
    runtime = new EmulatedRuntime(cpu, DEVICE_BYTES);
    backend = Emulation.open(runtime, cpu);
  }

  @AfterEach
  void close() {
    if (cpu != null) {
      backend.close();
      cpu.close();
    }
  }

  @Test
  void theWeights() {
    try (Buffer others = fill(1 << 20)) {
      assertSays(this::model, "the weights", 7, 1, "--lora-r", "--load-in-4bit");
    }
  }

  @Test
  void theGradients() {
    try (Buffer others = fill(ROOM_FOR_ONE);
        Model model = model()) {
      assertSays(() -> model.parameters().enableTraining(), "the gradients", 7, 4, "--lora-r");
    }
  }

  /** The second moment is the one that does not fit: the first must not be left behind. */
  @Test
  void theMoments() {
    try (Buffer others = fill(ROOM_FOR_TWO);
        Model model = model()) {
      assertSays(
          () -> new AdamW(model.parameters(), AdamW.Config.withDecay(0)),
          "the moments of AdamW",
          7,
          4,
          "--optimizer adamw-bf16",
          "--optimizer sgd",
          "--lora-r");
    }
  }

  @Test
  void theMomentum() {
    try (Buffer others = fill(ROOM_FOR_ONE);
        Model model = model();
        Buffer more = fill(1 << 20)) {
      assertSays(
          () -> new Sgd(model.parameters(), new Sgd.Config(0.9f, 0, false)),
          "the momentum of SGD",
          7,
          1,
          "--lora-r");
    }
  }

  @Test
  void activations() {
    assertEquals(
        "out of memory for activations: a block of 3 MiB was wanted; of 4 MiB, 2 MiB are in use,"
            + " and the largest free range has 2 MiB; --gradient-checkpointing, a smaller"
            + " --batch-size (with more --gradient-accumulation-steps) or a smaller --max-length"
            + " takes less",
        exhausted(DType.BF16, true, false));
    String checkpointed = exhausted(DType.BF16, true, true);
    assertFalse(checkpointed.contains("--gradient-checkpointing"), checkpointed);
    assertFalse(checkpointed.contains("bf16"), checkpointed);
    String wide = exhausted(DType.F32, true, true);
    assertTrue(wide.contains(" or --precision bf16 takes less"), wide);
    String inference = exhausted(DType.F32, false, false);
    assertFalse(inference.contains("--gradient"), inference);
    assertTrue(inference.contains("--max-length"), inference);
  }

  private String exhausted(DType dtype, boolean training, boolean checkpoints) {
    try (Tape tape = new Tape(backend, new Arena(backend, 4 << 20), dtype, 1)) {
      tape.useCheckpoints(checkpoints);
      tape.begin(training);
      tape.allocate(2 << 20);
      String message =
          RunOption.worded(
              assertThrows(DeviceMemoryException.class, () -> tape.allocate(3 << 20)).getMessage());
      tape.allocate(2 << 20); // what is free can still be had
      return message;
    }
  }

  private void assertSays(
      Executable call, String purpose, long wantedMib, long freeMib, String... remedies) {
    int before = runtime.liveBlocks();
    String message = RunOption.worded(assertThrows(DeviceMemoryException.class, call).getMessage());
    assertAll(
        () -> assertTrue(message.startsWith("no room for " + purpose + ": "), message),
        () -> assertTrue(message.contains("(" + wantedMib + " MiB) were wanted"), message),
        () -> assertTrue(message.contains(" " + freeMib + " of 128 MiB are free"), message));
    for (String remedy : remedies) {
      assertTrue(message.contains(remedy), message);
    }
    assertEquals(before, runtime.liveBlocks(), "blocks that nobody owns");
  }

  /** Takes all memory but so much. */
  private Buffer fill(long leaveBytes) {
    return Buffer.allocate(backend, runtime.freeBytes() - leaveBytes, true);
  }

  private Model model() {
    try {
      JsonNode config = new ObjectMapper().readTree(BERT);
      return Families.create(backend, config, TestTasks.CLASSIFICATION.head(), 2, null);
    } catch (java.io.IOException e) {
      throw new IllegalStateException(e);
    }
  }
}
