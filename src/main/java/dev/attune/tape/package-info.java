/**
 * The tape: tensors, the flat parameter store, and the list of ops of one forward pass, walked
 * backwards for gradients.
 *
 * <p>An op is a {@link dev.attune.tape.Node}: its forward ran when it was recorded, its backward
 * reads the gradient of its output and adds to those of its inputs. A tensor's first consumer in
 * the reverse walk writes the gradient, later ones accumulate, so no gradient is ever zeroed first.
 * Activations are freed as soon as the op that made them has run backward.
 *
 * <p>Parameters come about in one direction: a model declares them to a {@link
 * dev.attune.tape.ParameterBuilder}, a layout places them, {@link dev.attune.tape.Parameters} holds
 * them.
 */
package dev.attune.tape;
