package dev.attune.server.feedback;

import dev.attune.core.Philox;
import dev.attune.core.RandomStream;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/**
 * The rows of an update, in the order in which they are shown. Each pass has every new correction
 * once, as many that were learned before, and old rows for the share that is asked for; which, and
 * in which order, is drawn anew for each pass. The same for the same rows, seed and version.
 */
final class Mixture {
  private final long seed;
  private final long stream;
  private long drawn;

  private Mixture(long seed, int version) {
    this.seed = seed;
    this.stream = RandomStream.REPLAY.of(version);
  }

  /**
   * Mixes.
   *
   * @param recent corrections that have not been learned
   * @param earlier that have
   * @param old rows to repeat
   * @param version the number of the one that is to be made
   */
  static List<LabelledText> of(
      List<LabelledText> recent,
      List<LabelledText> earlier,
      List<LabelledText> old,
      LearnerSettings settings,
      int version) {
    Mixture mixture = new Mixture(settings.seed(), version);
    List<LabelledText> rows = new ArrayList<>();
    for (int pass = 0; pass < settings.epochs(); pass++) {
      List<LabelledText> shown = new ArrayList<>(recent);
      shown.addAll(mixture.some(earlier, recent.size()));
      double share = settings.replayShare();
      shown.addAll(mixture.some(old, (int) Math.round(shown.size() * share / (1 - share))));
      rows.addAll(mixture.some(shown, shown.size()));
    }
    return rows;
  }

  /** So many rows, or all where there are fewer, in a drawn order. */
  private List<LabelledText> some(List<LabelledText> rows, int count) {
    List<LabelledText> left = new ArrayList<>(rows);
    int most = Math.min(count, left.size());
    for (int i = 0; i < most; i++) {
      long bits = Philox.bits64(seed, stream, drawn++);
      Collections.swap(left, i, i + (int) Long.remainderUnsigned(bits, left.size() - i));
    }
    return left.subList(0, most);
  }
}
