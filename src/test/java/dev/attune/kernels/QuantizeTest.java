package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.kernels.calls.QuantizeCall;
import dev.attune.core.DType;
import dev.attune.ref.QuantizeRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class QuantizeTest extends KernelContract {
  private static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);
  private static final List<DType> CODED = List.of(DType.NF4, DType.INT8);

  /** The layout of the contract; bytes between its parts are poison. */
  static double[] bytes(QuantizeRef.Int8 weight, int F, int C) {
    QuantizedLayout layout = QuantizedLayout.of(F, C, DType.INT8);
    double[] bytes = poison(layout);
    for (int i = 0; i < F * C; i++) {
      bytes[i] = weight.codes()[i] & 0xFF;
    }
    for (int block = 0; block < layout.blocks(); block++) {
      put(bytes, layout.scales() + 4L * block, weight.scales()[block]);
    }
    return bytes;
  }

  static double[] bytes(QuantizeRef.Nf4 weight, int F, int C) {
    QuantizedLayout layout = QuantizedLayout.of(F, C, DType.NF4);
    double[] bytes = poison(layout);
    for (int i = 0; i < F * C; i += 2) {
      bytes[i / 2] = weight.codes()[i] | weight.codes()[i + 1] << 4;
    }
    for (int block = 0; block < layout.blocks(); block++) {
      bytes[(int) layout.scales() + block] = weight.scaleCodes()[block];
    }
    for (int i = 0; i < weight.outerScales().length; i++) {
      put(bytes, layout.outerScales() + 4L * i, weight.outerScales()[i]);
    }
    put(bytes, layout.offset(), weight.offset());
    return bytes;
  }

  private static double[] poison(QuantizedLayout layout) {
    double[] bytes = new double[(int) layout.sizeBytes()];
    Arrays.fill(bytes, 0xFF);
    return bytes;
  }

  private static void put(double[] bytes, long at, float value) {
    int bits = Float.floatToRawIntBits(value);
    for (int i = 0; i < 4; i++) {
      bytes[(int) at + i] = bits >>> 8 * i & 0xFF;
    }
  }

  private static KernelCase quantize(int F, int C, DType inpDtype, DType outDtype) {
    KernelCase k = KernelCase.forward(inpDtype, "quantize F=%d C=%d to %s", F, C, outDtype);
    return quantize(k, k.draw(Storage.of(inpDtype), F * C), F, C, inpDtype, outDtype);
  }

  private static KernelCase quantize(
      KernelCase k, double[] values, int F, int C, DType inpDtype, DType outDtype) {
    double[] inp = k.input("inp", inpDtype, values);
    k.overwritten("out", Storage.U8, F == 0 ? 0 : size(F, C, outDtype));
    return k.calls(quantizeCall(F, C, inpDtype, outDtype))
        .gives(p -> Map.of("out", F == 0 ? new double[0] : coded(inp, F, C, outDtype)))
        .exactly("out");
  }

  private static double[] coded(double[] values, int F, int C, DType dtype) {
    return dtype == DType.INT8
        ? bytes(QuantizeRef.int8(values), F, C)
        : bytes(QuantizeRef.nf4(values), F, C);
  }

  private static int size(int F, int C, DType dtype) {
    return (int) QuantizedLayout.of(F, C, dtype).sizeBytes();
  }

  private static KernelCase.Call quantizeCall(long F, long C, DType inpDtype, DType outDtype) {
    return (backend, at) -> backend.run(new QuantizeCall.Pack(at.of("out"), at.of("inp"), F, C, inpDtype, outDtype));
  }

  private static KernelCase dequantize(int F, int C, DType outDtype, DType inpDtype) {
    KernelCase k = KernelCase.forward(outDtype, "dequantize F=%d C=%d from %s", F, C, inpDtype);
    double[] values = k.draw(Storage.F32, F * C);
    double[] expected = new double[F * C];
    if (F > 0) {
      k.input("inp", Storage.U8, coded(values, F, C, inpDtype));
      if (inpDtype == DType.INT8) {
        Arrays.setAll(expected, QuantizeRef.int8(values)::value);
      } else {
        Arrays.setAll(expected, QuantizeRef.nf4(values)::value);
      }
    }
    k.overwritten("out", outDtype, F * C);
    return k.calls(dequantizeCall(F, C, outDtype, inpDtype))
        .gives(p -> Map.of("out", Arrays.stream(expected).map(p::stored).toArray()));
  }

  private static KernelCase.Call dequantizeCall(long F, long C, DType outDtype, DType inpDtype) {
    return (backend, at) ->
        backend.run(new QuantizeCall.Unpack(at.of("out"), at.of("inp"), F, C, outDtype, inpDtype));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (DType coded : CODED) {
        // Blocks around the 256 that share an outer scale, and fewer.
        for (int F : new int[] {0, 1, 2, 7, 85, 86}) {
          for (int C : new int[] {64, 128, 192}) {
            cases.add(quantize(F, C, dtype, coded));
            cases.add(dequantize(F, C, dtype, coded));
          }
        }
        cases.add(quantize(1, 64 * 256, dtype, coded));
        cases.add(dequantize(1, 64 * 257, dtype, coded));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType dtype : DTYPES) {
      for (DType coded : CODED) {
        cases.add(quantize(307, 192, dtype, coded));
        cases.add(dequantize(307, 192, dtype, coded));
      }
    }
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    List<KernelCase> cases = new ArrayList<>();
    for (DType coded : CODED) {
      cases.add(quantize(2048, 2048, DType.BF16, coded));
      cases.add(dequantize(2048, 2048, DType.BF16, coded));
    }
    return cases;
  }

  /** Blocks of zeros, of one value, of subnormal numbers, of every scale there is. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void strangeBlocksHaveCodes(Target target) {
    double[] values = new double[5 * 64];
    Arrays.fill(values, 64, 128, -3.5);
    Arrays.fill(values, 128, 192, 0x1p-130);
    for (int i = 192; i < 256; i++) {
      values[i] = Math.scalb(i % 2 == 0 ? 1.0 : -1.0, i - 224);
    }
    values[256] = 1e30;
    for (DType coded : CODED) {
      KernelCase k = KernelCase.forward(DType.F32, "quantize strange blocks to %s", coded);
      quantize(k, values, 1, 5 * 64, DType.F32, coded).verify(target.backend(), 0);
    }
  }

  /** What comes back is near what was stored: half a step of the codes, and of the scales. */
  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void theWayThereAndBackIsShort(Target target) {
    int F = 40;
    int C = 512;
    for (DType coded : CODED) {
      KernelCase there = quantize(F, C, DType.F32, coded);
      double[] bytes = there.run(target.backend()).values().get("out");
      KernelCase back = KernelCase.forward(DType.F32, "dequantize again from %s", coded);
      back.input("inp", Storage.U8, bytes);
      back.overwritten("out", Storage.F32, F * C);
      back.calls(dequantizeCall(F, C, DType.F32, coded));
      double[] values = back.run(target.backend()).values().get("out");
      double[] inp = there.initial("inp");
      double squares = 0;
      double errors = 0;
      for (int i = 0; i < inp.length; i++) {
        squares += inp[i] * inp[i];
        errors += (inp[i] - values[i]) * (inp[i] - values[i]);
      }
      // Normally distributed blocks of 64: about 9 % in 4 bits, 0.6 % in 8.
      double limit = coded == DType.NF4 ? 0.11 : 0.008;
      assertTrue(Math.sqrt(errors / squares) < limit, coded + ": " + Math.sqrt(errors / squares));
    }
  }

  @Test
  void theLayoutIsAsTheContractSays() {
    assertEquals(new QuantizedLayout(6, 384, 0, 0, 448), QuantizedLayout.of(3, 128, DType.INT8));
    assertEquals(new QuantizedLayout(6, 192, 256, 320, 384), QuantizedLayout.of(3, 128, DType.NF4));
    assertThrows(IllegalArgumentException.class, () -> QuantizedLayout.of(3, 96, DType.NF4));
    assertThrows(IllegalArgumentException.class, () -> QuantizedLayout.of(3, 128, DType.BF16));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    for (DType coded : CODED) {
      KernelCase there = quantize(2, 64, DType.F32, coded);
      assertNullsRefused(target, there, "out", "inp");
      there.with("inp", 77, Double.NaN).assertRefused(target.backend(), "inp", "NaN");
      there
          .with("inp", 77, Double.NEGATIVE_INFINITY)
          .assertRefused(target.backend(), "inp", "infinity");
      refuse(target, there, quantizeCall(-1, 64, DType.F32, coded), "F", -1);
      refuse(target, there, quantizeCall(2, 96, DType.F32, coded), "C", 96);
      refuse(target, there, quantizeCall(2, 0, DType.F32, coded), "C", 0);
      Object i32 = DType.I32;
      refuse(target, there, quantizeCall(2, 64, DType.I32, coded), "inpDtype", i32);
      Object bf16 = DType.BF16;
      refuse(target, there, quantizeCall(2, 64, DType.F32, DType.BF16), "outDtype", bf16);
      KernelCase back = dequantize(2, 64, DType.F32, coded);
      assertNullsRefused(target, back, "out", "inp");
      refuse(target, back, dequantizeCall(2, 65, DType.F32, coded), "C", 65);
      refuse(target, back, dequantizeCall(2, 64, DType.F32, DType.BF16), "inpDtype", bf16);
      refuse(target, back, dequantizeCall(2, 64, DType.I32, coded), "outDtype", i32);
    }
  }

  private static void refuse(
      Target target, KernelCase k, KernelCase.Call call, String argument, Object value) {
    k.instead(call).assertRefused(target.backend(), argument, value);
  }
}
