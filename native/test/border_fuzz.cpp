// Calls the CPU library through its border with frames whose contents are hostile: indices, offsets, labels and row
// states of any value, NaN and infinities, absent tensors, unknown ops. Every buffer has exactly the size that the
// contract names, so that AddressSanitizer sees one element too many. An op must answer ATTUNE_OK or
// ATTUNE_INVALID_ARGUMENT, and ATTUNE_OK where nothing was hostile.
//   border_fuzz SECONDS [SEED]
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <memory>
#include <random>
#include <vector>

#include "attune_ops.h"
#include "caller.h"

namespace {

using attune::linked;

class Case {
 public:
  Case(attune_context* context, uint64_t seed) : ctx(context), random_(seed), hostile_(pick(0, 3) > 0) {}

  int64_t pick(int64_t least, int64_t most) { return std::uniform_int_distribution<int64_t>(least, most)(random_); }

  bool hostile() const { return hostile_; }

  // Reals of which some are not: kernels may make what they like of those, but within their buffers.
  float* reals(int64_t count) {
    float* out = raw<float>(count);
    for (int64_t i = 0; i < count; ++i) {
      out[i] = static_cast<float>(pick(-1000, 1000)) / 500.0f;
      if (hostile_ && pick(0, 99) == 0) out[i] = kUnreal[pick(0, 3)];
    }
    return out;
  }

  // Numbers in 0..limit-1, of which some are anything.
  int32_t* indices(int64_t count, int64_t limit) {
    int32_t* out = raw<int32_t>(count);
    for (int64_t i = 0; i < count; ++i) out[i] = index(limit);
    return out;
  }

  // B + 1 rising offsets into so many rows, unless they are hostile: then also falling and negative ones. What lies
  // beyond the rows no op can know.
  int32_t* offsets(int64_t B, int64_t rows) {
    int32_t* out = raw<int32_t>(B + 1);
    for (int64_t b = 0; b <= B; ++b) out[b] = static_cast<int32_t>(pick(0, rows));
    std::sort(out, out + B + 1);
    if (hostile_ && pick(0, 1) == 0) {
      out[pick(0, B)] = pick(0, 1) == 0 ? std::numeric_limits<int32_t>::min() : static_cast<int32_t>(pick(-3, rows));
    }
    return out;
  }

  uint8_t* bytes(int64_t count, int64_t limit) {
    uint8_t* out = raw<uint8_t>(count);
    for (int64_t i = 0; i < count; ++i) out[i] = static_cast<uint8_t>(index(limit));
    return out;
  }

  template <class Value>
  Value* raw(int64_t count) {
    owned_.push_back(std::make_unique<char[]>(static_cast<size_t>(count) * sizeof(Value)));
    return reinterpret_cast<Value*>(owned_.back().get());
  }

  attune_context* const ctx;

 private:
  int32_t index(int64_t limit) {
    if (hostile_ && pick(0, 19) == 0)
      return kWild[pick(0, 6)] == kLimit ? static_cast<int32_t>(limit) : kWild[pick(0, 5)];
    return static_cast<int32_t>(pick(0, limit - 1));
  }

  static constexpr int32_t kLimit = 0x1234567;
  static constexpr int32_t kWild[] = {
      -1, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max(), 1 << 30, 65536, -65536, kLimit};
  static constexpr float kUnreal[] = {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                                      -std::numeric_limits<float>::infinity(), 3e38f};

