package dev.attune.track;

import dev.attune.core.Term;
import dev.attune.data.Finding;
import dev.attune.data.Finding.Severity;
import dev.attune.track.Curves.Evaluated;
import dev.attune.track.Curves.Window;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * What a colleague would say who looks at the curves. Functions of what was measured, without any
 * memory. Each asks for more than noise makes: a warning that is false costs more than one that
 * comes an evaluation later.
 */
public final class CurveFindings {
  /** Evaluations after the best before anything is said of it. */
  private static final int PATIENCE = 2;

  private static final int PLATEAU = 4; // evaluations that are alike
  private static final int LEAST_WINDOWS = 3;
  private static final int JUMPS = 3;
  private static final int LEAST_BATCH = 8; // the loss of fewer rows jumps by itself
  private static final String LOSS = "loss";

  /**
   * What the curves are of.
   *
   * @param metric what counts beside the loss; null: nothing does
   * @param lowerIsBetter of that metric
   * @param deciding the metric, or loss, that decides which weights are the best, when the run ends
   *     or how its rate goes on; null: nothing does
   * @param chanceLoss the loss of guessing by the frequency of labels alone; NaN: not known
   * @param learningRate the peak
   * @param batchSize rows of a step
   */
  public record Setting(
      String metric,
      boolean lowerIsBetter,
      String deciding,
      double chanceLoss,
      double learningRate,
      int batchSize) {}

  private CurveFindings() {}

  /** What can be said while the run goes on. */
  public static List<Finding> live(Curves curves, Setting setting) {
    List<Finding> out = new ArrayList<>();
    overfitting(curves, setting).ifPresent(out::add);
    plateau(curves, setting).ifPresent(out::add);
    rateTooHigh(curves, setting).ifPresent(out::add);
    undefined(curves, setting).ifPresent(out::add);
    return out;
  }

  /** What can be said at its end. */
  public static List<Finding> atEnd(Curves curves, Setting setting) {
    List<Finding> out = new ArrayList<>(live(curves, setting));
    underfitting(curves, setting).ifPresent(out::add);
    return out;
  }

  private static Finding warning(String code, String split, String message) {
    return new Finding(Severity.WARNING, code, split, message, List.of(), 0);
  }

  private static String number(double value) {
    return Numbers.text(value, 3);
  }

  /** What an evaluation decides by had no value at one, or at none so far. */
  private static Optional<Finding> undefined(Curves curves, Setting setting) {
    String metric = setting.deciding();
    if (metric == null) {
      return Optional.empty();
    }
    return curves.evaluations().stream()
        .filter(e -> Double.isNaN(e.value(metric)))
        .findFirst()
        .map(
            e ->
                warning(
                    "undefined_metric",
                    "validation",
                    metric
                        + " has no value at the evaluation of step "
                        + e.step()
                        + " (a correlation has none where all labels or all predictions are one"
                        + " number, a mean of rows none where there are none of their kind)."
                        + " Without one an evaluation is never the best and counts against "
                        + Term.EARLY_STOPPING_PATIENCE
                        + "; where no evaluation has one, the last weights are kept. "
                        + Term.METRIC_FOR_BEST_MODEL
                        + " chooses another"));
  }

  /** Validation loss rises while training loss falls, and the metric is no better for it. */
  private static Optional<Finding> overfitting(Curves curves, Setting setting) {
    List<Evaluated> all =
        curves.evaluations().stream().filter(e -> Double.isFinite(e.value(LOSS))).toList();
    int best = 0;
    for (int i = 1; i < all.size(); i++) {
      best = all.get(i).value(LOSS) < all.get(best).value(LOSS) ? i : best;
    }
    if (all.size() - 1 - best < PATIENCE) {
      return Optional.empty();
    }
    Evaluated lowest = all.get(best);
    Evaluated last = all.get(all.size() - 1);
    double low = lowest.value(LOSS);
    boolean isAbove =
        all.subList(best + 1, all.size()).stream().allMatch(e -> e.value(LOSS) > 1.02 * low);
    boolean isRising = isAbove && last.value(LOSS) > 1.1 * low;
    double before = curves.meanLoss(best == 0 ? 0 : all.get(best - 1).step(), lowest.step());
    double after = curves.meanLoss(lowest.step(), last.step());
    if (!isRising || !(after < 0.9 * before) || improves(lowest, all, best, setting)) {
      return Optional.empty();
    }
    return Optional.of(
        warning(
            "overfitting",
            "validation",
            "overfitting: validation loss rose from "
                + number(low)
                + " at step "
                + lowest.step()
                + " to "
                + number(last.value(LOSS))
                + " at step "
                + last.step()
                + ", while training loss fell from "
                + number(before)
                + " to "
                + number(after)
                + ". "
                + Term.EARLY_STOPPING_PATIENCE.of(PATIENCE)
                + " ends such a run with the best weights, "
                + Term.LOAD_BEST_MODEL_AT_END
                + " keeps them; fewer "
                + Term.EPOCHS
                + " or more "
                + Term.WEIGHT_DECAY
                + " may do too"));
  }

