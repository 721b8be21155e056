package dev.attune.kernels.cpu;

import dev.attune.core.Check;
import dev.attune.core.DType;
import java.nio.ByteBuffer;
import java.util.Map;
import java.util.NavigableMap;
import java.util.StringJoiner;
import java.util.TreeMap;

/**
 * How fast the instruction-set levels are on a processor, in each type of activations, and what
 * follows from that. A rate is the useful work of one thread in GFLOP/s; only ratios count.
 */
final class LevelFigures {
  /**
   * How much faster a level must be to be taken in place of a higher one, and bf16 in place of
   * fp32: more than a timing errs on a busy machine, and less than any difference worth having.
   */
  static final double MARGIN = 1.1;

  private record Rates(double f32, double bf16) {
    double of(DType dtype) {
      return dtype == DType.BF16 ? bf16 : f32;
    }
  }

  private final NavigableMap<Isa, Rates> rates = new TreeMap<>();

  /**
   * Notes a level's rates.
   *
   * @param f32 with fp32 activations, positive
   * @param bf16 with bf16 activations, positive
   */
  LevelFigures with(Isa level, double f32, double bf16) {
    Check.argument(level != Isa.BEST, "the rates of the best level, whichever that is");
    Check.argument(f32 > 0 && bf16 > 0, "rates of %s are %s and %s", level, f32, bf16);
    rates.put(level, new Rates(f32, bf16));
    return this;
  }

  /** The figures of those levels alone that this machine has. */
  LevelFigures available() {
    LevelFigures available = new LevelFigures();
    rates.forEach(
        (level, rate) -> {
          if (level.isAvailable()) {
            available.rates.put(level, rate);
          }
        });
    return available;
  }

  /** The figures of all other levels. */
  LevelFigures without(Isa level) {
    LevelFigures others = new LevelFigures();
    others.rates.putAll(rates);
    others.rates.remove(level);
    return others;
  }

  boolean isEmpty() {
    return rates.isEmpty();
  }

  /** The highest level that no other beats by the margin. */
  Isa level(DType dtype) {
    double best = best(dtype);
    Isa chosen = null;
    for (Map.Entry<Isa, Rates> entry : rates.entrySet()) {
      if (entry.getValue().of(dtype) * MARGIN >= best) {
        chosen = entry.getKey();
      }
    }
    return chosen;
  }

  /** The type whose best level is the faster: fp32, unless bf16 beats it by the margin. */
  DType fastest() {
    return best(DType.BF16) > best(DType.F32) * MARGIN ? DType.BF16 : DType.F32;
  }

  /** The same on a level that is given; of the best one, on the highest that has figures. */
  boolean prefersBf16(Isa level) {
    Rates known =
        level == Isa.BEST && !rates.isEmpty() ? rates.get(rates.lastKey()) : rates.get(level);
    return known != null && known.bf16 > known.f32 * MARGIN;
  }

  private double best(DType dtype) {
    return rates.values().stream().mapToDouble(rate -> rate.of(dtype)).max().orElse(0);
  }

  // ---- as bytes, for the file of choices ------------------------------------------------------

  private static final int BYTES_A_LEVEL = 2 * Float.BYTES;

  /** Bytes of the figures of any levels. */
  static final int BYTES = Isa.values().length * BYTES_A_LEVEL;

  byte[] toBytes() {
    ByteBuffer bytes = ByteBuffer.allocate(BYTES);
    rates.forEach(
        (level, rate) ->
            bytes
                .position(level.ordinal() * BYTES_A_LEVEL)
                .putFloat((float) rate.f32)
                .putFloat((float) rate.bf16));
    return bytes.array();
  }

  static LevelFigures ofBytes(byte[] bytes) {
    LevelFigures figures = new LevelFigures();
    ByteBuffer values = ByteBuffer.wrap(bytes);
    for (Isa level : Isa.values()) {
      float f32 = values.getFloat();
      float bf16 = values.getFloat();
      if (level != Isa.BEST && f32 > 0 && bf16 > 0) {
        figures.with(level, f32, bf16);
      }
    }
    return figures;
  }

  /** "avx2 61 and 40, avx512 120 and 118": GFLOP/s of fp32 and bf16. */
  @Override
  public String toString() {
    StringJoiner text = new StringJoiner(", ");
    rates.forEach(
        (level, rate) ->
            text.add(String.format("%s %.0f and %.0f", level.label(), rate.f32, rate.bf16)));
    return text.toString();
  }
}
