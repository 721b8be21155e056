/**
 * Kernel calls as values: a record for each op of {@code native/include/attune_ops.h}, whose
 * comments are the contract. Components stand in the header's order under its names; {@code fill}
 * says of each what it is and which values are allowed. {@link dev.attune.kernels.calls.Op} lists
 * them.
 *
 * <p>Shapes stand behind names: B sequences, N packed rows, C width, H and Hkv heads, D head size,
 * F output width, V vocabulary, K classes, R rank. An address may be 0 only where a component's
 * comment says so, or where there is nothing to do.
 */
package dev.attune.kernels.calls;
