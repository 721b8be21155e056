package dev.attune.kernels;

import dev.attune.core.DType;
import dev.attune.kernels.calls.RelativeBiasCall;
import dev.attune.ref.Precision;
import dev.attune.ref.RelativeBiasRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.Gradients;
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

class RelativeBiasTest extends KernelContract {
  private static int[] buckets(KernelCase k, int reach, int K) {
    int[] buckets = new int[2 * reach + 1];
    Arrays.setAll(buckets, i -> k.random().nextInt(K));
    return k.ints("buckets", buckets);
  }

  private static KernelCase forward(int H, int reach, int K) {
    KernelCase k =
        KernelCase.forward(DType.F32, "relativeBiasForward H=%d reach=%d K=%d", H, reach, K);
    double[] table = k.normal("table", Storage.F32, K * H);
    int[] buckets = buckets(k, reach, K);
    k.overwritten("out", Storage.F32, H * buckets.length);
    return k.calls(forwardWith(H, reach, K))
        .gives(p -> Map.of("out", RelativeBiasRef.forward(table, buckets, H)))
        .exactly("out");
  }

  private static KernelCase backward(int H, int reach, int K, boolean accumulate) {
    KernelCase k =
        KernelCase.backward(
            DType.F32,
            "relativeBiasBackward H=%d reach=%d K=%d accumulate=%b",
            H,
            reach,
            K,
            accumulate);
    int[] buckets = buckets(k, reach, K);
    double[] dout = k.normal("dout", Storage.F32, H * buckets.length);
    double[] old = k.gradient("dtable", Storage.F32, K * H, accumulate);
    return k.calls(
            (backend, at) ->
                backend.run(
                    new RelativeBiasCall.Backward(
                        at.of("dtable"), at.of("dout"), at.of("buckets"), H, reach, K, accumulate)))
        .gives(p -> Map.of("dtable", RelativeBiasRef.backward(p, old, dout, buckets, H, K)));
  }

  private static KernelCase.Call forwardWith(long H, long reach, long K) {
    return (backend, at) ->
        backend.run(
            new RelativeBiasCall.Forward(
                at.of("out"), at.of("table"), at.of("buckets"), H, reach, K));
  }

  private static void addAll(List<KernelCase> cases, int H, int reach, int K) {
    cases.add(forward(H, reach, K));
    cases.add(backward(H, reach, K, false));
    cases.add(backward(H, reach, K, true));
  }

  @Override
  protected List<KernelCase> cases() {
    List<KernelCase> cases = new ArrayList<>();
    addAll(cases, 1, 0, 1);
    addAll(cases, 12, 128, 32);
    for (int reach : new int[] {1, 7, 8, 33}) {
      addAll(cases, 3, reach, 5);
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    List<KernelCase> cases = new ArrayList<>();
    addAll(cases, 64, 800, 128);
    return cases;
  }

  @Override
  protected List<KernelCase> realCases() {
    return cases();
  }

  @Test
  void referenceGradientIsTheSlope() {
    int[] buckets = {2, 0, 1, 0, 0, 2, 1};
    double[] table = Gradients.normal("relative bias table", 3 * 2);
    double[] dout = Gradients.normal("relative bias dout", 2 * 7);
    Gradients.check(
        "table",
        table,
        RelativeBiasRef.backward(Precision.EXACT, null, dout, buckets, 2, 3),
        x -> Gradients.dot(RelativeBiasRef.forward(x, buckets, 2), dout));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase forward = forward(2, 3, 4);
    assertNullsRefused(target, forward, "out", "table", "buckets");
    KernelCase backward = backward(2, 3, 4, false);
    assertNullsRefused(target, backward, "dtable", "dout", "buckets");
    for (KernelCase k : List.of(forward, backward)) {
      k.with("buckets", 0, 4).assertRefused(target.backend(), "buckets[0]", 4);
      k.with("buckets", 6, -1).assertRefused(target.backend(), "buckets[6]", -1);
    }
    forward.instead(forwardWith(0, 3, 4)).assertRefused(target.backend(), "H", 0);
    forward.instead(forwardWith(2, -1, 4)).assertRefused(target.backend(), "reach", -1);
    forward.instead(forwardWith(2, 3, 0)).assertRefused(target.backend(), "K", 0);
  }
}
