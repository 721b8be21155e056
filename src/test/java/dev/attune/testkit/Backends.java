package dev.attune.testkit;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import dev.attune.kernels.torch.TorchBackend;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The backends of this machine, each opened once for the whole run; sources of parameters. */
public final class Backends {
  /** Threads of the backends that {@link #all} gives. */
  private static final int THREADS = 2;

  private static final Map<String, Backend> OPEN = new HashMap<>();

  private Backends() {}

  /** A backend as a test parameter. */
  public record Target(String label, Backend backend) {
    /** Whether these are our own kernels. */
    public boolean isCpu() {
      return backend instanceof CpuBackend;
    }

    /** How a message of this backend names a type. */
    public Object describe(DType dtype) {
      return isCpu() ? dtype.code() : dtype;
    }

    @Override
    public String toString() {
      return label;
    }
  }

  /** Every backend: the CPU kernels at each instruction-set level that this machine runs, torch. */
  public static Stream<Target> all() {
    return Stream.concat(cpu(), Stream.of(new Target("torch", torch())));
  }

  private static synchronized Backend torch() {
    return OPEN.computeIfAbsent("torch", key -> new TorchBackend(THREADS));
  }

  /** The CPU kernels at each level. */
  public static Stream<Target> cpu() {
    return levels().stream().map(isa -> new Target("cpu " + isa.label(), cpu(THREADS, isa)));
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
