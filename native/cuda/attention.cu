// Variable-length attention: the entries. Kernels in attention_forward.cuh and attention_backward.cuh (bf16,
// tensor cores) and attention_f32.cuh; how their blocks find work in attention_schedule.cuh; sizes in
// attention_plan.h.
#include "attention_f32.cuh"
#include "attention_forward.cuh"

namespace attune::cuda {

namespace {

// body(std::integral_constant<int, padded head size>, std::bool_constant<dropout>).
template <class Body>
attune_status with_shape(int64_t D, bool dropout, Body&& body) {
  auto with_head = [&](auto head) {
    return dropout ? body(head, std::true_type{}) : body(head, std::false_type{});
  };
  switch (padded_head(D)) {
    case 32: return with_head(std::integral_constant<int, 32>{});
    case 64: return with_head(std::integral_constant<int, 64>{});
    case 96: return with_head(std::integral_constant<int, 96>{});
    case 128: return with_head(std::integral_constant<int, 128>{});
    default: return with_head(std::integral_constant<int, 256>{});
  }
}

attune_status check(const char* op, const void* cu_q, const void* cu_k, int64_t q_stride, int64_t kv_stride, int64_t B,
                    int64_t H, int64_t Hkv, int64_t D, float scale, int64_t window, float p, int32_t dtype) {
  ATTUNE_CHECK(check_dtype(op, "dtype", dtype));
  ATTUNE_REQUIRE(B >= 0 && B <= INT32_MAX, "%s: B is %lld, must be 0..2^31-1", op, ll(B));
  ATTUNE_REQUIRE(D >= 1 && D <= kAttentionMaxD, "%s: D is %lld, must be 1..%d", op, ll(D), kAttentionMaxD);
  ATTUNE_REQUIRE(Hkv >= 1, "%s: Hkv is %lld, must be at least 1", op, ll(Hkv));
  ATTUNE_REQUIRE(H >= 1 && H <= INT32_MAX && H % Hkv == 0, "%s: H is %lld, must be a multiple of Hkv, which is %lld", op, ll(H),
                 ll(Hkv));
  ATTUNE_REQUIRE(q_stride >= H * D, "%s: q_stride is %lld, must be at least %lld (elements of a row)", op, ll(q_stride),
                 ll(H * D));
  ATTUNE_REQUIRE(kv_stride >= Hkv * D, "%s: kv_stride is %lld, must be at least %lld (elements of a row)", op, ll(kv_stride),
                 ll(Hkv * D));
  ATTUNE_CHECK(check_finite(op, "scale", scale));
  ATTUNE_CHECK(check_count(op, "window", window));
  ATTUNE_CHECK(check_probability(op, "p", p));
  if (B == 0) return ATTUNE_OK;
  ATTUNE_CHECK(check_pointer(op, "cu_q", cu_q));
  ATTUNE_CHECK(check_pointer(op, "cu_k", cu_k));
  // Both lists of tiles lie in the scratch of the context, and tiles of all heads are counted in 32 bits.
  const int64_t most = smaller_of(kScratchBytes / 8 / Schedule::kBytesPerSequence - 1, (int64_t{1} << 29) / H);
  if (B > most) return fail(ATTUNE_UNSUPPORTED, "%s: B is %lld, must be at most %lld with H %lld", op, ll(B), ll(most), ll(H));
  return ATTUNE_OK;
}

}  // namespace

}  // namespace attune::cuda
