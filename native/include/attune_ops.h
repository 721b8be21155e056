// The border of Attune's native engine: one forward/backward pair per op, declared in a header a family. The
// contract of each op is the comment above its declaration and nothing else; the CPU kernels (native/cpu)
// and the CUDA kernels (native/cuda) both implement it. In Java an op is a record of
// dev.attune.kernels.calls.
//
// Conventions
//   Letters     B sequences, N packed rows (real tokens, no padding), C model width, H heads, Hkv
//               key/value heads, D head size, F output width of a product, V vocabulary, K classes.
//   Arguments   context, outputs, inputs, saved values, dimensions (int64), scalars, dtype.
//   dtype       ATTUNE_F32 or ATTUNE_BF16: the type of activations and of their gradients. Everything
//               is accumulated in f32. Weights, gradients of weights, saved statistics: always f32.
//   Gradients   of weights (dweight, dbias): overwritten where `accumulate` is 0, added to where it
//               is 1. Gradients of activations (dinp): likewise where the op takes `accumulate`,
//               overwritten otherwise.
//   Dropout     probability p >= 0 (0 = off); seed and stream key Philox4x32-10 (philox.h). Element e
//               of a tensor, counted row-major over the whole tensor, is dropped when its 16 random
//               bits are below round(p * 65536); kept elements are scaled by 1 / (1 - threshold /
//               65536). Masks are recomputed in backward, never stored.
//   Aliasing    forbidden unless the op says otherwise.
//   Exact       the result depends on the arguments alone: not on the number of threads, not on
//               earlier calls.
//   Memory      the caller owns everything; kernels allocate nothing. Rows are dense unless a stride
//               is given; addresses need only the alignment of their element type.
//   Calls       the declarations of ops are their types. A library exports none of them, but one entry for
//               all: attune_call takes an op's number and its arguments in 64-bit slots.
//   Checks      what can be told from arguments alone (null where an address is needed, types, ranges) is
//               checked once for all backends, by the record in Java, and not again here. Kernels check
//               what lies in memory (indices, bounds of sequences), overlap, and limits of their own.
//   Errors      every entry returns a status and leaves a message (attune_last_error, per thread).
//               No exception, exit or abort leaves an entry. N = 0 is valid and does nothing except
//               zeroing what is overwritten.
#ifndef ATTUNE_OPS_H
#define ATTUNE_OPS_H

#include "attune_ops_attention.h"
#include "attune_ops_products.h"
#include "attune_ops_rows.h"
#include "attune_ops_training.h"
#include "attune_types.h"

#endif
