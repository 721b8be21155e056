package dev.attune.optim;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.store.Depth;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import dev.attune.store.Stretch;
import java.util.ArrayList;
import java.util.List;

/**
 * What the learning rate is multiplied by, parameter by parameter. Layers learn at decay^(L - l) of
 * the rate, embeddings at decay^(L + 1), what stands on the layers at the rate itself, as in BEiT's
 * fine-tuning ({@code LayerDecayValueAssigner}, microsoft/unilm); ELECTRA's ({@code
 * _get_layer_lrs}) has one power more everywhere below the head.
 *
 * @param layerDecay above 0, at most 1
 * @param head of what is outside the base model
 */
public record RateFactors(double layerDecay, double head) {
  /** One rate for all. */
  public static final RateFactors ONE = new RateFactors(1, 1);

  /**
   * A stretch of the flat store whose parameters have one factor.
   *
   * @param begin its first element
   * @param end behind its last
   */
  record Range(long begin, long end, float factor) {}

  public RateFactors {
    if (!(layerDecay > 0 && layerDecay <= 1)) {
      throw new InputException(
          Term.LAYER_LR_DECAY + " is " + layerDecay + "; it must be above 0 and at most 1");
    }
  }

  /** Of a parameter. */
  public float of(Depth depth) {
    return (float) (Math.pow(layerDecay, depth.belowTop()) * (depth.isHead() ? head : 1));
  }

  /** The part {@code begin..end} of the store, divided where factors change. */
  List<Range> ranges(Parameters parameters, long begin, long end) {
    List<Range> ranges = new ArrayList<>();
    long from = begin;
    float factor = Float.NaN; // none yet
    for (Segment segment : parameters.segments()) {
      if (segment.frozen() || segment.first() < begin || segment.first() >= end) {
        continue;
      }
      float own = of(segment.depth());
      if (!Float.isNaN(factor) && own != factor) {
        ranges.add(new Range(from, segment.first(), factor));
        from = segment.first();
      }
      factor = own;
    }
    ranges.add(new Range(from, end, Float.isNaN(factor) ? 1 : factor));
    return without(ranges, parameters.resting());
  }

  /** Leaves out what is not trained. */
  private static List<Range> without(List<Range> ranges, List<Stretch> resting) {
    List<Range> left = new ArrayList<>();
    for (Range range : ranges) {
      long from = range.begin;
      for (Stretch rows : resting) {
        if (rows.begin() >= range.begin && rows.end() <= range.end) {
          if (rows.begin() > from) {
            left.add(new Range(from, rows.begin(), range.factor));
          }
          from = rows.end();
        }
      }
      if (range.end > from || from == range.begin) {
        left.add(new Range(from, range.end, range.factor));
      }
    }
    return left;
  }
}
