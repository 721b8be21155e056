package dev.attune.task;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Masking;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.folder.SavedSettings;
import java.util.List;

/**
 * What is asked of the masking of tokens; what is not said is null, and depends on the task and its
 * model.
 */
record MaskingOptions(
    Double probability, Double maskShare, Double randomShare, boolean wholeWords) {
  private static final String PROBABILITY = "mlm_probability";
  private static final String MASK_SHARE = "mask_replace_prob";
  private static final String RANDOM_SHARE = "random_replace_prob";
  private static final String WHOLE_WORDS = "whole_word_mask";

  /** The options of a command line that are read here. */
  static final List<Term> TERMS =
      List.of(
          Term.MLM_PROBABILITY,
          Term.MASK_REPLACE_PROB,
          Term.RANDOM_REPLACE_PROB,
          Term.WHOLE_WORD_MASK);

  /** Nothing is asked for. */
  static final MaskingOptions NONE = new MaskingOptions(null, null, null, false);

  /** What options say, or else what was saved with a model. */
  static MaskingOptions of(TaskOptions options, SavedSettings saved) {
    return new MaskingOptions(
        share(options, Term.MLM_PROBABILITY, saved, PROBABILITY),
        share(options, Term.MASK_REPLACE_PROB, saved, MASK_SHARE),
        share(options, Term.RANDOM_REPLACE_PROB, saved, RANDOM_SHARE),
        options.get(Term.WHOLE_WORD_MASK) == null
            ? saved.flag(WHOLE_WORDS, false)
            : options.flag(Term.WHOLE_WORD_MASK));
  }

  /** Null where neither says one. */
  private static Double share(TaskOptions options, Term option, SavedSettings saved, String name) {
    double value = options.number(option, saved.share(name, Double.NaN));
    return Double.isNaN(value) ? null : Double.valueOf(value);
  }

  /** Refuses what cannot be, whatever a model has beside it. */
  void check() {
    if (maskShare != null && randomShare != null) {
      shares(1, 0, 0);
    } else { // what is not given here may be saved with the model
      new MaskingOptions(probability, maskShare, 0.0, false).shares(1, 0, 0);
      new MaskingOptions(probability, 0.0, randomShare, false).shares(1, 0, 0);
    }
  }

  /**
   * The shares.
   *
   * @param usualProbability where nothing is said; likewise the others, of which the last gives way
   *     to the one before
   */
  Masking.Shares shares(double usualProbability, double usualMask, double usualRandom) {
    double mask = maskShare != null ? maskShare : usualMask;
    double any = randomShare != null ? randomShare : Math.min(usualRandom, 1 - mask);
    double chosen = probability != null ? probability : usualProbability;
    check(Term.MLM_PROBABILITY, chosen, chosen > 0);
    check(Term.MASK_REPLACE_PROB, mask, true);
    check(Term.RANDOM_REPLACE_PROB, any, true);
    if (mask + any > 1 + 1e-9) {
      throw new InputException(
          Term.MASK_REPLACE_PROB
              + " and "
              + Term.RANDOM_REPLACE_PROB
              + " are "
              + mask
              + " and "
              + any
              + "; together they may be 1 at most");
    }
    return new Masking.Shares(chosen, mask, any);
  }

  private static void check(Term option, double value, boolean positive) {
    if (!(value >= 0 && value <= 1 && positive)) {
      throw new InputException(
          option
              + " is "
              + value
              + "; it must be "
              + (option == Term.MLM_PROBABILITY ? "above 0" : "at least 0")
              + " and at most 1");
    }
  }

  /** Saves them with a model. */
  void describe(Masking.Shares shares, ObjectNode settings) {
    settings.put(PROBABILITY, shares.probability());
    settings.put(MASK_SHARE, shares.maskShare());
    settings.put(RANDOM_SHARE, shares.randomShare());
    settings.put(WHOLE_WORDS, wholeWords);
  }
}
