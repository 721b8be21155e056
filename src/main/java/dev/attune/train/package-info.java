/**
 * The only training loop. What differs is said by the {@link dev.attune.task.Task}; everything else
 * (order, accumulation, clipping, schedule, evaluation, early stopping, checkpoints) is shared.
 *
 * <p>A loss is summed over the targets of an optimizer step and divided by their number once, when
 * the gradients are scaled for the update. So eight small batches give the gradient of one large
 * one, whatever their lengths.
 */
package dev.attune.train;
