/**
 * Streaming measures of predictions. Each keeps counts, not predictions, so evaluation needs the
 * memory of one batch (Spearman alone must keep its values). Definitions are those of scikit-learn
 * and seqeval, with 0 where a ratio has no denominator.
 */
package dev.attune.metrics;
