package dev.attune.kernels;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DType;
import dev.attune.kernels.calls.SgdCall;
import dev.attune.kernels.calls.StepCall;
import dev.attune.ref.Precision;
import dev.attune.ref.SgdRef;
import dev.attune.testkit.Backends.Target;
import dev.attune.testkit.KernelCase;
import dev.attune.testkit.KernelContract;
import dev.attune.testkit.Shapes;
import dev.attune.testkit.Storage;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class SgdTest extends KernelContract {
  private static final float LR = 0.3f;
  private static final float LR_FACTOR = 0.4f;
  private static final float DECAY = 0.01f;
  private static final int TARGETS = 3;
  private static final float SCALE = (float) (1.0 / TARGETS);

  private static KernelCase sgd(
      int count, float momentum, boolean nesterov, boolean firstStep, boolean shadow) {
    KernelCase k =
        KernelCase.forward(
            DType.F32,
            "sgd count=%d momentum=%s nesterov=%b firstStep=%b shadow=%b",
            count,
            momentum,
            nesterov,
            firstStep,
            shadow);
    double[] weight = k.updated("weight", Storage.F32, count);
    double[] buffer = null;
    if (momentum > 0) {
      // The first step finds zeros.
      double[] before = firstStep ? new double[count] : k.draw(Storage.F32, count);
      buffer = k.updated("momentumBuffer", Storage.F32, before);
    }
    double[] grad = k.normal("grad", Storage.F32, count);
    if (shadow) {
      k.overwritten("shadow", Storage.BF16, count);
    }
    double[] old = buffer;
    return k.calls(
            (backend, at) -> {
              backend.run(new StepCall.Update(LR, 1, 1, TARGETS));
              backend.run(
                  new SgdCall.Flat(
                      at.of("weight"),
                      at.of("momentumBuffer"),
                      at.of("shadow"),
                      at.of("grad"),
                      count,
                      momentum,
                      DECAY,
                      LR_FACTOR,
                      nesterov));
            })
        .gives(
            p -> {
              double[] w = weight.clone();
              double[] newBuffer = old == null ? null : old.clone();
              SgdRef.apply(
                  p,
                  w,
                  newBuffer,
                  grad,
                  new SgdRef.Step(LR * LR_FACTOR, momentum, DECAY, nesterov, firstStep, SCALE));
              double[] rounded = Arrays.stream(w).map(Precision::bf16).toArray();
              return Map.of(
                  "weight",
                  w,
                  "momentumBuffer",
                  newBuffer == null ? new double[0] : newBuffer,
                  "shadow",
                  rounded);
            });
  }

  @Override
  protected List<Set<String>> optionalOutputs() {
    return List.of(Set.of("shadow"));
  }

  @Override
  protected List<KernelCase> cases() {
    TreeSet<Integer> counts = new TreeSet<>(Shapes.widths());
    counts.add(0);
    Shapes.random("sgd", 20, 3000).forEach(shape -> counts.add(shape[0]));
    List<KernelCase> cases = new ArrayList<>();
    for (int count : counts) {
      cases.add(sgd(count, 0, false, false, count % 2 == 0));
      cases.add(sgd(count, 0.9f, false, true, true));
      cases.add(sgd(count, 0.9f, false, false, false));
      cases.add(sgd(count, 0.9f, true, true, false));
      cases.add(sgd(count, 0.9f, true, false, true));
    }
    return cases;
  }

  @Override
  protected List<KernelCase> largeCases() {
    return List.of(
        sgd(40_013, 0, false, false, true),
        sgd(40_013, 0.9f, true, false, true),
        sgd(40_013, 0.9f, false, true, false));
  }

  @Override
  protected List<KernelCase> realCases() {
    return List.of(sgd(768 * 3072, 0.9f, false, false, true));
  }

  /** Two steps by hand, as torch.optim.SGD documents them. */
  @Test
  void referenceFollowsPyTorch() {
    double[] w = {1};
    double[] buffer = {5};
    SgdRef.apply(
        Precision.EXACT, w, buffer, new double[] {2}, new SgdRef.Step(0.1, 0.9, 0, false, true, 1));
    assertEquals(1 - 0.1 * 2, w[0], 1e-15);
    SgdRef.apply(
        Precision.EXACT, w, buffer, new double[] {1}, new SgdRef.Step(0.1, 0.9, 0, true, false, 1));
    assertEquals(0.9 * 2 + 1, buffer[0], 1e-15);
    assertEquals(0.8 - 0.1 * (1 + 0.9 * 2.8), w[0], 1e-15);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void shadowIsTheNewWeightRounded(Target target) {
    KernelCase.Result result = sgd(1003, 0.9f, false, false, true).run(target.backend());
    double[] rounded = Arrays.stream(result.values().get("weight")).map(Precision::bf16).toArray();
    assertValues(rounded, result.values().get("shadow"));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("dev.attune.testkit.Backends#all")
  void badArgumentsAreRefused(Target target) {
    KernelCase k = sgd(9, 0.9f, false, false, true);
    assertNullsRefused(target, k, "weight", "grad", "momentumBuffer");
    k.instead(with(-1, 0)).assertRefused(target.backend(), "count", -1);
    k.instead(with(9, -0.5f)).assertRefused(target.backend(), "momentum", -0.5);
  }

  private static KernelCase.Call with(long count, float momentum) {
    return (b, at) ->
        b.run(
            new SgdCall.Flat(
                at.of("weight"),
                at.of("momentumBuffer"),
                at.of("shadow"),
                at.of("grad"),
                count,
                momentum,
                0,
                1,
                false));
  }
}
