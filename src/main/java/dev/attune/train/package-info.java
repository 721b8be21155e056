/**
 * The only training loop. What differs is said by the {@link dev.attune.task.Task}; everything else
 * (order, accumulation, clipping, schedule, evaluation, early stopping, checkpoints) is shared.
 *
 * <p>A loss is summed over the targets of an optimizer step and divided by their number once, when
 * the gradients are scaled for the update. So eight small batches give the gradient of one large
 * one, whatever their lengths.
 *
 * <p>Several jobs on one frozen base may go through its layers together ({@link
 * dev.attune.train.SharedPass}). Decision: each keeps a loop of its own, on a thread of its own,
 * and loops take turns; they meet where a batch goes forward and backward. So the loop is one, and
 * what a job does between two passes nobody else has to know. In the pass each op runs once for the
 * rows of each job, as the job alone would run it ({@link dev.attune.tape.Tape#share}); products
 * with frozen weights alone run for the rows of all, where that leaves every row its bits. That
 * costs calls, of which a pass has a few hundred a job, and saves all proof that a kernel's tails
 * and tiles do not show.
 */
package dev.attune.train;
