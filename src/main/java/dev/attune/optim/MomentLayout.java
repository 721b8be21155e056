package dev.attune.optim;

import dev.attune.kernels.calls.AdamWCall;
import dev.attune.optim.RateFactors.Range;
import dev.attune.store.Parameters;
import dev.attune.store.Segment;
import java.util.ArrayList;
import java.util.List;

/**
 * Where the moments of a store lie: as numbers, in the order of the weights, or as codes in blocks.
 *
 * @param plain what is updated by moments that are numbers; the word embedding, whose moments are
 *     the first, is not listed where it is updated by row
 * @param coded what is updated by moments that are codes
 * @param plainCount moments that are numbers, gaps included
 * @param codedCount moments that are codes, gaps included
 */
record MomentLayout(List<Piece> plain, List<Piece> coded, long plainCount, long codedCount) {
  /**
   * A stretch of the store, updated at one rate.
   *
   * @param first the moment of its first weight
   */
  record Piece(long begin, long end, float factor, boolean decays, long first) {}

  /** Smaller tensors keep numbers, which cost nothing there: as in bitsandbytes. */
  private static final long LEAST_CODED = 4096;

  private static final int BLOCK = AdamWCall.MOMENT_BLOCK;

  /** Numbers for all, each at the place of its weight. */
  static MomentLayout plain(Parameters parameters, RateFactors factors) {
    Builder builder = new Builder(parameters, factors, false);
    return builder.build(parameters.size());
  }

  /**
   * Codes for the large matrices and vectors. A tensor begins with a block of its own, lest its
   * scale be that of another; embeddings keep numbers, whose gradients are those of few rows and
   * very unlike (Dettmers et al., 2022, section 2.3).
   */
  static MomentLayout coded(Parameters parameters, RateFactors factors) {
    Builder builder = new Builder(parameters, factors, true);
    return builder.build(builder.plainCount);
  }

  private static final class Builder {
    private final Parameters parameters;
    private final boolean codes;
    private final List<Piece> plain = new ArrayList<>();
    private final List<Piece> coded = new ArrayList<>();
    private long plainCount;
    private long codedCount;

    Builder(Parameters parameters, RateFactors factors, boolean codes) {
      this.parameters = parameters;
      this.codes = codes;
      plainCount = parameters.rowSparseEnd();
      long decayEnd = parameters.decayEnd();
      factors.ranges(parameters, plainCount, decayEnd).forEach(range -> add(range, true));
      factors.ranges(parameters, decayEnd, parameters.size()).forEach(range -> add(range, false));
    }

    private void add(Range range, boolean decays) {
      if (!codes) {
        plain.add(new Piece(range.begin(), range.end(), range.factor(), decays, range.begin()));
        return;
      }
      Piece last = null; // of this range
      for (Segment segment : parameters.segments()) {
        long begin = Math.max(segment.first(), range.begin());
        long end = Math.min(segment.first() + segment.count(), range.end());
        if (segment.frozen() || begin >= end) {
          continue;
        }
        boolean isCoded = segment.count() >= LEAST_CODED && !segment.depth().isOfEmbeddings();
        List<Piece> pieces = isCoded ? coded : plain;
        boolean goesOn =
            last != null
                && !pieces.isEmpty()
                && pieces.get(pieces.size() - 1) == last
                && last.end == begin
                && (!isCoded || (begin - last.begin) % BLOCK == 0);
        if (goesOn) {
          pieces.remove(pieces.size() - 1);
          begin = last.begin;
        }
        long first = goesOn ? last.first : isCoded ? codedCount : plainCount;
        last = new Piece(begin, end, range.factor(), decays, first);
        pieces.add(last);
        long behind = first + end - begin;
        if (isCoded) {
          codedCount = (behind + BLOCK - 1) / BLOCK * BLOCK;
        } else {
          plainCount = behind;
        }
      }
    }

    MomentLayout build(long count) {
      return new MomentLayout(List.copyOf(plain), List.copyOf(coded), count, codedCount);
    }
  }
}
