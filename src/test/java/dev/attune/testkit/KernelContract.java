package dev.attune.testkit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.testkit.Backends.Target;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The claims that hold for every kernel; the test of an op extends this with its cases and adds the
 * claims of its own contract. Each run checks guards, inputs and poison as well.
 */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
public abstract class KernelContract {
  private static final String ALL = "dev.attune.testkit.Backends#all";
  private static final String CPU = "dev.attune.testkit.Backends#cpu";
  private static final String CUDA = "dev.attune.testkit.Backends#cuda";
  private static final int REPEATS = 50;
  private static final int EMULATED_REPEATS = 2;
  private static final int NIGHTLY_REPEATS = 250;

  private List<KernelCase> cases;
  private List<KernelCase> largeCases;

  /** The table: shapes, options, types. */
  protected abstract List<KernelCase> cases();

  /** A few cases large enough that every kernel of the op splits them among threads. */
  protected abstract List<KernelCase> largeCases();

  /** Cases of the sizes of real models, for the nightly tier. */
  protected abstract List<KernelCase> realCases();

  /** Groups of outputs that a call may leave out: null because frozen, or not wanted. */
  protected List<Set<String>> optionalOutputs() {
    return List.of();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void outputsThatAreNotWantedMayBeAbsent(Target target) {
    for (Set<String> outputs : optionalOutputs()) {
      List<KernelCase> having =
          Stream.concat(once().stream(), onceLarge().stream())
              .filter(kernelCase -> kernelCase.writes(outputs))
              .toList();
      if (having.isEmpty()) {
        throw new AssertionError("no case writes " + outputs);
      }
      each(having, kernelCase -> kernelCase.leavingOut(outputs).verify(target.backend(), 0));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void agreesWithTheReference(Target target) {
    each(once(), kernelCase -> kernelCase.verify(target.backend(), 0));
    each(onceLarge(), kernelCase -> kernelCase.verify(target.backend(), 0));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void takesAddressesThatAreAlignedToElementsOnly(Target target) {
    each(once(), kernelCase -> kernelCase.verify(target.backend(), 1));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(CPU)
  void givesTheSameBitsAtAnyAddress(Target target) {
    each(
        onceLarge(),
        kernelCase ->
            kernelCase.checkSameBits(
                "at other addresses",
                kernelCase.run(target.backend()),
                kernelCase.run(target.backend(), 1)));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource(CPU)
  void givesTheSameBitsOnEveryRepeatAndThreadCount(Target target) {
    each(onceLarge(), kernelCase -> repeat(target, kernelCase, REPEATS));
  }

  /** A race among blocks or warps shows as bits that differ; the emulated device shuffles them. */
  @ParameterizedTest(name = "{0}")
  @MethodSource(CUDA)
  void givesTheSameBitsOnEveryRepeatOnADevice(Target target) {
    each(
        onceLarge(),
        kernelCase -> {
          KernelCase.Result first = kernelCase.run(target.backend());
          for (int i = 0; i < (Backends.onDevice() ? REPEATS : EMULATED_REPEATS); i++) {
            kernelCase.checkSameBits("at repeat " + i, first, kernelCase.run(target.backend()));
          }
        });
  }

  @Tag("nightly")
  @ParameterizedTest(name = "{0}")
  @MethodSource(CPU)
  void givesTheSameBitsOnManyRepeats(Target target) {
    each(onceLarge(), kernelCase -> repeat(target, kernelCase, NIGHTLY_REPEATS));
  }

  @Tag("nightly")
  @ParameterizedTest(name = "{0}")
  @MethodSource(ALL)
  void agreesWithTheReferenceAtRealShapes(Target target) {
    Assumptions.assumeFalse(
        target.toString().equals("cuda emulated"), "the emulated device is too slow for these");
    each(realCases(), kernelCase -> kernelCase.verify(target.backend(), 0));
  }

  private static void repeat(Target target, KernelCase kernelCase, int repeats) {
    CpuBackend level = (CpuBackend) target.backend();
    KernelCase.Result alone = runFresh(kernelCase, level.isa());
    for (int i = 0; i < repeats; i++) {
      int threads = 2 + i % 2;
      Backend backend = Backends.cpu(threads, level.isa());
      kernelCase.checkSameBits(
          "on " + threads + " threads at repeat " + i, alone, kernelCase.run(backend));
    }
  }

  /** On one thread whose workspace no earlier call has touched. */
  private static KernelCase.Result runFresh(KernelCase kernelCase, Isa isa) {
    try (CpuBackend fresh = new CpuBackend(1, isa)) {
      KernelCase.Result result = kernelCase.run(fresh);
      TestMemory.release(fresh);
      return result;
    }
  }

  private List<KernelCase> once() {
    if (cases == null) {
      cases = cases();
    }
    return cases;
  }

  private List<KernelCase> onceLarge() {
    if (largeCases == null) {
      largeCases = largeCases();
    }
    return largeCases;
  }

  /** Exact equality, except that zeros have no sign. */
  public static void assertValues(double[] expected, double[] actual) {
    assertArrayEquals(expected, actual, Double.MIN_VALUE);
  }

  /** Rows begin..begin+rows of {@code whole}, which has N rows, are {@code part}, bit for bit. */
  public static void assertRows(double[] whole, int begin, int rows, int N, double[] part) {
    int width = whole.length / N;
    assertArrayEquals(Arrays.copyOfRange(whole, begin * width, (begin + rows) * width), part);
  }

  /** Claims that the call is refused when any of these tensors is null. */
  protected static void assertNullsRefused(
      Target target, KernelCase kernelCase, String... tensors) {
    for (String tensor : tensors) {
      kernelCase.without(tensor).assertRefused(target.backend(), tensor, "null");
    }
  }

  /** A claim about one case. */
  public interface Claim {
    void check(KernelCase kernelCase);
  }

  /** Checks all cases; fails with the first few that fail and their number. */
  public static void each(List<KernelCase> cases, Claim claim) {
    List<String> failures = new ArrayList<>();
    for (KernelCase kernelCase : cases) {
      try {
        claim.check(kernelCase);
      } catch (AssertionError e) {
        failures.add(e.getMessage());
      }
    }
    if (!failures.isEmpty()) {
      throw new AssertionError(
          failures.size()
              + " of "
              + cases.size()
              + " cases fail:\n"
              + String.join("\n", failures.subList(0, Math.min(8, failures.size()))));
    }
  }
}
