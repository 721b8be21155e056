package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.ref.ActivationRef;
import dev.attune.ref.LinearRef;
import dev.attune.ref.QuantizeRef;
import dev.attune.ref.ReductionRef;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.Storage;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** Cases of the three products of one shape, with what they must give. */
final class LinearCases {
  private LinearCases() {}

  static final List<Activation> FUSED =
      Stream.of(Activation.values()).filter(Activation::isFused).toList();

  static final List<DType> DTYPES = List.of(DType.F32, DType.BF16);

  static ActivationRef ref(Activation activation) {
    return ActivationRef.valueOf(activation.name());
  }

  static final List<DType> CODED = List.of(DType.NF4, DType.INT8);

  /**
   * A weight whose products with {@code terms} values of unit scale have unit scale. As an operand
   * it is rounded to the type of activations: that is what is returned; for a coded weight, the
   * values behind the codes.
   */
  static double[] weight(KernelCase k, int F, int C, int terms, DType dtype, DType weightDtype) {
    double[] values = k.draw(Storage.F32, F * C);
    for (int i = 0; i < values.length; i++) {
      values[i] /= Math.sqrt(terms);
    }
    double[] stored =
        CODED.contains(weightDtype)
            ? coded(k, values, F, C, weightDtype)
            : k.input("weight", weightDtype, values);
    return Arrays.stream(stored).map(Storage.of(dtype)::round).toArray();
  }

  /** Declares the input "weight", these values packed; returns the values behind the codes. */
  static double[] coded(KernelCase k, double[] values, int F, int C, DType weightDtype) {
    double[] stored = new double[F * C];
    if (weightDtype == DType.INT8) {
      QuantizeRef.Int8 weight = QuantizeRef.int8(values);
      k.input("weight", Storage.U8, QuantizeTest.bytes(weight, F, C));
      Arrays.setAll(stored, weight::value);
    } else {
      QuantizeRef.Nf4 weight = QuantizeRef.nf4(values);
      k.input("weight", Storage.U8, QuantizeTest.bytes(weight, F, C));
      Arrays.setAll(stored, weight::value);
    }
    return stored;
  }

  static KernelCase forward(
      int N,
      int C,
      int F,
      Activation activation,
      boolean bias,
      boolean pre,
      DType dtype,
      DType weightDtype) {
    KernelCase k =
        KernelCase.forward(
            dtype,
            "linearForward N=%d C=%d F=%d %s bias=%b pre=%b weight %s",
            N,
            C,
            F,
            activation,
            bias,
            pre,
            weightDtype);
    double[] inp = k.normal("inp", dtype, N * C);
    double[] weight = weight(k, F, C, C, dtype, weightDtype);
    double[] added = bias ? k.normal("bias", Storage.F32, F) : null;
    k.overwritten("out", dtype, N * F);
    if (pre) {
      k.overwritten("pre", dtype, N * F);
    }
    return callForward(k, N, C, F, activation, dtype, weightDtype)
        .gives(
            p -> {
              double[] before = LinearRef.pre(p, inp, weight, added, N, C, F);
              return Map.of("pre", before, "out", ref(activation).forward(p, before));
            });
  }

  static KernelCase callForward(
      KernelCase k, int N, int C, int F, Activation activation, DType dtype, DType weightDtype) {
    return k.calls(
        (backend, at) ->
            backend.run(
                new LinearCall.Forward(
                    at.of("out"),
                    at.of("pre"),
                    at.of("inp"),
                    at.of("weight"),
                    at.of("bias"),
                    N,
                    C,
                    F,
                    activation,
                    dtype,
                    weightDtype)));
  }

  static KernelCase backwardInput(
      int N,
      int C,
      int F,
      Activation activation,
      boolean actOut,
      boolean accumulate,
      DType dtype,
      DType weightDtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "linearBackwardInput N=%d C=%d F=%d %s actOut=%b accumulate=%b weight %s",
            N,
            C,
            F,
            activation,
            actOut,
            accumulate,
            weightDtype);
    double[] dout = k.normal("dout", dtype, N * F);
    double[] weight = weight(k, F, C, F, dtype, weightDtype);
    double[] pre = activation == Activation.NONE ? null : k.normal("pre", dtype, N * C);
    double[] old = k.gradient("dinp", dtype, N * C, accumulate);
    if (actOut) {
      k.overwritten("actOut", dtype, N * C);
    }
    return callBackwardInput(k, N, C, F, activation, accumulate, dtype, weightDtype)
        .gives(
            p -> {
              Map<String, double[]> values = new HashMap<>();
              values.put(
                  "dinp",
                  LinearRef.backwardInput(p, dout, weight, pre, old, N, C, F, ref(activation)));
              if (pre != null) {
                values.put("actOut", ref(activation).forward(p, pre));
              }
              return values;
            });
  }

  static KernelCase callBackwardInput(
      KernelCase k,
      int N,
      int C,
      int F,
      Activation activation,
      boolean accumulate,
      DType dtype,
      DType weightDtype) {
    return k.calls(
        (backend, at) ->
            backend.run(
                new LinearCall.BackwardInput(
                    at.of("dinp"),
                    at.of("actOut"),
                    at.of("dout"),
                    at.of("weight"),
                    at.of("pre"),
                    N,
                    C,
                    F,
                    activation,
                    accumulate,
                    dtype,
                    weightDtype)));
  }

  static KernelCase backwardWeight(
      int N, int C, int F, boolean bias, boolean accumulate, DType dtype) {
    KernelCase k =
        KernelCase.backward(
            dtype,
            "linearBackwardWeight N=%d C=%d F=%d bias=%b accumulate=%b",
            N,
            C,
            F,
            bias,
            accumulate);
    double[] dout = k.normal("dout", dtype, N * F);
    double[] inp = k.normal("inp", dtype, N * C);
    double[] oldWeight = k.gradient("dweight", Storage.F32, F * C, accumulate);
    double[] oldBias = bias ? k.gradient("dbias", Storage.F32, F, accumulate) : null;
    k.overwritten("squares", Storage.F64, 1);
    return k.calls(
            (backend, at) ->
                backend.run(
                    new LinearCall.BackwardWeight(
                        at.of("dweight"),
                        at.of("dbias"),
                        at.of("squares"),
                        at.of("dout"),
                        at.of("inp"),
                        N,
                        C,
                        F,
                        accumulate,
                        dtype)))
        .gives(
            p -> {
              double[] dweight = LinearRef.backwardWeight(p, dout, inp, oldWeight, N, C, F);
              return Map.of(
                  "dweight",
                  dweight,
                  "dbias",
                  LinearRef.backwardBias(p, dout, oldBias, N, F),
                  "squares",
                  new double[] {ReductionRef.sumOfSquares(p, dweight)});
            });
  }

  /** All three kernels of one shape; options vary with the running number. */
  static void addAll(List<KernelCase> cases, int N, int C, int F, DType dtype, DType weightDtype) {
    int number = cases.size() / 3;
    Activation activation = FUSED.get(number % FUSED.size());
    Activation before = FUSED.get(number / 2 % FUSED.size());
    boolean odd = number % 2 == 1;
    cases.add(forward(N, C, F, activation, number % 3 != 0, !odd, dtype, weightDtype));
    cases.add(
        backwardInput(
            N,
            C,
            F,
            before,
            odd && before != Activation.NONE,
            number % 3 == 1,
            dtype,
            weightDtype));
    cases.add(backwardWeight(N, C, F, number % 3 != 1, odd, dtype));
  }
}
