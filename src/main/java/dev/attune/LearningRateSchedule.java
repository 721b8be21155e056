package dev.attune;

/** What becomes of the learning rate after the warmup. */
public enum LearningRateSchedule {
  /** Falls to 0 in a straight line. */
  LINEAR,
  /** Falls to 0 as half of a cosine. */
  COSINE,
  /** Stays. */
  CONSTANT
}
