package dev.attune.testkit;

import dev.attune.core.DType;
import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.ref.Precision;
import dev.attune.testkit.TestMemory.Role;
import dev.attune.testkit.TestMemory.Spec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * One call of one kernel: its tensors, the call, and what the reference says it gives. Building a
 * case draws its values; {@link #run} makes the call in fresh guarded memory; {@link #verify} also
 * holds the result against the reference.
 */
public final class KernelCase {
  /** The call. Tensors that the case does not declare have address 0. */
  public interface Call {
    void run(Backend backend, Addresses at);
  }

  /** Where the tensors of a call are. */
  public interface Addresses {
    long of(String name);
  }

  /** What a call wrote: values and bytes of each output. */
  public record Result(Map<String, double[]> values, Map<String, byte[]> bytes) {}

  private final String name;
  private final DType dtype;
  private final boolean backward;
  private final SplittableRandom random;
  private final List<Spec> specs = new ArrayList<>();
  private final Set<String> exact = new HashSet<>();
  private final Set<String> exactOnTheCpu = new HashSet<>();
  private final Map<String, Double> floors = new HashMap<>();
  private Call call;
  private Function<Precision, Map<String, double[]>> reference;
  private final Map<Precision, Map<String, double[]>> expected = new EnumMap<>(Precision.class);

  private KernelCase(String name, DType dtype, boolean backward) {
    this.name = name + " " + dtype;
    this.dtype = dtype;
    this.backward = backward;
    this.random = Seeds.random(this.name);
  }

  /** A case of a forward kernel; {@code dtype} chooses the plain program that it competes with. */
  public static KernelCase forward(DType dtype, String format, Object... arguments) {
    return new KernelCase(String.format(format, arguments), dtype, false);
  }

  /** A case of a backward kernel. */
  public static KernelCase backward(DType dtype, String format, Object... arguments) {
    return new KernelCase(String.format(format, arguments), dtype, true);
  }

  /** The generator of this case's values. */
  public SplittableRandom random() {
    return random;
  }

  /** Random values of unit scale, rounded to what the type can hold; no tensor yet. */
  public double[] draw(Storage storage, int count) {
    double[] values = new double[count];
    for (int i = 0; i < count; i++) {
      values[i] = storage.round(random.nextGaussian());
    }
    return values;
  }

  /** An input with random values of unit scale. */
  public double[] normal(String tensor, Storage storage, int count) {
    return input(tensor, storage, draw(storage, count));
  }

  public double[] normal(String tensor, DType type, int count) {
    return normal(tensor, Storage.of(type), count);
  }

  /** An input with these values, rounded to what the type can hold. */
  public double[] input(String tensor, Storage storage, double[] values) {
    double[] rounded = new double[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = storage.round(values[i]);
    }
    add(tensor, storage, Role.INPUT, values.length, rounded, null);
    return rounded;
  }

  public double[] input(String tensor, DType type, double[] values) {
    return input(tensor, Storage.of(type), values);
  }

  /** An input of indices. */
  public int[] ints(String tensor, int... values) {
    add(
        tensor,
        Storage.I32,
        Role.INPUT,
        values.length,
        Arrays.stream(values).asDoubleStream().toArray(),
        null);
    return values;
  }

  /** An output that starts as poison. */
  public void overwritten(String tensor, Storage storage, int count) {
    add(tensor, storage, Role.OVERWRITTEN, count, null, null);
  }

  public void overwritten(String tensor, DType type, int count) {
    overwritten(tensor, Storage.of(type), count);
  }

  /** Memory that the call may use as it likes: it starts as poison and nobody reads it after. */
  public void scratch(String tensor, Storage storage, int count) {
    add(tensor, storage, Role.SCRATCH, count, null, null);
  }

  /** An output that starts as known random values, which are returned. */
  public double[] updated(String tensor, Storage storage, int count) {
    return updated(tensor, storage, draw(storage, count));
  }

  public double[] updated(String tensor, DType type, int count) {
    return updated(tensor, Storage.of(type), count);
  }

  /** An output that starts as these values. */
  public double[] updated(String tensor, Storage storage, double[] values) {
    add(tensor, storage, Role.UPDATED, values.length, values.clone(), null);
    return values;
  }

  /**
   * An output that is accumulated into (its old values are returned) or overwritten (null is
   * returned).
   */
  public double[] gradient(String tensor, Storage storage, int count, boolean accumulate) {
    if (accumulate) {
      return updated(tensor, storage, count);
    }
    overwritten(tensor, storage, count);
    return null;
  }

  public double[] gradient(String tensor, DType type, int count, boolean accumulate) {
    return gradient(tensor, Storage.of(type), count, accumulate);
  }

  /** An output that lies where an input lies. */
  public void inPlace(String tensor, String input) {
    Spec of = spec(input);
    add(tensor, of.storage(), Role.UPDATED, of.count(), null, input);
  }

  private void add(
      String tensor, Storage storage, Role role, int count, double[] initial, String inPlaceOf) {
    specs.add(new Spec(tensor, storage, role, count, initial, inPlaceOf));
  }

  private Spec spec(String tensor) {
    for (Spec spec : specs) {
      if (spec.name().equals(tensor)) {
        return spec;
      }
    }
    throw new IllegalStateException(name + " has no tensor " + tensor);
  }

  /** Gives another case the same tensors with the same values. */
  public void copyTensorsTo(KernelCase other, String... tensors) {
    for (String tensor : tensors) {
      other.specs.add(spec(tensor));
    }
  }

  /** Gives another case some rows of tensors that have {@code N} rows here. */
  public void copyRowsTo(KernelCase other, int begin, int rows, int N, String... tensors) {
    for (String tensor : tensors) {
      Spec spec = spec(tensor);
      int width = spec.count() / N;
      double[] part =
          spec.initial() == null
              ? null
              : Arrays.copyOfRange(spec.initial(), begin * width, (begin + rows) * width);
      other.add(tensor, spec.storage(), spec.role(), rows * width, part, null);
    }
  }

  /** A copy of the values that a tensor starts with. */
  public double[] initial(String tensor) {
    return spec(tensor).initial().clone();
  }

  /** A copy of this case with another call. */
  public KernelCase instead(Call other) {
    KernelCase copy = new KernelCase(name, dtype, backward);
    copy.specs.addAll(specs);
    copy.call = other;
    return copy;
  }

  /** A copy without a tensor: its address is null. */
  public KernelCase without(String tensor) {
    KernelCase copy = instead(call);
    copy.specs.remove(spec(tensor));
    return copy;
  }

  /** Whether the call writes all of these tensors. */
  public boolean writes(Set<String> tensors) {
    return specs.stream()
        .filter(spec -> spec.role() != Role.INPUT)
        .map(Spec::name)
        .collect(Collectors.toSet())
        .containsAll(tensors);
  }

  /** A copy without some of its outputs, whose addresses are null; the others stay as they are. */
  public KernelCase leavingOut(Set<String> outputs) {
    KernelCase copy = new KernelCase(name + " without " + outputs, dtype, backward);
    specs.stream().filter(spec -> !outputs.contains(spec.name())).forEach(copy.specs::add);
    copy.exact.addAll(exact);
    copy.exactOnTheCpu.addAll(exactOnTheCpu);
    copy.floors.putAll(floors);
    copy.call = call;
    copy.reference = reference;
    return copy;
  }

  /** A copy in which one element of a tensor starts as another value. */
  public KernelCase with(String tensor, int index, double value) {
    KernelCase copy = instead(call);
    Spec spec = spec(tensor);
    double[] changed = spec.initial().clone();
    changed[index] = value;
    copy.specs.set(
        specs.indexOf(spec),
        new Spec(tensor, spec.storage(), spec.role(), spec.count(), changed, spec.inPlaceOf()));
    return copy;
  }

  /**
   * Claims that the call is refused with an {@link IllegalArgumentException} that names the
   * argument and its value, before anything is written. A device may notice a bad value in its
   * memory, such as an index, while it writes; then nothing else is written than outputs.
   */
  public void assertRefused(Backend backend, String argument, Object value) {
    String label = name + " on " + backend.description() + " with " + argument + " = " + value;
    TestMemory memory = new TestMemory(backend, specs, 0);
    boolean returned = false;
    try {
      call.run(backend, memory::address);
      returned = true;
      memory.fetch();
    } catch (IllegalArgumentException e) {
      String message = plainText(e.getMessage());
      if (!message.contains(plainText(argument))
          || !message.contains(plainText(value.toString()))) {
        throw new AssertionError(label + ": the message is '" + e.getMessage() + "'", e);
      }
      memory.fetch();
      memory.checkIntact(label);
      if (!returned) {
        memory.checkUnwritten(label);
      }
      return;
    }
    throw new AssertionError(label + " is not refused");
  }

  /** Backends write names in their own case. */
  private static String plainText(String text) {
    return text.toLowerCase(Locale.ROOT).replace("_", "");
  }

  /** Outputs that must equal the reference exactly: copies, and arithmetic of one rounding. */
  public KernelCase exactly(String... tensors) {
    exact.addAll(List.of(tensors));
    return this;
  }

  /** Outputs that the CPU sums in the reference's order, and a device in one of its own. */
  public KernelCase exactlyOnTheCpu(String... tensors) {
    exactOnTheCpu.addAll(List.of(tensors));
    return this;
  }

  /** A floor of this output's own; the caller says why. */
  public KernelCase within(String tensor, double floor) {
    floors.put(tensor, floor);
    return this;
  }

  public KernelCase calls(Call kernel) {
    this.call = kernel;
    return this;
  }

  /** The reference: values of every output by name; others are ignored. */
  public KernelCase gives(Function<Precision, Map<String, double[]>> values) {
    this.reference = values;
    return this;
  }

  /** Makes the call in aligned memory. */
  public Result run(Backend backend) {
    return run(backend, 0);
  }

  /** Makes the call; checks that nothing but the outputs was written. */
  public Result run(Backend backend, int misalignment) {
    TestMemory memory = new TestMemory(backend, specs, misalignment);
    call.run(backend, memory::address);
    memory.fetch();
    memory.checkIntact(name + " on " + backend.description());
    Result result = new Result(new LinkedHashMap<>(), new LinkedHashMap<>());
    for (Spec spec : specs) {
      if (spec.role() != Role.INPUT && spec.role() != Role.SCRATCH) {
        result.values.put(spec.name(), memory.values(spec.name()));
        result.bytes.put(spec.name(), memory.bytes(spec.name()));
      }
    }
    return result;
  }

  /** What the reference gives at a precision. */
  public double[] expected(Precision precision, String tensor) {
    return expected.computeIfAbsent(precision, reference).get(tensor);
  }

  /** Runs the case and holds every output against the reference. */
  public Result verify(Backend backend, int misalignment) {
    Result result = run(backend, misalignment);
    result.values.forEach(
        (tensor, actual) -> {
          String label = name + " on " + backend.description() + ": " + tensor;
          double[] definition = expected(Precision.EXACT, tensor);
          double[] plain = expected(Precision.plain(dtype), tensor);
          if (definition == null) {
            throw new IllegalStateException(label + " has no reference");
          }
          boolean onTheCpu = backend.device() == DeviceKind.CPU;
          if (exact.contains(tensor) || (onTheCpu && exactOnTheCpu.contains(tensor))) {
            checkEqual(label, actual, plain);
          } else {
            double floor = ErrorBudget.floor(spec(tensor).storage());
            ErrorBudget.check(
                label,
                actual,
                definition,
                plain,
                ErrorBudget.factor(backend, backward),
                Math.max(floor, floors.getOrDefault(tensor, 0.0)));
          }
        });
    return result;
  }

  private static void checkEqual(String label, double[] actual, double[] exact) {
    for (int i = 0; i < actual.length; i++) {
      if (Double.compare(actual[i], exact[i]) != 0 && !(actual[i] == 0 && exact[i] == 0)) {
        throw new AssertionError(
            String.format(
                "%s[%d] is %s, must be exactly %s; %s",
                label, i, actual[i], exact[i], Seeds.replay()));
      }
    }
  }

  /** Throws {@link AssertionError} unless two runs of this case gave the same bytes. */
  public void checkSameBits(String how, Result one, Result other) {
    one.bytes.forEach(
        (tensor, bytes) -> {
          int at = Arrays.mismatch(bytes, other.bytes.get(tensor));
          if (at >= 0) {
            int element = at / spec(tensor).storage().sizeBytes();
            throw new AssertionError(
                String.format(
                    "%s: %s[%d] is %s, then %s %s; %s",
                    name,
                    tensor,
                    element,
                    one.values.get(tensor)[element],
                    other.values.get(tensor)[element],
                    how,
                    Seeds.replay()));
          }
        });
  }

  @Override
  public String toString() {
    return name;
  }
}