  /** Whether the metric has become better since the loss was lowest. */
  private static boolean improves(
      Evaluated lowest, List<Evaluated> all, int best, Setting setting) {
    if (setting.metric() == null || setting.metric().equals(LOSS)) {
      return false;
    }
    double was = lowest.value(setting.metric());
    return all.subList(best + 1, all.size()).stream()
        .mapToDouble(e -> e.value(setting.metric()))
        .anyMatch(value -> setting.lowerIsBetter() ? value < was : value > was);
  }

  /** Nothing changes any more, though there are steps left and the rate has not come down yet. */
  private static Optional<Finding> plateau(Curves curves, Setting setting) {
    List<Evaluated> all = curves.evaluations();
    List<Window> windows = curves.windows();
    if (all.size() < PLATEAU + 1
        || windows.size() < 4
        || curves.step() > 0.8 * curves.totalSteps()) {
      return Optional.empty();
    }
    List<Evaluated> recent = all.subList(all.size() - PLATEAU, all.size());
    Evaluated first = recent.get(0);
    Evaluated last = recent.get(PLATEAU - 1);
    boolean isFlat =
        spread(recent, LOSS) < 0.01
            && (setting.metric() == null || spread(recent, setting.metric()) < 0.01);
    double middle = (first.step() + last.step()) / 2.0;
    double earlier = curves.meanLoss(first.step(), (long) middle);
    double later = curves.meanLoss((long) middle, last.step());
    if (!isFlat || !(Math.abs(later - earlier) < 0.02 * Math.abs(earlier))) {
      return Optional.empty();
    }
    return Optional.of(
        warning(
            "plateau",
            "validation",
            "a plateau: since step "
                + first.step()
                + " neither validation loss ("
                + number(last.value(LOSS))
                + ") nor training loss ("
                + number(later)
                + ") has changed by more than 2 %. "
                + Term.EARLY_STOPPING_PATIENCE.of(PATIENCE)
                + " ends such a run; another "
                + Term.LEARNING_RATE
                + " or "
                + Term.LR_SCHEDULER
                + " may lead out of it"));
  }

  /** Largest less smallest, as a share of the mean; infinite where a value is no number. */
  private static double spread(List<Evaluated> evaluations, String metric) {
    double[] values = evaluations.stream().mapToDouble(e -> e.value(metric)).sorted().toArray();
    double mean = Arrays.stream(values).average().orElse(Double.NaN);
    double spread = (values[values.length - 1] - values[0]) / Math.abs(mean);
    return Double.isNaN(spread) ? Double.POSITIVE_INFINITY : spread;
  }

  private static Optional<Finding> rateTooHigh(Curves curves, Setting setting) {
    List<Window> windows = curves.windows();
    int size = windows.size();
    if (size < LEAST_WINDOWS) {
      return Optional.empty();
    }
    Window first = windows.get(0);
    Window last = windows.get(size - 1);
    Window before = windows.get(size - 2);
    String what = null;
    if (Math.min(last.loss(), before.loss()) > 1.5 * first.loss() && first.loss() > 0) {
      what = "training loss rose from " + number(first.loss()) + " to " + number(last.loss());
    } else if (curves.jumps() >= JUMPS && setting.batchSize() >= LEAST_BATCH) {
      what =
          "training loss jumped "
              + curves.jumps()
              + " times above where it began, the last time at step "
              + curves.lastJump();
    } else if (Math.min(last.gradNorm(), before.gradNorm()) > 20 * first.gradNorm()
        && last.loss() > 0.8 * first.loss()) {
      what =
          "the gradient norm grew from "
              + number(first.gradNorm())
              + " to "
              + number(last.gradNorm())
              + ", and the loss did not fall";
    }
    if (what == null) {
      return Optional.empty();
    }
    return Optional.of(
        warning(
            "rate_too_high",
            "train",
            "the learning rate looks too high: "
                + what
                + " (by step "
                + last.lastStep()
                + "). Try "
                + Term.LEARNING_RATE.of(number(setting.learningRate() / 3))
                + " in place of "
                + number(setting.learningRate())
                + ", or more "
                + Term.WARMUP_RATIO));
  }

  /** The training loss is that of guessing. */
  private static Optional<Finding> underfitting(Curves curves, Setting setting) {
    List<Window> windows = curves.windows();
    if (windows.size() < LEAST_WINDOWS || Double.isNaN(setting.chanceLoss())) {
      return Optional.empty();
    }
    int tail = Math.max(1, windows.size() / 5);
    double loss =
        windows.subList(windows.size() - tail, windows.size()).stream()
            .mapToDouble(Window::loss)
            .average()
            .orElseThrow();
    if (loss < 0.95 * setting.chanceLoss()) {
      return Optional.empty();
    }
    return Optional.of(
        warning(
            "underfitting",
            "train",
            "underfitting: training loss ended at "
                + number(loss)
                + ", and guessing labels by their frequency has "
                + number(setting.chanceLoss())
                + ". Try a higher "
                + Term.LEARNING_RATE
                + " than "
                + number(setting.learningRate())
                + ", more "
                + Term.EPOCHS
                + ", or fewer frozen weights"));
  }
}
