/**
 * The definition of every op: loops in double, forward and backward. Slow on purpose; imports
 * nothing but {@code core}. Each takes a {@link dev.attune.ref.Precision}: {@code EXACT} is the
 * definition, the others are the plain low-precision program whose error is the yardstick of the
 * kernels' error.
 */
package dev.attune.ref;
