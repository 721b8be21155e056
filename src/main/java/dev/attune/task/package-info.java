/**
 * What models are trained for: one class a task, which owns its target (how it is read from rows,
 * batched and checked), head, loss, metrics, predictions, and what a model folder says of it. A new
 * task is a class here, its metrics, and a line in {@link dev.attune.task.Tasks}. Imports rooms up
 * to {@code folder}.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>{@link dev.attune.task.TaskType} makes tasks, {@link dev.attune.task.Task} is one with its
 *       labels and settings, fixed and shared by any number of threads.
 *   <li>Rooms below know values, not tasks: how targets lie ({@link
 *       dev.attune.batch.TargetLayout}), how rows become sequences ({@link
 *       dev.attune.batch.RowEncoder}), what the data report asks ({@link
 *       dev.attune.data.TargetChecks}), which head a model carries ({@link
 *       dev.attune.model.HeadKind}).
 *   <li>A loss is the sum over targets; the step divides by their number. A span has two targets,
 *       so that its mean is half the sum of two means, as in Transformers.
 *   <li>The softmax of a span runs over the tokens of its sequence. Transformers' runs over the
 *       padding of the batch too, so that a loss there depends on the longest sequence beside it;
 *       for one sequence at a time the two are equal.
 *   <li>What a model decides beyond its weights (thresholds) is found on validation data once it is
 *       trained, stands in attune.json, and is used from then on.
 *   <li>Predictions are typed; only writing them out makes JSON of them.
 * </ul>
 */
package dev.attune.task;
