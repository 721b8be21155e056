package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LinearInt8Call;
import dev.attune.kernels.cpu.Isa;
import dev.attune.ref.ActivationRef;
import dev.attune.ref.LinearInt8Ref;
import dev.attune.testkit.Backends;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** Products of integers: on the CPU's levels and libtorch; the contract has none on a device. */
class LinearInt8Test {
  private static final int REPEATS = 20;

  static Stream<Target> targets() {
    return Stream.concat(
        Backends.cpu(), Backends.all().filter(target -> target.toString().equals("torch")));
  }

  /** The layout of the contract. */
  private static double[] bytes(LinearInt8Ref.Rows weight, int F) {
    int C = weight.codes().length / F;
    ChannelInt8Layout layout = ChannelInt8Layout.of(C);
    double[] bytes = new double[(int) layout.sizeBytes(F)];
    for (int f = 0; f < F; f++) {
      int strip = (int) layout.strip(f);
      int row = f % 16;
      int sum = 0;
      for (int c = 0; c < C; c++) {
        int code = weight.codes()[f * C + c];
        bytes[strip + (c / 4 * 16 + row) * 4 + c % 4] = code & 0xFF;
        sum += code;
      }
      putInt(
          bytes,
          strip + (int) layout.scales() + 4 * row,
          Float.floatToRawIntBits(weight.scales()[f]));
      putInt(bytes, strip + (int) layout.sums() + 4 * row, sum);
    }
    return bytes;
  }

  private static void putInt(double[] bytes, int at, int bits) {
    for (int i = 0; i < 4; i++) {
      bytes[at + i] = bits >>> 8 * i & 0xFF;
    }
  }

  private static KernelCase pack(int F, int C) {
    KernelCase k = KernelCase.forward(DType.F32, "linearInt8Pack F=%d C=%d", F, C);
    return pack(k, k.draw(Storage.F32, F * C), F, C);
  }

  private static KernelCase pack(KernelCase k, double[] values, int F, int C) {
    double[] inp = k.input("inp", Storage.F32, values);
    k.overwritten("out", Storage.U8, F == 0 ? 0 : (int) ChannelInt8Layout.of(C).sizeBytes(F));
    return callPack(k, F, C)
        .gives(p -> Map.of("out", F == 0 ? new double[0] : bytes(LinearInt8Ref.Rows.of(inp, F), F)))
        .exactly("out");
  }

  private static KernelCase callPack(KernelCase k, long F, long C) {
    return k.calls(
        (backend, at) -> backend.run(new LinearInt8Call.Pack(at.of("out"), at.of("inp"), F, C)));
  }

  private static KernelCase forward(int N, int C, int F, Activation activation, boolean bias) {
    KernelCase k =
        KernelCase.forward(
            DType.F32, "linearInt8Forward N=%d C=%d F=%d %s bias=%b", N, C, F, activation, bias);
    return forward(k, k.draw(Storage.F32, N * C), N, C, F, activation, bias);
  }

  private static KernelCase forward(
      KernelCase k, double[] values, int N, int C, int F, Activation activation, boolean bias) {
    double[] inp = k.input("inp", Storage.F32, values);
    double[] weight = k.draw(Storage.F32, F * C);
    Arrays.setAll(weight, i -> (float) (weight[i] / Math.sqrt(C)));
    LinearInt8Ref.Rows rows = LinearInt8Ref.Rows.of(weight, F);
    k.input("weight", Storage.U8, bytes(rows, F));
    double[] added = bias ? k.normal("bias", Storage.F32, F) : null;
    k.overwritten("out", Storage.F32, N * F);
    k.scratch("scratch", Storage.U8, (int) LinearInt8Call.Forward.scratchBytes(N, C));
    callForward(k, N, C, F, activation)
        .gives(
            p -> {
              double[] pre = LinearInt8Ref.pre(LinearInt8Ref.Rows.of(inp, N), rows, added);
              return Map.of("out", ActivationRef.valueOf(activation.name()).forward(p, pre));
            });
    return activation == Activation.NONE || activation == Activation.RELU ? k.exactly("out") : k;
  }

  private static KernelCase callForward(KernelCase k, long N, long C, long F, Activation act) {
    return k.calls(
        (backend, at) ->
            backend.run(
                new LinearInt8Call.Forward(
                    at.of("out"),
                    at.of("scratch"),
                    at.of("inp"),
                    at.of("weight"),
                    at.of("bias"),
                    N,
                    C,
                    F,
                    act)));
  }

