/**
 * Scores of predictions, collected while they are made.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>Streaming.</b> An accumulator takes predictions batch by batch and keeps counts, not
 *       logits: evaluating a million rows needs the memory of one batch. Only Spearman's rank
 *       correlation needs the values themselves, 16 bytes a row.
 *   <li><b>Mergeable.</b> {@code merge} adds what another accumulator of the same kind saw, in any
 *       grouping; counts exactly, moments up to rounding.
 *   <li><b>Names and values are those of the Python libraries</b> that papers quote: scikit-learn
 *       with {@code zero_division=0}, SciPy, seqeval in its default mode, sacreBLEU, rouge_score.
 *       BLEU and chrF keep their scale of 0 to 100. Classes that appear neither as label nor as
 *       prediction take no part in a macro average, as in scikit-learn.
 *   <li><b>An undefined value is NaN</b> (the correlation with a constant), never a made-up zero,
 *       except where scikit-learn defines the zero: F1 without positives, MCC of one class. Whoever
 *       writes JSON writes null for it.
 *   <li><b>No examples, no values:</b> asking an empty accumulator is an error, so that an empty
 *       evaluation cannot pass for a bad one.
 * </ul>
 */
package dev.attune.metrics;
