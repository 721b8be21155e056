package dev.attune.testkit;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.FillZeroCall;
import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.Isa;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** The harness itself: kernels that are wrong in each way it looks for do not pass. */
class HarnessTest {
  private final Backend backend = Backends.cpu(2, Isa.PORTABLE);

  /** A case that copies 100 floats; {@code kernel} is what runs instead. */
  private static KernelCase copyOf100(KernelCase.Call kernel) {
    KernelCase k = KernelCase.forward(DType.F32, "copy");
    double[] inp = k.normal("inp", Storage.F32, 100);
    k.overwritten("out", Storage.F32, 100);
    return k.calls(kernel).gives(p -> Map.of("out", inp));
  }

  private void assertCaught(String reason, KernelCase.Call kernel) {
    AssertionError e =
        assertThrows(AssertionError.class, () -> copyOf100(kernel).verify(backend, 0));
    assertTrue(e.getMessage().contains(reason), e.getMessage());
    assertTrue(e.getMessage().contains("-Dattune.seed="), e.getMessage());
  }

  private static void poke(Backend backend, long address, float value) {
    backend.view(address, 4).putFloat(0, value);
  }

  @Test
  void aCorrectKernelPasses() {
    assertDoesNotThrow(
        () -> copyOf100((b, at) -> b.run(new CopyCall(at.of("out"), at.of("inp"), 400))).verify(backend, 1));
  }

  @Test
  void anElementLeftOutIsCaught() {
    assertCaught("out[99]", (b, at) -> b.run(new CopyCall(at.of("out"), at.of("inp"), 396)));
  }

  @Test
  void aWriteOutsideIsCaught() {
    assertCaught(
        "past its end",
        (b, at) -> {
          b.run(new CopyCall(at.of("out"), at.of("inp"), 400));
          poke(b, at.of("out") + 400, 0);
        });
    assertCaught(
        "before its begin",
        (b, at) -> {
          b.run(new CopyCall(at.of("out"), at.of("inp"), 400));
          poke(b, at.of("out") - 4, 0);
        });
  }

  @Test
  void aReadOutsideIsCaught() {
    assertCaught("NaN", (b, at) -> b.run(new CopyCall(at.of("out"), at.of("inp") + 4, 400)));
  }

  @Test
  void aChangedInputIsCaught() {
    assertCaught(
        "changed its input inp",
        (b, at) -> {
          b.run(new CopyCall(at.of("out"), at.of("inp"), 400));
          poke(b, at.of("inp"), 0);
        });
  }

  @Test
  void aSmallErrorIsCaught() {
    assertCaught(
        "error",
        (b, at) -> {
          b.run(new CopyCall(at.of("out"), at.of("inp"), 400));
          poke(b, at.of("out"), b.view(at.of("out"), 4).getFloat(0) + 1e-5f);
        });
  }

  /** An error too small for the largest-error budget shows in the mean of many elements. */
  @Test
  void aSmallBiasOfManyElementsIsCaught() {
    double[] exact = Gradients.normal("bias", 1000);
    double[] biased = Arrays.stream(exact).map(x -> x + 5e-7).toArray();
    assertThrows(
        AssertionError.class,
        () -> ErrorBudget.check("bias", biased, exact, exact, 2, ErrorBudget.floor(Storage.F32)));
  }

  @Test
  void whatIsNotFiniteMustBeEqual() {
    double[] exact = {1, Double.NEGATIVE_INFINITY, Double.NaN};
    assertDoesNotThrow(
        () ->
            ErrorBudget.check(
                "same", exact.clone(), exact, exact, 2, ErrorBudget.floor(Storage.F32)));
    for (int i = 0; i < 3; i++) {
      double[] actual = exact.clone();
      actual[i] = i == 0 ? Double.NaN : 0;
      assertThrows(
          AssertionError.class,
          () ->
              ErrorBudget.check("other", actual, exact, exact, 2, ErrorBudget.floor(Storage.F32)));
    }
  }

  @Test
  void differentBitsAreCaught() {
    KernelCase k = copyOf100((b, at) -> b.run(new CopyCall(at.of("out"), at.of("inp"), 400)));
    KernelCase other = copyOf100((b, at) -> b.run(new FillZeroCall(at.of("out"), 400)));
    AssertionError e =
        assertThrows(
            AssertionError.class,
            () -> k.checkSameBits("later", k.run(backend), other.run(backend)));
    assertTrue(e.getMessage().contains("out[0]"), e.getMessage());
  }

  @Test
  void aWrongGradientIsCaught() {
    double[] x = {1, 2};
    assertDoesNotThrow(
        () -> Gradients.check("x", x, new double[] {2, 4}, y -> Gradients.dot(y, y)));
    assertThrows(
        AssertionError.class,
        () -> Gradients.check("x", x, new double[] {2, 4.0001}, y -> Gradients.dot(y, y)));
  }

  @Test
  void theSameNameGivesTheSameNumbers() {
    assertEquals(Seeds.random("a").nextLong(), Seeds.random("a").nextLong());
    assertTrue(Seeds.random("a").nextLong() != Seeds.random("b").nextLong());
  }
}
