/**
 * The libtorch backend, over the Bytedeco PyTorch preset: the portable fallback where there are no
 * native kernels of ours, and the oracle that op tests compare them with. Java only; it does not
 * load {@code libattune_cpu}.
 *
 * <p>{@link dev.attune.kernels.torch.TorchBackend} is the facade; one package-private class per
 * concern does the work. The preset is an optional dependency, so nothing in the facade's
 * signatures, fields or static state mentions a class of it: asking {@link
 * dev.attune.kernels.torch.TorchBackend#unavailableReason()} is safe on any class path.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Tensors are views over the caller's addresses. Every call runs inside a {@code
 *       PointerScope}, so temporaries and handles die with it and not with the garbage collector.
 *   <li>JavaCPP must not decide when training stops: by default its {@code Pointer} class throws
 *       OutOfMemoryError once the process is larger than twice the Java heap, and reads the process
 *       size at each allocation to find out. The system properties {@code
 *       org.bytedeco.javacpp.maxBytes=0} and {@code org.bytedeco.javacpp.maxPhysicalBytes=0} turn
 *       that off, but only before {@code Pointer} is loaded. The facade sets them where they are
 *       unset, and refuses to open if {@code Pointer} was loaded earlier with limits in force; a
 *       launcher should pass both.
 *   <li>bf16 is a storage type here: operands are widened to f32 (which is exact), the arithmetic
 *       is f32, results are rounded once. libtorch's own bf16 products would round before the bias
 *       is added, which the contract forbids. So bf16 is right but not fast, and {@code
 *       hasFastBf16} says no.
 *   <li>A call is cut into tiles that a pool of the backend's own shares; libtorch and the OpenBLAS
 *       under it are set to one thread, process-wide. Left to themselves, OpenMP's threads and
 *       OpenBLAS's both spin while they wait for each other's work: on two cores with other load,
 *       attention over 8 sequences of 128 rows took 0.3 to 5 seconds; it takes 0.02 to 0.1 now.
 *       Tiles depend on shapes alone, so the number of threads does not change a bit, and they
 *       bound the temporaries: attention holds no N x N matrix, the losses no second copy of the
 *       logits.
 *   <li>The optimizers use one-operation kernels only (add, multiply, divide, square root), each
 *       correctly rounded, so their results do not depend on vector width, layout or threads, and
 *       {@code adamwRows} equals {@code adamw} bit for bit. Fused libtorch operations (addcmul,
 *       addcdiv, lerp) contract differently in the vector body and in its tail.
 *   <li>Keys that a window hides are those further back than window - 1 from the last key a causal
 *       query would see, with and without {@code causal}.
 *   <li>{@code advise} does nothing and {@code discard} zeroes: Java has no madvise.
 * </ul>
 */
package dev.attune.kernels.torch;
