package dev.attune.optim;

import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.util.Locale;

/**
 * Learning rates by step, as Transformers' get_scheduler gives them.
 *
 * @param kind shape after the warmup
 * @param peak learning rate at the end of the warmup
 * @param warmupSteps steps of linear warmup; the first step of a warmup has rate 0
 * @param totalSteps steps of the run
 */
public record Schedule(Kind kind, double peak, long warmupSteps, long totalSteps) {
  /** Shapes. */
  public enum Kind {
    /** To 0 in a straight line. */
    LINEAR,
    /** To 0 along half a cosine. */
    COSINE,
    CONSTANT;

    /** The kind that a run names. */
    public static Kind ofOption(String option) {
      for (Kind kind : values()) {
        if (kind.name().toLowerCase(Locale.ROOT).equals(option.toLowerCase(Locale.ROOT))) {
          return kind;
        }
      }
      throw new InputException(
          Term.LR_SCHEDULER + " is '" + option + "'; allowed are linear, cosine and constant");
    }
  }

  /** The rate of a step, counted from 0. */
  public float rate(long step) {
    if (step < warmupSteps) {
      return (float) (peak * step / Math.max(1, warmupSteps));
    }
    double progress = (double) (step - warmupSteps) / Math.max(1, totalSteps - warmupSteps);
    return (float)
        switch (kind) {
          case LINEAR -> peak * Math.max(0, 1 - progress);
          case COSINE -> peak * Math.max(0, 0.5 * (1 + Math.cos(Math.PI * progress)));
          case CONSTANT -> peak;
        };
  }
}
