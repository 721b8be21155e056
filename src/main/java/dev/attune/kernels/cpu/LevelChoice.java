package dev.attune.kernels.cpu;

import dev.attune.core.Cache;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.ChoiceFile;
import dev.attune.kernels.KernelLibrary;
import dev.attune.kernels.NativeCalls;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Collectors;

/**
 * Which instruction-set level and which precision are the fastest on this processor. That a level
 * exists says little: bf16 dot products are slower than f32 multiply-adds on some processors that
 * have them. So the choice comes from figures: those that ship ({@link Processors}), else those
 * that were measured here at first use and kept in the cache folder, so that the next run makes the
 * same choice.
 */
public final class LevelChoice {
  private static final System.Logger LOG = System.getLogger("dev.attune.kernels");

  private static LevelChoice here;

  private final String processor;
  private final LevelFigures figures;
  private final String source;

  private LevelChoice(String processor, LevelFigures figures, String source) {
    this.processor = processor;
    this.figures = figures;
    this.source = source;
  }

  /** The choice of this process; the first call may measure, for a fraction of a second. */
  public static synchronized LevelChoice here() {
    if (here == null) {
      KernelLibrary.cpu(); // the natives come with it
      String processor = NativeCalls.processor();
      LevelFigures shipped = Processors.of(processor).available();
      here =
          (shipped.isEmpty()
                  ? measured(processor, Cache.user())
                  : new LevelChoice(processor, shipped, "known"))
              .checked();
    }
    return here;
  }

  /** From the cache folder, or by measuring and keeping it there. */
  static LevelChoice measured(String processor, Cache cache) {
    String key = key();
    try {
      Path folder = cache.writable();
      return Cache.locked(
          folder.resolve("cpu-levels.lock"),
          () -> {},
          () -> {
            ChoiceFile file =
                ChoiceFile.of(
                    cache,
                    "cpu-levels",
                    processor.isEmpty() ? "unnamed" : processor,
                    "v" + LevelTiming.VERSION,
                    LevelFigures.BYTES);
            byte[] kept = file.get(key);
            if (kept != null) {
              return new LevelChoice(processor, LevelFigures.ofBytes(kept), "measured here before");
            }
            LevelFigures figures = LevelTiming.measure();
            file.put(key, figures.toBytes());
            return new LevelChoice(processor, figures, "measured here now");
          });
    } catch (IOException | InputException e) {
      // Not a reason to refuse the work; but the next process may choose otherwise.
      LOG.log(
          System.Logger.Level.WARNING,
          "Which instruction set is the fastest here was measured, and cannot be kept: {0}",
          e.getMessage());
      return new LevelChoice(processor, LevelTiming.measure(), "measured here now, not kept");
    }
  }

  /**
   * The same without matrix tiles where these give wrong numbers: they are the youngest kernels, on
   * the youngest part of the processors, and a hypervisor is between.
   */
  private LevelChoice checked() {
    boolean isChosen = figures.level(DType.BF16) == Isa.AMX || figures.level(DType.F32) == Isa.AMX;
    if (!isChosen || LevelTiming.agrees(Isa.AMX, Isa.V4)) {
      return this;
    }
    LOG.log(
        System.Logger.Level.WARNING,
        "Matrix tiles ({0}) give wrong products on this {1}, and are not used. Please report it.",
        Isa.AMX.label(),
        processor);
    return new LevelChoice(processor, figures.without(Isa.AMX), source);
  }

  /** The levels that there are to choose among: a machine may hide some from its guests. */
  private static String key() {
    return Isa.ofThisMachine().stream().map(Isa::label).collect(Collectors.joining("+"));
  }

  /**
   * Opens the CPU's kernels.
   *
   * @param threads 1..4096
   * @param level empty: that which ATTUNE_ISA names, else the fastest; one that is not here throws
   *     {@link UnsupportedOperationException}
   * @param dtype of the activations to come; empty: the faster type
   */
  public static CpuBackend open(int threads, Optional<Isa> level, Optional<DType> dtype) {
    LevelChoice choice = here();
    Isa isa =
        level
            .or(Isa::fromEnvironment)
            .orElseGet(() -> choice.best(dtype.orElseGet(choice::fastest)));
    return new CpuBackend(threads, isa, choice.figures.prefersBf16(isa));
  }

  /** The type of activations that is the faster one, each on its best level. */
  public DType fastest() {
    return figures.fastest();
  }

  /** The best level for a type. */
  public Isa best(DType dtype) {
    return figures.level(dtype);
  }

  /** Maker, family and model of the processor; empty where it does not tell. */
  public String processor() {
    return processor;
  }

  /** "known: avx512 141 and 142, ...": where the figures are from, and GFLOP/s of fp32 and bf16. */
  @Override
  public String toString() {
    return source + ": " + figures;
  }
}
