package dev.attune.testkit;

import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.kernels.cuda.CudaBackend;
import dev.attune.kernels.cuda.Emulation;
import dev.attune.kernels.torch.TorchBackend;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;
import org.junit.jupiter.api.Assumptions;

/** The backends of this machine, each opened once for the whole run; sources of parameters. */
public final class Backends {
  private static final String EMULATED = "cuda emulated";

  /** Threads of the backends that {@link #all} gives. */
  private static final int THREADS = 2;

  private static final Map<String, Backend> OPEN = new HashMap<>();

  private Backends() {}

  /**
   * Which backends the suite runs on: all that need no device, or, where {@code attune.targets} is
   * {@code cuda}, the GPU alone, or, where it is the label of an {@link Isa}, the CPU kernels at
   * that level alone. A process has either the emulated device or a real one, and the library with
   * the emulated level or the product's.
   */
  private static final String TARGETS = System.getProperty("attune.targets", "");

  private static final boolean ON_DEVICE = TARGETS.equals("cuda");

  /** The level that the suite runs on alone, if so. */
  private static final Optional<Isa> ONLY =
      TARGETS.isEmpty() || ON_DEVICE ? Optional.empty() : Optional.of(level(TARGETS));

  private static Isa level(String label) {
    return Stream.of(Isa.values())
        .filter(isa -> isa.label().equals(label))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException("attune.targets is no level and not cuda: " + label));
  }

  /** A backend as a test parameter, opened when it is first used. */
  public static final class Target {
    private final String label;
    private final Supplier<Backend> source;

    Target(String label, Supplier<Backend> source) {
      this.label = label;
      this.source = source;
    }

    /** The backend; aborts the test, with the reason, where this machine cannot have it. */
    public Backend backend() {
      return source.get();
    }

    /** Whether these are our own kernels. */
    public boolean isOurs() {
      return !(backend() instanceof TorchBackend);
    }

    /**
     * Whether its products of f32 are sums of parts in bf16: on matrix tiles, also where the CPU's
     * best level multiplies for an emulated device.
     */
    public boolean multipliesInParts() {
      return label.contains("amx") || (label.equals(EMULATED) && Isa.AMX.isAvailable());
    }

    @Override
    public String toString() {
      return label;
    }
  }

  /** Whether this run is for a real GPU. */
  public static boolean onDevice() {
    return ON_DEVICE;
  }

  /**
   * Every backend: the CPU kernels at each instruction-set level that this machine runs, torch, the
   * CUDA kernels on the emulated device. Or the GPU.
   */
  public static Stream<Target> all() {
    if (ONLY.isPresent()) {
      return cpu();
    }
    return ON_DEVICE
        ? cuda()
        : Stream.concat(
            Stream.concat(cpu(), Stream.of(new Target("torch", Backends::torch))), cuda());
  }

  /** The best CPU level and torch, or the GPU: for tests too long to run on every backend. */
  public static Stream<Target> best() {
    if (ON_DEVICE) {
      return cuda();
    }
    if (ONLY.isPresent()) {
      return cpu();
    }
    List<Target> cpu = cpu().toList();
    return Stream.of(cpu.get(cpu.size() - 1), new Target("torch", Backends::torch));
  }

  /** The CUDA kernels: on the emulated device, or on the GPU. */
  public static Stream<Target> cuda() {
    return Stream.of(
        ON_DEVICE
            ? new Target("cuda", Backends::device)
            : new Target(EMULATED, Backends::emulated));
  }

  private static synchronized Backend device() {
    Optional<String> reason = CudaBackend.unavailableReason();
    Assumptions.assumeTrue(reason.isEmpty(), () -> "no GPU to test on: " + reason.orElseThrow());
    return OPEN.computeIfAbsent("cuda", key -> CudaBackend.open());
  }

  private static synchronized Backend emulated() {
    Assumptions.assumeTrue(ONLY.isEmpty(), "this run tests one level of the CPU alone");
    return OPEN.computeIfAbsent(EMULATED, key -> Emulation.open());
  }

  private static synchronized Backend torch() {
    return OPEN.computeIfAbsent("torch", key -> new TorchBackend(THREADS));
  }

  /** The CPU kernels at each level; in a run for a GPU, a test on them is aborted. */
  public static Stream<Target> cpu() {
    return ONLY.map(List::of).orElseGet(Backends::levels).stream()
        .map(
            isa ->
                new Target(
                    "cpu " + isa.label(),
                    () -> {
                      Assumptions.assumeFalse(ON_DEVICE, "this run tests the GPU alone");
                      return cpu(THREADS, isa);
                    }));
  }

  /** The levels that this machine runs. */
  public static List<Isa> levels() {
    List<Isa> levels = new ArrayList<>();
    for (Isa isa : Isa.values()) {
      if (isa != Isa.BEST && isRunnable(isa)) {
        levels.add(isa);
      }
    }
    return levels;
  }

  private static boolean isRunnable(Isa isa) {
    try {
      cpu(THREADS, isa);
      return true;
    } catch (UnsupportedOperationException e) {
      return false;
    }
  }

  /** The CPU kernels at one level with this many threads. */
  public static synchronized Backend cpu(int threads, Isa isa) {
    return OPEN.computeIfAbsent(isa + " " + threads, key -> new CpuBackend(threads, isa));
  }
}
