/**
 * Text from a causal language model: sampling, beam search, and the scheduling of many requests
 * over one key/value cache.
 *
 * <p>A request's tokens depend on the request alone, not on what else is in the batch: prompts are
 * read one by one in chunks of a fixed size, new tokens are computed in groups small enough for the
 * kernel that treats every row alike, and random numbers are keyed by request and place. Hence
 * tokens that are only proposed, because they stand in the text already, can be read in one pass
 * with the last one: each is a row like any other, which attends over the rows before it by itself,
 * and a row that turns out wrong is written over.
 *
 * <p>Log-probabilities are the model's own, of the logits before temperature, penalties and what
 * narrows the choice: a number of the model and the text, whatever the way of choosing. Where all
 * tokens are drawn at temperature 1 they are those of the draw.
 */
package dev.attune.generate;
