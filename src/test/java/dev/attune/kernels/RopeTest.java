package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.kernels.calls.RopeCall;
import dev.attune.core.DType;
import dev.attune.ref.Precision;
import dev.attune.ref.RopeRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class RopeTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final int P = 23;

  private record Layout(int N, int H, int D, int rotary, int gap) {
    int stride() {
      return H * D + gap;
    }
  }

  /** Cosine and sine of position / 10000^(2 i / rotary). */
  private static double[] table(int rotary) {
    double[] table = new double[P * rotary];
    for (int position = 0; position < P; position++) {
      for (int i = 0; i < rotary / 2; i++) {
        double angle = position * Math.pow(10_000, -2.0 * i / rotary);
        table[position * rotary + 2 * i] = Math.cos(angle);
        table[position * rotary + 2 * i + 1] = Math.sin(angle);
      }
    }
    return table;
  }

  private static KernelCase rotate(Layout l, boolean inverse, DType dtype) {
    KernelCase k = KernelCase.forward(dtype, "rope %s inverse=%b", l, inverse);
    // The gap after the last row belongs to the tensor too: it must stay.
    double[] inp = k.updated("inp", dtype, l.N * l.stride());
    double[] table = k.input("table", Storage.F32, table(l.rotary));
    int[] positions = new int[l.N];
    for (int n = 0; n < l.N; n++) {
      positions[n] = k.random().nextInt(P);
    }
    k.ints("positions", positions);
    return k.calls(call(l, P, inverse, dtype))
        .gives(
            p -> {
              double[] dense = new double[l.N * l.H * l.D];
              for (int n = 0; n < l.N; n++) {
                System.arraycopy(inp, n * l.stride(), dense, n * l.H * l.D, l.H * l.D);
              }
              double[] turned =
                  RopeRef.rotate(p, dense, table, positions, l.H, l.D, l.rotary, inverse);
              double[] out = inp.clone();
              for (int n = 0; n < l.N; n++) {
                System.arraycopy(turned, n * l.H * l.D, out, n * l.stride(), l.H * l.D);
              }
              return Map.of("inp", out);
            });
  }

  private static KernelCase.Call call(Layout l, long P, boolean inverse, DType dtype) {
    return (backend, at) ->
        backend.run(new RopeCall(
            at.of("inp"),
            at.of("table"),
            at.of("positions"),
            l.N,
            l.H,
            l.D,
            l.rotary,
            l.stride(),
            P,
            inverse,
            dtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (int half : Shapes.widths()) {
        cases.add(rotate(new Layout(3, 2, 2 * half, 2 * half, 0), false, dtype));
        cases.add(rotate(new Layout(3, 2, 2 * half + 3, 2 * half, 5), true, dtype));
      }
      for (int N : Shapes.rows()) {
        cases.add(rotate(new Layout(N, 3, 20, 12, 7), false, dtype));
        cases.add(rotate(new Layout(N, 1, 12, 12, 0), true, dtype));
      }
      cases.add(rotate(new Layout(4, 2, 5, 0, 1), false, dtype));
      for (int[] shape : Shapes.random("rope " + dtype, 20, 30, 5, 40, 20, 9)) {
        int rotary = 2 * Math.min(shape[3], shape[2] / 2);
        Layout l = new Layout(shape[0], shape[1], shape[2], rotary, shape[4]);
        cases.add(rotate(l, shape[4] % 2 == 0, dtype));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      cases.add(rotate(new Layout(307, 4, 64, 64, 131), false, dtype));
      cases.add(rotate(new Layout(307, 4, 50, 36, 0), true, dtype));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(
        rotate(new Layout(777, 32, 128, 128, 2048), false, DType.BF16),
        rotate(new Layout(777, 32, 80, 32, 0), true, DType.F32));
  }

  /** The inverse is the transpose, so it is the backward. */
  @Test
  void theInverseOfTheReferenceIsItsGradient() {
    int[] positions = {3, 0, 11};
    double[] inp = Gradients.normal("rope inp", 3 * 2 * 9);
    double[] dout = Gradients.normal("rope dout", 3 * 2 * 9);
    Gradients.check(
        "inp",
        inp,
        RopeRef.rotate(Precision.EXACT, dout, table(6), positions, 2, 9, 6, true),
        x ->
            Gradients.dot(
                RopeRef.rotate(Precision.EXACT, x, table(6), positions, 2, 9, 6, false), dout));
  }

  /** Hugging Face: q * cos + rotate_half(q) * sin, with cos and sin of the doubled frequencies. */
  @Test
  void referenceAgreesWithTheHalfSplitFormula() {
    double[] q = {1, 2, 3, 4};
    double c0 = Math.cos(1);
    double s0 = Math.sin(1);
    double c1 = Math.cos(0.01);
    double s1 = Math.sin(0.01);
    double[] expected = {c0 - 3 * s0, 2 * c1 - 4 * s1, 3 * c0 + s0, 4 * c1 + 2 * s1};
    double[] actual = RopeRef.rotate(Precision.EXACT, q, table(4), new int[] {1}, 1, 4, 4, false);
    assertArrayEquals(expected, actual, 1e-15);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theInverseTurnsBack(Target target) {
    Layout l = new Layout(5, 3, 64, 64, 0);
    KernelCase there = rotate(l, false, DType.F32);
    double[] turned = there.run(target.backend()).values().get("inp");
    KernelCase back = KernelCase.forward(DType.F32, "rope back");
    back.updated("inp", Storage.F32, turned);
    there.copyTensorsTo(back, "table", "positions");
    back.calls(call(l, P, true, DType.F32));
    double[] again = back.run(target.backend()).values().get("inp");
    assertArrayEquals(there.initial("inp"), again, 2e-6);
  }

  /** Rows know nothing of each other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aBatchEqualsItsRowsBitForBit(Target target) {
    Layout l = new Layout(6, 3, 22, 22, 4);
    for (DType dtype : DTYPES) {
      KernelCase whole = rotate(l, false, dtype);
      double[] out = whole.run(target.backend()).values().get("inp");
      for (int n = 0; n < l.N; n++) {
        KernelCase part = KernelCase.forward(dtype, "rope alone");
        whole.copyRowsTo(part, n, 1, l.N, "inp", "positions");
        whole.copyTensorsTo(part, "table");
        part.calls(call(new Layout(1, 3, 22, 22, 4), P, false, dtype));
        assertRows(out, n, 1, l.N, part.run(target.backend()).values().get("inp"));
      }
    }
  }

  /** Position 0 turns nothing. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void positionZeroStays(Target target) {
    KernelCase k = rotate(new Layout(1, 2, 32, 32, 0), false, DType.BF16).with("positions", 0, 0);
    double[] before = k.initial("inp");
    double[] after = k.run(target.backend()).values().get("inp");
    for (int i = 0; i < before.length; i++) {
      assertEquals(before[i], after[i], 0.0);
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    Layout l = new Layout(3, 2, 6, 4, 0);
    KernelCase k = rotate(l, false, DType.F32);
    assertNullsRefused(target, k, "inp", "table", "positions");
    k.with("positions", 1, P).assertRefused(target.backend(), "positions[1]", P);
    k.with("positions", 2, -1).assertRefused(target.backend(), "positions[2]", -1);
    refuse(target, k, new Layout(-1, 2, 6, 4, 0), "N", -1);
    refuse(target, k, new Layout(3, 0, 6, 4, 0), "H", 0);
    refuse(target, k, new Layout(3, 2, 0, 0, 0), "D", 0);
    refuse(target, k, new Layout(3, 2, 6, 3, 0), "rotary", 3);
    refuse(target, k, new Layout(3, 2, 6, 8, 0), "rotary", 8);
    refuse(target, k, new Layout(3, 2, 6, -2, 0), "rotary", -2);
    refuse(target, k, new Layout(3, 2, 6, 4, -1), "stride", 11);
    k.instead(call(l, 0, false, DType.F32)).assertRefused(target.backend(), "P", 0);
    k.instead(call(l, P, false, DType.I32))
        .assertRefused(target.backend(), "dtype", DType.I32);
  }

  private static void refuse(
      Target target, KernelCase k, Layout bad, String argument, Object value) {
    k.instead(call(bad, P, false, DType.F32)).assertRefused(target.backend(), argument, value);
  }
}
