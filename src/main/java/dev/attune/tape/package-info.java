/**
 * The tape: tensors and the list of ops of one forward pass, walked backwards for gradients.
 *
 * <p>An op is a {@link dev.attune.tape.Node}: its forward ran when it was recorded, its backward
 * reads the gradient of its output and adds to those of its inputs. A tensor's first consumer in
 * the reverse walk writes the gradient, later ones accumulate, so no gradient is ever zeroed first.
 * Activations are freed as soon as the op that made them has run backward.
 *
 * <p>What a layer makes may lie in memory that others want later ({@link dev.attune.tape.Loan}):
 * where backward will write the gradients of layers below, which it comes to when that is gone.
 *
 * <p>A pass may be of several jobs, each with a range of the rows: then a kernel that an op runs
 * ({@link dev.attune.tape.Tape#run}) runs once for each range, with the job's own random streams.
 */
package dev.attune.tape;
