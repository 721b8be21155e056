package dev.attune.kernels.calls;

import dev.attune.kernels.Call;
import dev.attune.kernels.Frame;
import dev.attune.kernels.PairLossKind;

/**
 * {@code losses (B)} of pairs or triplets of vectors, and the gradient of their sum times {@code
 * scale}.
 *
 * @param dinp (2B,D) or (3B,D), or 0: not wanted
 * @param inp (2B,D) or (3B,D): anchors, positives, negatives
 * @param targets (B), of pairs
 * @param B at most 2^18
 * @param value the scale of a ranking, the margin of triplets
 */
public record PairLossCall(
    long losses,
    long dinp,
    long inp,
    long targets,
    long B,
    long D,
    PairLossKind kind,
    float value,
    float scale)
    implements Call {
  private static final long MAX_PAIRS = 1 << 18;

  @Override
  public void fill(Frame frame) {
    frame.writes(losses).mayWrite(dinp).reads(inp);
    frame.reads(targets, kind.needsTargets());
    if (B > MAX_PAIRS) {
      frame.refuse("is %d, must be at most %d", B, MAX_PAIRS);
    }
    frame.count(B).columns(D, 3 * B).pairLoss(kind).finite(value).finite(scale);
  }
}