  std::mt19937_64 random_;
  const bool hostile_;
  std::vector<std::unique_ptr<char[]>> owned_;
};

attune_status embedding(Case& c) {
  const int64_t N = c.pick(1, 9), C = c.pick(1, 40), V = c.pick(1, 12), P = c.pick(1, 9), T = c.pick(1, 3);
  static const auto call = linked<decltype(attune_embedding_fwd)>("embedding_fwd");
  return call(c.ctx, c.raw<float>(N * C), c.reals(V * C), c.reals(P * C), c.reals(T * C), c.indices(N, V),
              c.indices(N, P), c.indices(N, T), N, C, V, P, T, ATTUNE_F32);
}

attune_status gather_rows(Case& c) {
  const int64_t N = c.pick(1, 12), C = c.pick(1, 40);
  static const auto call = linked<decltype(attune_gather_rows_bwd)>("gather_rows_bwd");
  return call(c.ctx, c.reals(N * C), c.reals(C), c.indices(1, N), N, 1, C, static_cast<int32_t>(c.pick(0, 1)),
              ATTUNE_F32);
}

attune_status mean_pool(Case& c) {
  const int64_t B = c.pick(1, 5), N = c.pick(1, 20), C = c.pick(1, 40);
  static const auto call = linked<decltype(attune_mean_pool_fwd)>("mean_pool_fwd");
  return call(c.ctx, c.raw<float>(B * C), c.reals(N * C), c.offsets(B, N), B, C, ATTUNE_F32);
}

attune_status attention(Case& c) {
  const int64_t B = c.pick(1, 4), H = c.pick(1, 3), D = 8 * c.pick(1, 4), N = c.pick(1, 70);
  const int32_t* cu = c.offsets(B, N);
  static const auto call = linked<decltype(attune_attention_fwd)>("attention_fwd");
  return call(c.ctx, c.raw<float>(N * H * D), c.raw<float>(H * N), c.reals(N * H * D), c.reals(N * H * D),
              c.reals(N * H * D), nullptr, cu, cu, H * D, H * D, B, N, H, H, D, 0, 0.3f,
              static_cast<int32_t>(c.pick(0, 1)), c.pick(0, 5), c.pick(0, 1) == 0 ? 0.0f : 0.1f, 42, 7, ATTUNE_F32);
}

attune_status relative_bias(Case& c) {
  const int64_t H = c.pick(1, 4), reach = c.pick(0, 20), K = c.pick(1, 9);
  static const auto call = linked<decltype(attune_relative_bias_fwd)>("relative_bias_fwd");
  return call(c.ctx, c.raw<float>(H * (2 * reach + 1)), c.reals(K * H), c.indices(2 * reach + 1, K), H, reach, K);
}

attune_status rope(Case& c) {
  const int64_t N = c.pick(1, 9), H = c.pick(1, 3), D = 2 * c.pick(1, 16), P = c.pick(1, 12);
  static const auto call = linked<decltype(attune_rope)>("rope");
  return call(c.ctx, c.reals(N * H * D), c.reals(P * D), c.indices(N, P), N, H, D, D, H * D, P,
              static_cast<int32_t>(c.pick(0, 1)), ATTUNE_F32);
}

attune_status cross_entropy(Case& c) {
  const int64_t N = c.pick(1, 9), K = c.pick(1, 40);
  static const auto call = linked<decltype(attune_cross_entropy)>("cross_entropy");
  return call(c.ctx, c.raw<float>(N), c.raw<float>(N * K), c.reals(N * K), c.indices(N, K), nullptr, N, K, -100, 0.1f,
              0.5f, ATTUNE_F32);
}

attune_status span_cross_entropy(Case& c) {
  const int64_t B = c.pick(1, 4), N = c.pick(1, 30);
  static const auto call = linked<decltype(attune_span_cross_entropy)>("span_cross_entropy");
  return call(c.ctx, c.raw<float>(2 * B), c.raw<float>(2 * N), c.reals(2 * N), c.offsets(B, N), c.indices(B, N),
              c.indices(B, N), B, 0.5f, 0.5f, ATTUNE_F32);
}

attune_status adamw_rows(Case& c) {
  const int64_t V = c.pick(1, 20), C = c.pick(1, 40);
  const bool is_narrow = c.pick(0, 1) == 0;
  const auto moments = [&]() -> void* {
    return is_narrow ? static_cast<void*>(c.raw<uint16_t>(V * C)) : static_cast<void*>(c.reals(V * C));
  };
  static const auto call = linked<decltype(attune_adamw_rows)>("adamw_rows");
  return call(c.ctx, c.reals(V * C), moments(), moments(), c.reals(V * C), c.bytes(V, 3), V, C, 0.9f, 0.999f, 1e-8f,
              0.01f, 1.0f, 42, 7, is_narrow ? ATTUNE_BF16 : ATTUNE_F32);
}

attune_status adamw_lazy_rows(Case& c) {
  const int64_t V = c.pick(1, 20), C = c.pick(1, 40), M = c.pick(0, 3);
  const bool is_narrow = c.pick(0, 1) == 0;
  const auto moments = [&]() -> void* {
    return is_narrow ? static_cast<void*>(c.raw<uint16_t>(V * C)) : static_cast<void*>(c.reals(V * C));
  };
  float* weight = c.reals(V * C);
  void *m = moments(), *v = moments();
  uint8_t* state = c.bytes(V, 2);
  int32_t* rows = c.indices(M, V);
  if (!c.hostile()) {
    for (int64_t i = 0; i < M; ++i) {
      rows[i] = static_cast<int32_t>(i % V);
      state[rows[i]] = 2;
    }
  }
  char* lag = c.raw<char>(ATTUNE_LAG_BYTES(V));
  const int64_t distinct = M < V ? M : V;
  const int32_t type = is_narrow ? ATTUNE_BF16 : ATTUNE_F32;
  static const auto step = linked<decltype(attune_adamw_lazy_rows)>("adamw_lazy_rows");
  const float* grad = c.reals(V * C);
  for (int64_t i = c.pick(1, 70); i > 0; --i) {
    const attune_status status = step(c.ctx, weight, m, v, grad, state, rows, lag, distinct, V, C, 0.9f, 0.999f, 1e-8f,
                                      0.01f, 1.0f, 42, 7, type);
    if (status != ATTUNE_OK) return status;
  }
  static const auto settle = linked<decltype(attune_adamw_settle_rows)>("adamw_settle_rows");
  return settle(c.ctx, weight, m, v, lag, state, c.pick(0, 1) == 0 ? nullptr : c.indices(M, V), M, V, C, type);
}

attune_status adamw_8bit(Case& c) {
  const int64_t count = c.pick(1, 600), blocks = (count + ATTUNE_MOMENT_BLOCK - 1) / ATTUNE_MOMENT_BLOCK;
  static const auto call = linked<decltype(attune_adamw_8bit)>("adamw_8bit");
  return call(c.ctx, c.reals(count), c.raw<uint8_t>(count), c.reals(blocks), c.raw<uint8_t>(count), c.reals(blocks),
              c.raw<uint16_t>(count), c.reals(count), count, 0.9f, 0.999f, 1e-8f, 0.01f, 1.0f);
}

attune_status linear_int8(Case& c) {
  const int64_t N = c.pick(1, 40), C = c.pick(1, 70), F = c.pick(1, 70);
  const int64_t padded = (C + 3) / 4 * 4;
  char* weight = c.raw<char>((F + 15) / 16 * (16 * padded + 128));
  static const auto pack = linked<decltype(attune_linear_int8_pack)>("linear_int8_pack");
  const attune_status status = pack(c.ctx, weight, c.reals(F * C), F, C);
  if (status != ATTUNE_OK) return status;
  static const auto call = linked<decltype(attune_linear_int8_fwd)>("linear_int8_fwd");
  return call(c.ctx, c.raw<float>(N * F), c.raw<char>(N * (2 * C + 192)), c.reals(N * C), weight, c.reals(F), N, C, F,
              static_cast<int32_t>(c.pick(0, 5)));
}

attune_status quantize(Case& c) {
  const int64_t F = c.pick(1, 6), C = 64 * c.pick(1, 6);
  const int32_t type = c.pick(0, 1) == 0 ? ATTUNE_NF4 : ATTUNE_INT8;
  static const auto call = linked<decltype(attune_quantize)>("quantize");
  return call(c.ctx, c.raw<char>(attune_quantized_bytes(F, C, type)), c.reals(F * C), F, C, ATTUNE_F32, type);
}

attune_status argmax(Case& c) {
  const int64_t N = c.pick(1, 9), K = c.pick(1, 70);
  static const auto call = linked<decltype(attune_argmax)>("argmax");
  return call(c.ctx, c.raw<int32_t>(N), c.reals(N * K), N, K, ATTUNE_F32);
}

attune_status linear(Case& c) {
  const int64_t N = c.pick(1, 40), C = c.pick(1, 70), F = c.pick(1, 70);
  static const auto call = linked<decltype(attune_linear_fwd)>("linear_fwd");
  return call(c.ctx, c.raw<float>(N * F), c.raw<float>(N * F), c.reals(N * C), c.reals(F * C), c.reals(F), N, C, F,
              static_cast<int32_t>(c.pick(0, 5)), ATTUNE_F32, ATTUNE_F32);
}

attune_status layer_norm(Case& c) {
  const int64_t N = c.pick(1, 9), C = c.pick(1, 70);
  static const auto call = linked<decltype(attune_layer_norm_fwd)>("layer_norm_fwd");
  return call(c.ctx, c.raw<float>(N * C), c.raw<float>(N * C), c.raw<float>(N), c.raw<float>(N), c.reals(N * C),
              c.reals(N * C), c.reals(C), c.reals(C), N, C, 1e-5f, 0.1f, 0.0f, 42, 7, ATTUNE_F32);
}

// Whatever the number and the context, there is an answer.
attune_status unknown_op(Case& c) {
  const int64_t frame[40] = {};
  const int32_t ops[] = {-1, attune_op_count(), std::numeric_limits<int32_t>::max(),
                         std::numeric_limits<int32_t>::min()};
  const bool is_absent = c.pick(0, 1) == 0;
  const int32_t op = is_absent ? 0 : ops[c.pick(0, 3)];
  const attune_status status = attune_call(is_absent ? nullptr : c.ctx, op, frame);
  return status == ATTUNE_INVALID_ARGUMENT ? ATTUNE_OK : ATTUNE_INTERNAL;
}

struct Target {
  const char* name;
  attune_status (*run)(Case&);
};

constexpr Target kTargets[] = {{"embedding", embedding},
                               {"gather_rows", gather_rows},
                               {"mean_pool", mean_pool},
                               {"attention", attention},
                               {"relative_bias", relative_bias},
                               {"rope", rope},
                               {"cross_entropy", cross_entropy},
                               {"span_cross_entropy", span_cross_entropy},
                               {"adamw_rows", adamw_rows},
                               {"adamw_lazy_rows", adamw_lazy_rows},
                               {"adamw_8bit", adamw_8bit},
                               {"linear_int8", linear_int8},
                               {"quantize", quantize},
                               {"argmax", argmax},
                               {"linear", linear},
                               {"layer_norm", layer_norm},
                               {"unknown_op", unknown_op}};

}  // namespace

