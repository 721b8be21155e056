// Dropout as an op of its own; its own backward. Bytes per element: 2 accesses.
#include "dropout.cuh"

#include "vectors.cuh"

namespace attune::cuda {

namespace {

template <class T>
struct Apply {
  T* out;
  const T* inp;
  Dropout mask;

  template <int V>
  __device__ void run(int64_t i) const {
    float x[V];
    load(x, inp + i);
    mask.apply(x, i);
    store(out + i, x);
  }
};

}  // namespace

attune_status dropout(attune_context* ctx, void* out, const void* inp, int64_t count, float p, int64_t seed,
                      int64_t stream, int32_t dtype) {
  if (count == 0) return ATTUNE_OK;
  const Dropout mask(ctx, p, seed, stream);
  if (!mask.on()) return out == inp ? ATTUNE_OK : copy_bytes(ctx, out, inp, count * element_bytes(dtype));
  return with_type(dtype, [&](auto element) {
    using T = decltype(element);
    return launch_flat<8>(ctx, Apply<T>{static_cast<T*>(out), static_cast<const T*>(inp), mask}, count,
                          aligned16(out, inp));
  });
}

}  // namespace attune::cuda
