/**
 * The tape: tensors and the list of ops of one forward pass, walked backwards for gradients.
 *
 * <p>An op is a {@link dev.attune.tape.Node}: its forward ran when it was recorded, its backward
 * reads the gradient of its output and adds to those of its inputs. A tensor's first consumer in
 * the reverse walk writes the gradient, later ones accumulate, so no gradient is ever zeroed first.
 * Activations are freed as soon as the op that made them has run backward.
 */
package dev.attune.tape;