int main(int argc, char** argv) {
  const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
  const uint64_t seed = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 42;
  attune_context* ctx = attune_context_open(2, ATTUNE_ISA_BEST);
  if (ctx == nullptr) {
    std::fprintf(stderr, "no context: %s\n", attune_last_error());
    return 1;
  }
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  long cases = 0, refused = 0, failed = 0;
  for (; failed == 0 && std::chrono::steady_clock::now() < end; ++cases) {
    const Target& target = kTargets[cases % (sizeof(kTargets) / sizeof(kTargets[0]))];
    Case c(ctx, seed + static_cast<uint64_t>(cases));
    const attune_status status = target.run(c);
    if (status == ATTUNE_INVALID_ARGUMENT && c.hostile()) {
      ++refused;
    } else if (status != ATTUNE_OK) {
      std::fprintf(stderr, "%s, seed %llu, %s: status %d: %s\n", target.name,
                   static_cast<unsigned long long>(seed) + static_cast<unsigned long long>(cases),
                   c.hostile() ? "hostile" : "sound", static_cast<int>(status), attune_last_error());
      ++failed;
    }
  }
  attune_context_close(ctx);
  std::printf("border_fuzz: %ld cases, %ld refused, %ld failed\n", cases, refused, failed);
  return failed == 0 && refused > 0 ? 0 : 1;
}
