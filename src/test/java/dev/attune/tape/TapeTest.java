package dev.attune.tape;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.testkit.Backends;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** The walk itself, with an op as simple as can be: what backward visits, adds and frees. */
class TapeTest {
  private static final int N = 3;

  private final Backend backend = Backends.cpu().findFirst().orElseThrow().backend();
  private final Tape tape = new Tape(backend, new Arena(backend, 1 << 16), DType.F32, 5);
  private final List<String> calls = new ArrayList<>();

  @AfterEach
  void close() {
    tape.close();
  }

  private FloatBuffer at(long address) {
    return backend.view(address, N * Float.BYTES).asFloatBuffer();
  }

  /** A tensor that others have made, as batches are; nothing is recorded of it. */
  private Tensor input(boolean requiresGrad) {
    Tensor tensor = tape.tensor(1, N, requiresGrad);
    at(tensor.address()).put(new float[] {1, 2, 3});
    return tensor;
  }

  private float[] values(long address) {
    float[] values = new float[N];
    at(address).get(values);
    return values;
  }

  /** {@code factor * inp}, saving a block for backward as real ops do. */
  private Tensor times(String name, Tensor inp, float factor) {
    Tensor out = tape.tensor(1, N, inp.requiresGrad());
    for (int i = 0; i < N; i++) {
      at(out.address()).put(i, factor * at(inp.address()).get(i));
    }
    long saved = tape.allocate(N * Float.BYTES);
    return tape.record(
        new Node() {
          @Override
          public Tensor out() {
            return out;
          }

          @Override
          public void backward(Tape walked) {
            calls.add(name);
            boolean accumulate = inp.gradient() != 0;
            FloatBuffer gradient = at(walked.gradientOf(inp));
            for (int i = 0; i < N; i++) {
              float add = factor * at(out.gradient()).get(i);
              gradient.put(i, accumulate ? gradient.get(i) + add : add);
            }
          }

          @Override
          public void release(Tape walked) {
            walked.free(saved);
          }
        });
  }

  private void start(Tensor out, float... gradient) {
    at(tape.gradientOf(out)).put(gradient);
  }

  @Test
  void fanOutAddsGradients() {
    tape.begin(true);
    Tensor x = input(true);
    Tensor a = times("a", x, 2);
    Tensor b = times("b", x, 3);
    Tensor c = times("c", a, 10);
    start(b, 1, 1, 1);
    start(c, 1, 2, 4);
    tape.backward();
    assertArrayEquals(new float[] {23, 43, 83}, values(x.gradient()));
    assertEquals(List.of("c", "b", "a"), calls, "consumers before what they consume");
  }

  private String notFinite(Runnable pass) {
    tape.useNumericsCheck(true);
    tape.begin(true);
    return assertThrows(NonFiniteException.class, pass::run).getMessage();
  }

  @Test
  void theCheckNamesTheForwardThatOverflows() {
    String message =
        notFinite(
            () -> {
              times("a", times("sound", input(true), 1), 2e38f);
            });
    assertEquals(
        "the forward of TapeTest made the first values that are not finite: 2 of the 1 x 3 of its"
            + " output (F32), the first Infinity in row 0, column 1",
        message);
  }

  @Test
  void theCheckNamesTheBackwardThatOverflows() {
    String message =
        notFinite(
            () -> {
              Tensor a = times("a", input(true), 2);
              Tensor b = tape.inLayer(4, () -> times("b", a, 1e30f));
              start(b, 1, 1e10f, 1);
              tape.backward();
            });
    assertTrue(message.startsWith("the backward of TapeTest in layer 4 made"), message);
    assertTrue(message.contains("its input's gradient (F32), the first Infinity"), message);
    assertEquals(List.of("b"), calls);
  }

  @Test
  void theCheckNamesTheLossThatLeavesNoNumber() {
    String message =
        notFinite(
            () -> {
              start(times("a", input(true), 2), 1, Float.NaN, 1);
              tape.backward();
            });
    assertTrue(message.startsWith("the loss made the first values"), message);
    assertEquals(List.of(), calls);
  }

  @Test
  void anOpThatNoGradientReachesIsNotRun() {
    tape.begin(true);
    Tensor x = input(true);
    Tensor used = times("used", x, 2);
    Tensor unused = times("unused", x, 3);
    times("of the unused", unused, 3);
    start(used, 1, 0, 0);
    tape.backward();
    assertEquals(List.of("used"), calls);
    assertArrayEquals(new float[] {2, 0, 0}, values(x.gradient()));
  }

