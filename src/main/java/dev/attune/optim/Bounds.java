package dev.attune.optim;

import dev.attune.core.InputException;
import dev.attune.core.Term;

/** The ranges of optimizers' numbers. */
final class Bounds {
  /** Far beyond any use; with a rate of 0.1 a step would already turn weights around. */
  static final float MAX_DECAY = 10;

  private Bounds() {}

  /** Refuses what is below {@code least} or above {@code most}, and NaN. */
  static void within(Term term, double value, double least, double most) {
    if (!(value >= least && value <= most)) {
      throw new InputException(
          term + " is " + value + "; it must be from " + least + " to " + most);
    }
  }

  /** Refuses what is below 0 or not below 1, and NaN. */
  static void share(Term term, double value) {
    if (!(value >= 0 && value < 1)) {
      throw new InputException(term + " is " + value + "; it must be from 0 to below 1");
    }
  }

  /** The same of what is to be kept in 32 bits, which have no number between 1 - 2^-24 and 1. */
  static void floatShare(Term term, double value) {
    share(term, value);
    if ((float) value == 1) {
      throw new InputException(
          term
              + " is "
              + value
              + ", which in 32 bits is 1; it must be from 0 to at most "
              + Math.nextDown(1f));
    }
  }
}
