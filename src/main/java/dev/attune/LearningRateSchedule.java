package dev.attune;

/**
 * What becomes of the learning rate after the warmup: Transformers' schedulers, and its defaults.
 */
public enum LearningRateSchedule {
  /** Falls to 0 in a straight line. */
  LINEAR,
  /** Falls to 0 as half of a cosine. */
  COSINE,
  /** Falls as half of a cosine, again and again: {@code num_cycles} times, 1 unless given. */
  COSINE_WITH_RESTARTS,
  /** As COSINE, to {@code min_lr}, or the share {@code min_lr_rate} of the peak: one is needed. */
  COSINE_WITH_MIN_LR,
  /**
   * The same, a step ahead: its warmup begins above 0, at {@code warmup_lr_rate} of the peak or at
   * one step's share of it.
   */
  COSINE_WARMUP_WITH_MIN_LR,
  /** Falls to {@code lr_end} (1e-7) along the {@code power} (1) of what is left of the run. */
  POLYNOMIAL,
  /** Falls with the square root of the step. */
  INVERSE_SQRT,
  /** The peak from the first step on, without a warmup. */
  CONSTANT,
  /** Stays after the warmup. */
  CONSTANT_WITH_WARMUP,
  /** Stays, then falls as half of a cosine in the last {@code num_decay_steps}, or a tenth. */
  WARMUP_STABLE_DECAY,
  /**
   * The peak, without a warmup, until evaluations have not improved for more than {@code patience}
   * (10) times; then {@code factor} (0.1) of it, and so on. Needs validation data; compares the
   * loss, or the metric for the best model.
   */
  REDUCE_LR_ON_PLATEAU,
  /**
   * The peak, without a warmup; multiplied by {@code factor} (0.95), down to {@code min_lr} (1e-3),
   * when evaluations have not improved for more than {@code patience} (10) times, divided by it, up
   * to {@code max_lr} (1), when more than so many have improved one after the other. Needs
   * validation data; compares as REDUCE_LR_ON_PLATEAU does.
   */
  GREEDY
}