  /** Around strips, panels, tiles and steps of every level. */
  private static List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (int F : new int[] {0, 1, 15, 16, 17, 40}) {
      for (int C : new int[] {1, 4, 7, 64, 130}) {
        cases.add(pack(F, C));
      }
    }
    for (int N : new int[] {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 13, 16, 17, 50}) {
      cases.add(forward(N, 70, 100, Activation.NONE, true));
      cases.add(forward(N, 64, 48, Activation.NONE, false));
    }
    for (int C : new int[] {1, 2, 3, 4, 5, 8, 15, 16, 17, 31, 33, 192}) {
      cases.add(forward(11, C, 33, Activation.NONE, true));
    }
    for (int F : new int[] {1, 2, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 96, 97, 145}) {
      cases.add(forward(9, 36, F, Activation.NONE, true));
    }
    for (Activation activation : LinearCases.FUSED) {
      cases.add(forward(10, 52, 55, activation, true));
    }
    return cases;
  }

  /** Large enough to be split among threads, by rows as by columns. */
  private static List<KernelCase> largeCases() {
    return List.of(
        pack(307, 131),
        forward(211, 131, 307, Activation.GELU, true),
        forward(13, 96, 1603, Activation.NONE, true),
        forward(607, 1203, 53, Activation.NONE, true));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void agreesWithTheReference(Target target) {
    KernelContract.each(cases(), k -> k.verify(target.backend(), 0));
    KernelContract.each(largeCases(), k -> k.verify(target.backend(), 0));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void takesAnyAddress(Target target) {
    KernelContract.each(cases(), k -> k.verify(target.backend(), 1));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void givesTheSameBitsOnEveryRepeatAndThreadCount(Target target) {
    Isa isa = ((dev.attune.kernels.cpu.CpuBackend) target.backend()).isa();
    KernelContract.each(
        largeCases(),
        k -> {
          KernelCase.Result alone = k.run(Backends.cpu(1, isa));
          for (int i = 0; i < REPEATS; i++) {
            int threads = 2 + i % 2;
            k.checkSameBits("on " + threads + " threads", alone, k.run(Backends.cpu(threads, isa)));
          }
        });
  }

  /** Rows of zeros, of numbers too small for a scale, of the largest there are; halves of steps. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void strangeRowsHaveCodes(Target target) {
    int C = 70;
    double[] values = new double[6 * C];
    Arrays.fill(values, C, 2 * C, 0x1p-130);
    Arrays.fill(values, 2 * C, 3 * C, 0x1p-101);
    Arrays.fill(values, 3 * C, 4 * C, -Float.MAX_VALUE);
    for (int i = 0; i < C; i++) {
      values[4 * C + i] = i == 0 ? 127 : i - 35.5;
      values[5 * C + i] = Math.scalb(i % 2 == 0 ? 1.0 : -1.0, -i);
    }
    KernelCase k = KernelCase.forward(DType.F32, "linearInt8Forward of strange rows");
    forward(k, values, 6, C, 40, Activation.NONE, false).verify(target.backend(), 0);
    KernelCase weight = KernelCase.forward(DType.F32, "linearInt8Pack of strange rows");
    pack(weight, values, 6, C).verify(target.backend(), 0);
  }

  /** The largest sums there are, of either sign. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void theWidestRowsDoNotOverflow(Target target) {
    int C = ChannelInt8Layout.MAX_COLUMNS;
    KernelCase k = KernelCase.forward(DType.F32, "linearInt8Forward of the widest rows");
    double[] inp = new double[2 * C];
    Arrays.fill(inp, 0, C, 1);
    Arrays.fill(inp, C, 2 * C, -1);
    k.input("inp", Storage.F32, inp);
    double[] weight = new double[2 * C];
    Arrays.fill(weight, 0, C, 1);
    Arrays.fill(weight, C, 2 * C, -1);
    k.input("weight", Storage.U8, bytes(LinearInt8Ref.Rows.of(weight, 2), 2));
    k.overwritten("out", Storage.F32, 4);
    k.scratch("scratch", Storage.U8, (int) LinearInt8Call.Forward.scratchBytes(2, C));
    double[] out =
        callForward(k, 2, C, 2, Activation.NONE).run(target.backend()).values().get("out");
    assertArrayEquals(new double[] {C, -C, -C, C}, out, C * 1e-6);
  }

  /** A NaN or an infinity makes all of its row NaN, and touches no other. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void notANumberStaysInItsRow(Target target) {
    int N = 20;
    int C = 35;
    int F = 50;
    KernelCase k = KernelCase.forward(DType.F32, "linearInt8Forward with NaN");
    double[] values = k.draw(Storage.F32, N * C);
    values[18 * C + 34] = Double.NaN;
    values[3 * C] = Double.NEGATIVE_INFINITY;
    forward(k, values, N, C, F, Activation.GELU, true);
    double[] out = k.run(target.backend()).values().get("out");
    for (int i = 0; i < N * F; i++) {
      assertEquals(i / F == 18 || i / F == 3, Double.isNaN(out[i]), "element " + i);
    }
  }

  /** A row has the same bits alone and among others, whatever the activation. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cpu")
  void aRowIsTheSameAmongOthers(Target target) {
    int N = 41;
    KernelCase all = forward(N, 77, 83, Activation.GELU, true);
    double[] expected = all.run(target.backend()).values().get("out");
    for (int rows : new int[] {1, 2, 3, 7, 8, 12, 25}) {
      KernelCase some = KernelCase.forward(DType.F32, "linearInt8Forward of some rows");
      all.copyRowsTo(some, N - rows, rows, N, "inp", "out");
      all.copyTensorsTo(some, "weight", "bias", "scratch");
      double[] part =
          callForward(some, rows, 77, 83, Activation.GELU)
              .run(target.backend())
              .values()
              .get("out");
      KernelContract.assertRows(expected, N - rows, rows, N, part);
    }
  }

  /** Rows of a weight from a multiple of 16 on are a weight themselves. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void aWeightCanBeCutBetweenStrips(Target target) {
    int C = 70;
    KernelCase whole = forward(5, C, 100, Activation.NONE, false);
    double[] expected = whole.run(target.backend()).values().get("out");
    int first = (int) ChannelInt8Layout.of(C).strip(32);
    KernelCase cut = KernelCase.forward(DType.F32, "linearInt8Forward of some columns");
    whole.copyTensorsTo(cut, "inp", "weight", "scratch");
    cut.overwritten("out", Storage.F32, 5 * 40);
    cut.calls(
        (backend, at) ->
            backend.run(
                new LinearInt8Call.Forward(
                    at.of("out"),
                    at.of("scratch"),
                    at.of("inp"),
                    at.of("weight") + first,
                    0,
                    5,
                    C,
                    40,
                    Activation.NONE)));
    double[] out = cut.run(target.backend()).values().get("out");
    for (int n = 0; n < 5; n++) {
      double[] row = Arrays.copyOfRange(expected, n * 100 + 32, n * 100 + 72);
      assertArrayEquals(row, Arrays.copyOfRange(out, n * 40, (n + 1) * 40));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("targets")
  void badArgumentsAreRefused(Target target) {
    Backend backend = target.backend();
    KernelCase forward = forward(3, 5, 7, Activation.GELU, true);
    for (String tensor : List.of("out", "scratch", "inp", "weight")) {
      forward.without(tensor).assertRefused(backend, tensor, "null");
    }
    Activation none = Activation.NONE;
    callForward(forward.instead(null), -1, 5, 7, none).assertRefused(backend, "N", -1);
    callForward(forward.instead(null), 3, 0, 7, none).assertRefused(backend, "C", 0);
    callForward(forward.instead(null), 3, 65_537, 7, none).assertRefused(backend, "C", 65_537);
    callForward(forward.instead(null), 3, 5, 0, none).assertRefused(backend, "F", 0);
    KernelCase pack = pack(3, 5);
    pack.without("out").assertRefused(backend, "out", "null");
    pack.without("inp").assertRefused(backend, "inp", "null");
    callPack(pack.instead(null), -1, 5).assertRefused(backend, "F", -1);
    callPack(pack.instead(null), 3, 0).assertRefused(backend, "C", 0);
    callPack(pack.instead(null), 3, 65_537).assertRefused(backend, "C", 65_537);
    pack.with("inp", 14, Double.NaN).assertRefused(backend, "inp", "NaN");
    pack.with("inp", 0, Double.POSITIVE_INFINITY).assertRefused(backend, "inp", "infinity");
  }

  @Test
  void theLayoutIsAsTheContractSays() {
    assertEquals(new ChannelInt8Layout(2, 128, 192, 256), ChannelInt8Layout.of(5));
    assertEquals(3 * 256, ChannelInt8Layout.of(5).sizeBytes(33));
    assertEquals(2 * 256, ChannelInt8Layout.of(5).strip(47));
    assertThrows(IllegalArgumentException.class, () -> ChannelInt8Layout.of(65_537));
  }

  /** The kernels of a device lack these ops, and say so. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#cuda")
  void aDeviceHasNone(Target target) {
    Backend device = target.backend();
    KernelCase k = forward(3, 5, 7, Activation.NONE, true);
    String message =
        assertThrows(UnsupportedOperationException.class, () -> k.run(device)).getMessage();
    assertTrue(message.contains("linear_int8_fwd has no kernel"), message);
  }
}
