// The types, the library, its contexts and their memory: what stands before the ops of attune_ops.h.
#ifndef ATTUNE_TYPES_H
#define ATTUNE_TYPES_H

#include <stdint.h>

#if defined(_WIN32)
#define ATTUNE_API __declspec(dllexport)
#else
#define ATTUNE_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef int32_t attune_status;
enum {
  ATTUNE_OK = 0,
  ATTUNE_INVALID_ARGUMENT = 1,
  ATTUNE_UNSUPPORTED = 2,
  ATTUNE_OUT_OF_MEMORY = 3,
  ATTUNE_DEVICE_LOST = 4,
  ATTUNE_INTERNAL = 5,
  ATTUNE_BUSY = 6  // another thread is using the context
};
// NF4 and INT8 are layouts of frozen weights only.
enum { ATTUNE_F32 = 0, ATTUNE_BF16 = 1, ATTUNE_NF4 = 3, ATTUNE_INT8 = 4 };
// Activation functions. Those up to ATTUNE_ACT_SILU are fused into products; the others, which few models have, are
// ops of their own and gates.
enum {
  ATTUNE_ACT_NONE = 0,
  ATTUNE_ACT_GELU = 1,
  ATTUNE_ACT_GELU_TANH = 2,
  ATTUNE_ACT_TANH = 3,
  ATTUNE_ACT_RELU = 4,
  ATTUNE_ACT_SILU = 5,
  ATTUNE_ACT_QUICK_GELU = 6,  // x sigmoid(1.702 x)
  ATTUNE_ACT_GELU_10 = 7,     // GELU, at most 10
  ATTUNE_ACT_SIGMOID = 8,
  ATTUNE_ACT_MISH = 9,         // x tanh(log(1 + e^x))
  ATTUNE_ACT_LAPLACE = 10,     // the normal distribution of mean sqrt(1/2) and variance 1/(4 pi), both to six digits
  ATTUNE_ACT_LEAKY_RELU = 11,  // of slope 0.01 below 0
  ATTUNE_ACT_RELU6 = 12,       // RELU, at most 6
  ATTUNE_ACT_RELU_SQUARED = 13,
  ATTUNE_ACT_HARD_SWISH = 14  // x RELU6(x + 3) / 6
};
// Losses of pairs and triplets of vectors.
enum { ATTUNE_PAIR_SQUARED_ERROR = 0, ATTUNE_PAIR_RANKING = 1, ATTUNE_TRIPLET_DOT = 2, ATTUNE_TRIPLET_EUCLIDEAN = 3 };
// Instruction-set levels of the CPU kernels, best last. The one that emulates the tiles of ATTUNE_ISA_AMX is slow, is
// in the library of the tests alone and is never the best.
enum {
  ATTUNE_ISA_BEST = -1,
  ATTUNE_ISA_PORTABLE = 0,
  ATTUNE_ISA_V3 = 1,
  ATTUNE_ISA_V4 = 2,
  ATTUNE_ISA_V4_BF16 = 3,
  ATTUNE_ISA_AMX = 4,
  ATTUNE_ISA_AMX_EMULATED = 5
};

typedef struct attune_context attune_context;

// ---- library, context, memory ----------------------------------------------------------------

// Runs an op: frame[i] holds argument i behind the context: addresses and int64 as they are, int32 and float
// in the low 32 bits. ATTUNE_UNSUPPORTED where the library has no kernel for it.
ATTUNE_API attune_status attune_call(attune_context* ctx, int32_t op, const int64_t* frame);
// The ops of this library are numbered 0..attune_op_count()-1.
ATTUNE_API int32_t attune_op_count(void);
// "layer_norm_fwd"; null for any other number.
ATTUNE_API const char* attune_op_name(int32_t op);
// A letter for each argument behind the context: w an address that is written to, r one that is read, l int64,
// i int32, f float. Null for any other number.
ATTUNE_API const char* attune_op_kinds(int32_t op);

// Message of the last failure on this thread; a buffer that stays valid.
ATTUNE_API const char* attune_last_error(void);
// Best level this machine can run.
ATTUNE_API int32_t attune_best_isa(void);

// A context is a pool of `threads` threads (the caller is one of them; the others start when they are
// first wanted) with a fixed workspace each, and one ISA level. Returns null on failure.
// One thread uses a context at a time: an entry that finds another thread inside returns ATTUNE_BUSY and
// does nothing.
ATTUNE_API attune_context* attune_context_open(int32_t threads, int32_t isa);
ATTUNE_API attune_status attune_context_close(attune_context* ctx);
// How many of its threads share in the work from the next op on, 1..threads; those left out sleep at once.
// The only call that may be made while another thread uses the context.
ATTUNE_API attune_status attune_context_share(attune_context* ctx, int32_t threads);
ATTUNE_API int32_t attune_context_isa(const attune_context* ctx);
ATTUNE_API int32_t attune_context_threads(const attune_context* ctx);
// Multiply-adds of operands of this type on registers alone, by the level's best instruction for it: `steps` rounds by
// every thread. Returns the floating-point operations done, which over the time of the call are the level's peak here;
// 0 where another thread is using the context. One of f32 on matrix tiles is six of bf16, of its parts.
ATTUNE_API double attune_context_peak(attune_context* ctx, int64_t steps, int32_t dtype);

// Reserves zeroed, 64-byte aligned memory; pages cost nothing until touched. huge_pages asks for
// transparent huge pages. Returns 0 on failure. The size given to free must be that of alloc.
ATTUNE_API int64_t attune_buffer_alloc(int64_t bytes, int32_t huge_pages);
ATTUNE_API attune_status attune_buffer_free(int64_t address, int64_t bytes);
// Whether the pages of a range should be huge (1) or small (0): small ones suit tables of which only
// some rows are ever touched.
ATTUNE_API attune_status attune_buffer_advise(int64_t address, int64_t bytes, int32_t huge_pages);
// Gives the pages of a range back to the system; they read as zero afterwards.
ATTUNE_API attune_status attune_buffer_discard(int64_t address, int64_t bytes);

#ifdef __cplusplus
}
#endif

#endif
