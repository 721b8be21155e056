package dev.attune.kernels.cpu;

import java.util.Map;

/**
 * The processors on which the levels were measured. One processor thus always makes one choice, on
 * a busy day as on a quiet one, and makes it at once.
 *
 * <p>A processor is named as {@code CPUID} does, by maker, family and model: the name that a
 * virtual machine shows ("AMD EPYC") fits many. Figures are GFLOP/s a thread, in fp32 and in bf16.
 * {@code attune doctor} prints those of a processor that is missing here.
 */
final class Processors {
  private static final Map<String, LevelFigures> MEASURED =
      Map.of(
          // Zen 5 (Turin): LevelTiming.
          "AuthenticAMD 26/2",
          new LevelFigures()
              .with(Isa.V3, 75, 72)
              .with(Isa.V4, 154, 136)
              .with(Isa.V4_BF16, 155, 263),
          // Zen 4 (Genoa): products 800 x 384 x 1152, half of two threads
          // (benchmarks/results/ops.csv). AVX-512 alone
          // was not timed, so it is not chosen.
          "AuthenticAMD 25/17",
          new LevelFigures().with(Isa.V4_BF16, 92, 172),
          // Emerald Rapids: products 800 x 384 x 1152. A bf16 dot product takes two cycles there,
          // so bf16 is faster with
          // multiply-adds in f32. Tiles: the mean of a prototype's three products with a busy
          // sibling thread, the slower of its two modes; f32 in three parts there.
          "GenuineIntel 6/207",
          new LevelFigures()
              .with(Isa.V4, 141, 142)
              .with(Isa.V4_BF16, 141, 84)
              .with(Isa.AMX, 135, 395));

  private Processors() {}

  /** What is known of a processor; no figures where it was not measured. */
  static LevelFigures of(String processor) {
    return MEASURED.getOrDefault(processor, new LevelFigures());
  }
}
