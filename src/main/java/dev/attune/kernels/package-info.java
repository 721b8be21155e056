/**
 * The compute border. {@link dev.attune.kernels.Backend} is the waist; {@code kernels.cpu} runs our
 * C++ kernels, {@code kernels.torch} runs libtorch (portable fallback, oracle of the tests).
 *
 * <p>Decision: on the CPU there is no bf16 shadow of the weights. Each product packs its weight
 * from the f32 master into panels that live in cache, and rounds to bf16 while packing. That reads
 * 4 bytes a weight per product instead of 2, but the optimizer then writes nothing extra, so the
 * traffic of a step is the same (8 bytes a weight either way) while memory falls by 2 bytes a
 * weight.
 *
 * <p>Decision: matrix products are our own too, not oneDNN's. Measured on BERT-base shapes with
 * weights that come from the f32 master (benchmarks/LOG.md), ours are 5 to 20 % faster forward and
 * for the gradient of the input, 5 to 10 % slower for the gradient of the weight; they cost nothing
 * per shape, while a oneDNN primitive takes milliseconds for every new number of rows, which
 * differs in every packed batch; and their epilogues save and differentiate activations. Machines
 * with matrix tiles (AMX) may decide otherwise once one can be measured.
 */
package dev.attune.kernels;
