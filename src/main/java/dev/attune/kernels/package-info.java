/**
 * The compute border. {@link dev.attune.kernels.Backend} is the waist: it runs {@link
 * dev.attune.kernels.Call}s, which are values. {@code kernels.calls} has a record for each op,
 * {@code kernels.cpu} and {@code kernels.cuda} run our kernels ({@link
 * dev.attune.kernels.NativeBackend}), {@code kernels.torch} runs libtorch (portable fallback,
 * oracle of the tests).
 *
 * <p>A call: the record fills a {@link dev.attune.kernels.Frame} of 64-bit slots, which checks each
 * argument on the way; one native entry takes the op's number and the frame's address; C++ decodes
 * the frame by the type of the op's declaration in {@code native/include/attune_ops.h}. When a
 * library is opened, {@link dev.attune.kernels.KernelLibrary} compares the records with those
 * types, argument by argument.
 *
 * <p>A new op touches these files, and no list of arguments stands anywhere else:
 *
 * <ol>
 *   <li>{@code native/include/attune_ops_<family>.h}: its declaration, under its contract
 *   <li>{@code native/common/entries.inc}: its name
 *   <li>{@code native/cpu/<op>.cpp}: the kernel, and its file name in {@code native/CMakeLists.txt}
 *   <li>{@code native/cuda/<op>.cu}: the kernel, and a case in {@code native/test/cuda_op}
 *   <li>{@code kernels/calls/<Op>Call.java}: its record, or two, and a line in {@code Op}
 *   <li>{@code kernels/torch}: its definition in libtorch's words, and a line in {@code
 *       TorchBackend}
 *   <li>{@code ref/<Op>Ref} and {@code kernels/<Op>Test} in the tests
 * </ol>
 *
 * <p>Decision: one class declares natives, {@link dev.attune.kernels.NativeCalls}, and its JNI code
 * lies in the CPU library alone. A JNI method is bound to one library, so the functions of another
 * library are reached by their addresses, which the border looks up when it opens that library
 * ({@code native/border}). The CUDA library knows nothing of Java, and a process may hold several.
 *
 * <p>Decision: on the CPU there is no bf16 shadow of the weights, except at the level amx. Each
 * product packs its weight from the f32 master into panels that live in cache, and rounds to bf16
 * while packing. That reads 4 bytes a weight per product instead of 2, but the optimizer then
 * writes nothing extra, so the traffic of a step is the same (8 bytes a weight either way) while
 * memory falls by 2 bytes a weight. Matrix tiles multiply so fast that half of a product is the
 * wait for the lines that are packed: with the shadow the products of MiniLM's step take a tenth
 * less, and give the same bits.
 *
 * <p>Decision: matrix products are our own too, not oneDNN's. Measured on BERT-base shapes with
 * weights that come from the f32 master (benchmarks/LOG.md), ours are 5 to 20 % faster forward and
 * for the gradient of the input, 5 to 10 % slower for the gradient of the weight; they cost nothing
 * per shape, while a oneDNN primitive takes milliseconds for every new number of rows, which
 * differs in every packed batch; and their epilogues save and differentiate activations.
 *
 * <p>Decision: the level amx multiplies bf16 on matrix tiles, where a prototype reached ten times
 * the rate of f32 multiply-adds, and f32 too, as three parts of bf16 with six products: one and a
 * half to two times their rate (measured on two threads), and a smaller error. Few rows of f32 take
 * the same six products, or the three that are left of them where the weight is bf16, so that a
 * weight has the same results in either type. It does everything else by the formulas of the level
 * avx512: beside tiles the dot products of avx512_bf16 are the slower ones. Its kernels are tested
 * on emulated tiles, which have the bits of the hardware, at the level amx_emulated: the product's
 * library does not have it, {@code native/CMakeLists.txt} builds a second one that does.
 *
 * <p>Decision: products of integers ({@link dev.attune.kernels.calls.LinearInt8Call}) are of
 * inference on the CPU, on matrix tiles or in dot products of bytes where a level has them, else in
 * pairs of 16 bits. Activations around them stay f32: sums are exact, so up to the next op that
 * rounds otherwise a result has the same bits at every level, which bf16 activations would cost for
 * a gain in what is not a product anyway. Each row of activations has a scale of its own, so a text
 * does not depend on those beside it.
 */
package dev.attune.kernels;
