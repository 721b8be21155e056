/**
 * Ownership and lifetimes of device memory: {@link dev.attune.memory.Allocator} (a backend) &gt;
 * {@link dev.attune.memory.Buffer} &gt; {@link dev.attune.memory.Arena} blocks. Java owns memory,
 * kernels borrow addresses; closing is explicit and may be repeated; nothing is freed by the
 * garbage collector.
 *
 * <p>Decision: the arena is first-fit with coalescing, not a bump pointer. Backward frees the
 * activations of an op as soon as the op is done, and gradients reuse that space, so the peak is
 * that of the forward pass; with a bump pointer it would be twice that.
 */
package dev.attune.memory;
