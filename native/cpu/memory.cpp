// Filling and copying ranges with all threads.
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "checks.h"
#include "context.h"
#include "kernels.h"
#include "simd.h"

namespace attune {
namespace ATTUNE_ISA {

namespace {

// Bytes of a task: large enough for the C library's fast paths.
constexpr int64_t kGrain = int64_t{1} << 20;

// From this size on a range outlives no cache: it is written past them, which spares reading every
// line before it is overwritten (90 MiB zeroed in 1.4 instead of 4.6 ms, copied in 5.6 instead of 9).
constexpr int64_t kStreamed = int64_t{16} << 20;

static inline void zero_chunk(char* out, int64_t bytes) { std::memset(out, 0, static_cast<size_t>(bytes)); }
static inline void copy_chunk(char* out, const char* inp, int64_t bytes) {
  std::memcpy(out, inp, static_cast<size_t>(bytes));
}

#if defined(__SSE2__)
// Bytes up to the next cache line.
static inline int64_t head_of(const char* out, int64_t bytes) {
  int64_t head = static_cast<int64_t>(-reinterpret_cast<uintptr_t>(out) & 63);
  return head < bytes ? head : bytes;
}

static void zero_streamed(char* out, int64_t bytes) {
  int64_t at = head_of(out, bytes);
  zero_chunk(out, at);
  for (; at + 64 <= bytes; at += 64) {
    for (int part = 0; part < 64; part += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(out + at + part), _mm_setzero_si128());
    }
  }
  zero_chunk(out + at, bytes - at);
  _mm_sfence();  // before the task counts as done
}

static void copy_streamed(char* out, const char* inp, int64_t bytes) {
  int64_t at = head_of(out, bytes);
  copy_chunk(out, inp, at);
  for (; at + 64 <= bytes; at += 64) {
    for (int part = 0; part < 64; part += 16) {
      _mm_stream_si128(reinterpret_cast<__m128i*>(out + at + part),
                       _mm_loadu_si128(reinterpret_cast<const __m128i*>(inp + at + part)));
    }
  }
  copy_chunk(out + at, inp + at, bytes - at);
  _mm_sfence();
}
#else
static void zero_streamed(char* out, int64_t bytes) { zero_chunk(out, bytes); }
static void copy_streamed(char* out, const char* inp, int64_t bytes) { copy_chunk(out, inp, bytes); }
#endif

}  // namespace

attune_status fill_zero(attune_context* ctx, void* out, int64_t bytes) {
  if (bytes == 0) return ATTUNE_OK;
  parallel_range(ctx, bytes, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    char* to = static_cast<char*>(out) + begin;
    if (bytes >= kStreamed) {
      zero_streamed(to, end - begin);
    } else {
      zero_chunk(to, end - begin);
    }
  });
  return ATTUNE_OK;
}

attune_status copy(attune_context* ctx, void* out, const void* inp, int64_t bytes) {
  if (bytes == 0) return ATTUNE_OK;
  parallel_range(ctx, bytes, kGrain, [&](int64_t begin, int64_t end, int32_t) {
    char* to = static_cast<char*>(out) + begin;
    const char* from = static_cast<const char*>(inp) + begin;
    if (bytes >= kStreamed) {
      copy_streamed(to, from, end - begin);
    } else {
      copy_chunk(to, from, end - begin);
    }
  });
  return ATTUNE_OK;
}

}  // namespace ATTUNE_ISA
}  // namespace attune
