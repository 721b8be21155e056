package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.kernels.cpu.Isa;
import java.util.Locale;
import java.util.Optional;

/**
 * Where and how a run or an open model computes.
 *
 * @param precision of activations
 * @param threads over all calls at a time; 0: all cores
 * @param level of the CPU's kernels; empty: the fastest for the precision
 */
public record Compute(
    BackendKind backend, PrecisionOption precision, int threads, Optional<Isa> level) {
  private static final String AUTO = "auto";

  /** On the CPU's fastest level, if on the CPU. */
  public Compute(BackendKind backend, PrecisionOption precision, int threads) {
    this(backend, precision, threads, Optional.empty());
  }

  /**
   * What a run's options say.
   *
   * @throws InputException naming the option that says something else than it may
   */
  public static Compute of(RunConfig config) {
    Compute compute =
        new Compute(
            BackendKind.ofOption(config.text(RunOption.BACKEND)),
            PrecisionOption.ofOption(config.text(RunOption.PRECISION)),
            config.smallInteger(RunOption.THREADS),
            level(config.text(RunOption.ISA)));
    Backends.threads(compute.threads);
    if (compute.level.isPresent() && !compute.mayRunOnCpu()) {
      throw new InputException(
          RunOption.ISA
              + " chooses among the CPU's kernels; "
              + RunOption.BACKEND.with(config.text(RunOption.BACKEND))
              + " has none of them");
    }
    return compute;
  }

  private boolean mayRunOnCpu() {
    return backend == BackendKind.AUTO || backend == BackendKind.CPU;
  }

  private static Optional<Isa> level(String option) {
    if (option.toLowerCase(Locale.ROOT).equals(AUTO)) {
      return Optional.empty();
    }
    return Optional.of(
        Isa.named(option)
            .orElseThrow(
                () ->
                    new InputException(
                        RunOption.ISA
                            + " is '"
                            + option
                            + "'; allowed are "
                            + AUTO
                            + ", "
                            + Isa.labels())));
  }

  /**
   * The same, with what it leaves open as an earlier run had it: a run that goes on computes as it
   * began, whatever is the fastest here.
   *
   * @param arithmetic the earlier backend's {@link Backend#arithmetic}
   * @param earlier the earlier precision, by the name that {@link PrecisionOption} gives it
   * @throws InputException if the processor does not have the level that the run began on
   */
  Compute goingOn(String arithmetic, String earlier) {
    boolean isOpen = precision == PrecisionOption.AUTO;
    return new Compute(
        backend,
        isOpen ? PrecisionOption.ofOption(earlier) : precision,
        threads,
        mayRunOnCpu() ? chosen().or(() -> available(arithmetic)) : level);
  }

  /** The level that was asked for, in whichever way. */
  private Optional<Isa> chosen() {
    return level.or(Isa::fromEnvironment);
  }

  /** The same as options, for runs that are to compute so whatever is the fastest. */
  RunConfig in(RunConfig config) {
    RunConfig fixed = config.with(RunOption.PRECISION, precision.name().toLowerCase(Locale.ROOT));
    return level.map(isa -> fixed.with(RunOption.ISA, isa.label())).orElse(fixed);
  }

  private static Optional<Isa> available(String arithmetic) {
    Optional<Isa> earlier = CpuBackend.levelOf(arithmetic);
    Optional<String> reason = earlier.flatMap(CpuBackend::unavailableReason);
    if (reason.isPresent()) {
      throw new InputException(
          "the run was begun with the instruction set "
              + earlier.get().label()
              + ", and its numbers would be others with another. Here "
              + reason.get()
              + ". Go on with "
              + RunOption.RESUME
              + " where it was begun, or give "
              + RunOption.OVERWRITE
              + " in its place to begin again; a run that is to move between processors begins with"
              + " "
              + RunOption.ISA.with(Isa.V3.label())
              + " or another level that all of them have");
    }
    return earlier;
  }

  /**
   * Opens the backend.
   *
   * @throws InputException where it cannot run here; nothing takes its place
   */
  public Backend open() {
    boolean isInt8 = precision == PrecisionOption.INT8;
    if (isInt8 && backend == BackendKind.CUDA) {
      throw new InputException(
          RunOption.PRECISION.with("int8")
              + " has products on the CPU alone; leave "
              + RunOption.BACKEND.with("cuda")
              + " out, or give bf16 or fp32");
    }
    Optional<DType> dtype =
        switch (precision) {
          case AUTO -> Optional.empty();
          case BF16 -> Optional.of(DType.BF16);
          case FP32, INT8 -> Optional.of(DType.F32);
        };
    // Figures tell which level is the best for floating point; of integers it is the highest.
    return Backends.open(
        backend,
        Backends.threads(threads),
        isInt8 ? chosen().or(() -> Optional.of(Isa.BEST)) : level,
        dtype);
  }
}