  @Test
  void activationsAreFreedAtTheirLastUse() {
    tape.begin(true);
    Tensor x = input(true);
    Tensor a = times("a", x, 2);
    Tensor b = times("b", a, 2);
    start(b, 1, 1, 1);
    long before = tape.arena().liveBytes();
    assertEquals(6 * 64, before, "x, a, b, what a and b saved, the gradient of b");
    tape.backward();
    assertEquals(2 * 64, tape.arena().liveBytes(), "x and its gradient");
    assertEquals(0, a.address());
    assertEquals(0, a.gradient());
    // Each op's gradient went where the one before it had just left: no more than one was added.
    assertEquals(before + 64, tape.arena().highWaterBytes());
  }

  @Test
  void inInferenceNothingIsRecordedOrKept() {
    tape.begin(false);
    Tensor x = input(true);
    assertFalse(x.requiresGrad());
    Tensor a = times("a", x, 2);
    assertEquals(2 * 64, tape.arena().liveBytes(), "what an op saves for backward is freed");
    tape.keepOnly(a);
    assertEquals(64, tape.arena().liveBytes());
    assertEquals(0f, tape.dropout(0.5f));
    assertThrows(IllegalStateException.class, tape::backward);
  }

  @Test
  void aSecondBackwardIsRefused() {
    tape.begin(true);
    assertThrows(IllegalStateException.class, tape::backward, "nothing was recorded yet");
    start(times("a", input(true), 2), 1, 1, 1);
    tape.backward();
    IllegalStateException e = assertThrows(IllegalStateException.class, tape::backward);
    assertTrue(e.getMessage().contains("backward ran already"), e.getMessage());
  }

  @Test
  void theNextPassForgetsTheOneBefore() {
    for (int step = 0; step < 3; step++) {
      tape.begin(true);
      calls.clear();
      tape.countFlops(5, 10);
      assertEquals(15, tape.flops());
      start(times("a", input(true), 2), 1, 1, 1);
      if (step != 1) { // a pass may be given up before its backward
        tape.backward();
        assertEquals(List.of("a"), calls);
      }
    }
  }

  /** Passes differ by the step block alone. */
  @Test
  void randomStreamsAreThoseOfThePlaceInThePass() {
    tape.begin(true);
    final long first = tape.takeStreams(2);
    final long second = tape.takeStreams(1);
    assertEquals(first + 2, second);
    tape.begin(true);
    assertEquals(first, tape.takeStreams(2));
    assertEquals(second, tape.takeStreams(1));
    assertEquals(0.5f, tape.dropout(0.5f));
  }

  @Test
  void gradientsAreMovedLentAndDropped() {
    tape.begin(true);
    Tensor owner = input(true);
    start(owner, 1, 2, 3);
    Tensor heir = input(true);
    tape.moveGradient(owner, heir);
    assertEquals(0, owner.gradient());
    Tensor reader = input(true);
    tape.lendGradient(heir, reader);
    assertEquals(heir.gradient(), reader.gradient());
    assertThrows(IllegalStateException.class, () -> tape.lendGradient(heir, reader));
    assertThrows(IllegalStateException.class, () -> tape.giveGradient(reader, 64));
    long live = tape.arena().liveBytes();
    tape.dropGradient(reader);
    assertEquals(live, tape.arena().liveBytes(), "a lent one stays with its owner");
    assertArrayEquals(new float[] {1, 2, 3}, values(heir.gradient()));
    tape.dropGradient(heir);
    assertEquals(live - 64, tape.arena().liveBytes());
  }

  @Test
  void renamedAndTakenValuesHaveOneOwner() {
    tape.begin(true);
    Tensor x = input(true);
    long address = x.address();
    Tensor renamed = tape.rename(x, false);
    assertEquals(address, renamed.address());
    assertEquals(0, x.address());
    tape.discard(x); // it has nothing any more
    assertEquals(64, tape.arena().liveBytes());
    tape.discard(renamed);
    tape.discard(renamed);
    assertEquals(0, tape.arena().liveBytes());
  }

  @Test
  void whereThereIsNoRoomTheMessageSaysWhatTakesLess() {
    tape.begin(true);
    DeviceMemoryException e =
        assertThrows(DeviceMemoryException.class, () -> tape.tensor(1 << 10, 1 << 10, true));
    assertTrue(e.getMessage().startsWith("out of memory for activations: "), e.getMessage());
    start(times("a", input(true), 2), 1, 1, 1);
    tape.backward(); // and the tape goes on
    assertThrows(
        IllegalArgumentException.class, () -> new Tape(backend, tape.arena(), DType.INT8, 0));
  }
}
