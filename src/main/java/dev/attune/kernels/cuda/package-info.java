/**
 * The CUDA backend: our kernels of {@code native/cuda}, matrix products through cuBLASLt, attention
 * also through cuDNN, the CUDA runtime; the last three by their JavaCPP presets. Nothing of CUDA is
 * loaded before the backend, or {@code attune doctor}, asks for it.
 *
 * <p>cuBLASLt's part: {@code LtProducts} says what is fused, {@code LtMatmul} fills the descriptors
 * of a call, {@code LtAlgorithms} chooses its algorithm.
 *
 * <p>Two interfaces stand between {@link dev.attune.kernels.cuda.CudaBackend} and the machine:
 * {@code CudaRuntime}, the few calls of the runtime, and {@code Products}. Tests put host memory
 * and the CPU's products in their place, and the kernels built for an emulated device, so that
 * everything else of the backend runs in every build.
 *
 * <p>Decision: bf16 products read their weights from a bf16 copy that the optimizer writes in its
 * own pass (on the CPU they do not, see {@code kernels}): cuBLASLt takes operands of one type, and
 * a conversion for each product would read the master three times a step.
 *
 * <p>Decision: cuBLASLt's GELU epilogues compute the tanh approximation, so the exact GELU of BERT
 * runs as a kernel after the product, at the price of one pass over the hidden layer each way.
 *
 * <p>Decision: batches are padded to few row counts. Both what cuBLASLt measures and what a graph
 * records belong to one count, and packed batches would bring a new one at every step. What is
 * padded is a sequence of its own, so that its values are finite and its gradients zero; everything
 * else about it is that of any sequence.
 *
 * <p>Decision: what changes from step to step is read from a block in device memory, rather than
 * patched into the graph's nodes: a graph then needs no knowledge of which argument of which of its
 * hundreds of kernels is a learning rate.
 *
 * <p>Decision: the algorithm of a product is chosen by measuring, but remembered in a file under
 * the cache folder, per device and version of the library: a run has to give the same bytes again,
 * and two algorithms add in different orders.
 *
 * <p>Decision: attention is ours, and cuDNN's where it is faster. Hopper's own instructions (wgmma,
 * TMA) are in NVIDIA's hands better than in kernels that we could not measure; ours are for
 * everything that cuDNN's do not do: dropout with the masks of the CPU, windows, f32, short
 * sequences, older devices. cuDNN takes part only with numbers that are ours up to rounding and the
 * same every time, which its faster backward pass, adding to memory in turn, does not promise.
 */
package dev.attune.kernels.cuda;
