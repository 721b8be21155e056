// The definition of attention for its test (cuda_attention_test.cpp), exact and as a plain program rounds, and tensors
// as a library sees them.
#ifndef ATTUNE_CUDA_ATTENTION_TEST_H
#define ATTUNE_CUDA_ATTENTION_TEST_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "attune_ops.h"
#include "philox.h"

namespace {

// ---- numbers -----------------------------------------------------------------------------------------

constexpr int64_t kSeed = 0x7123456789ABCDEF;
constexpr int64_t kStream = 0x78000'0003;
constexpr int64_t kMaxLength = 1 << 20;  // which our kernels do not look at
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kBiasGradient = 0.5;  // what dbias holds before

float from_bits(uint32_t bits) {
  float out;
  std::memcpy(&out, &bits, 4);
  return out;
}

uint16_t to_bf16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  if (x != x) return 0x7FFF;
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

// How a program rounds: not at all, or as a plain program for activations of a type.
struct Exact {
  static double f32(double x) { return x; }
  static double stored(double x) { return x; }
};
struct PlainF32 {
  static double f32(double x) { return static_cast<double>(static_cast<float>(x)); }
  static double stored(double x) { return f32(x); }
};
struct PlainBf16 {
  static double f32(double x) { return PlainF32::f32(x); }
  static double stored(double x) {
    return static_cast<double>(from_bits(static_cast<uint32_t>(to_bf16(static_cast<float>(x))) << 16));
  }
};

using Values = std::vector<double>;

// ---- the definition ------------------------------------------------------------------------------------

struct Problem {
  std::string name;
  std::vector<int> queries, keys;  // of each sequence
  int H, Hkv, D;
  bool causal;
  int window;
  float p;
  bool packed = false;      // q, k and v are columns of one product
  bool misaligned = false;  // tensors begin one element behind a multiple of 16
  float scale = 0;          // 0: 1 / sqrt(D)
  int first_row = 0;        // cu_q[0] and cu_k[0]
  double gain = 1;          // of q
  int reach = -1;           // of the bias; -1: none
  Values bias = {};         // (H, 2 reach + 1)

  int offsets_of_head() const { return 2 * reach + 1; }
  // Where the bias of query i and key j of head h lies.
  size_t bias_at(size_t b, int h, int i, int j) const {
    const int offset = std::clamp(j - (i + keys[b] - queries[b]), -reach, reach);
    return static_cast<size_t>(h * offsets_of_head() + reach + offset);
  }
  float the_scale() const { return scale != 0 ? scale : static_cast<float>(1 / std::sqrt(static_cast<double>(D))); }
  std::vector<int32_t> offsets(const std::vector<int>& lengths) const {
    std::vector<int32_t> out{first_row};
    for (int length : lengths) out.push_back(out.back() + length);
    return out;
  }
  int rows_q() const { return offsets(queries).back(); }
  int rows_k() const { return offsets(keys).back(); }
  int lse_rows() const { return rows_q() - first_row; }
  int width_q() const { return H * D; }
  int width_k() const { return Hkv * D; }
  int stride_q() const { return packed ? width_q() + 2 * width_k() : width_q(); }
  int stride_k() const { return packed ? stride_q() : width_k(); }

  bool sees(size_t b, int i, int j) const {
    int diagonal = i + keys[b] - queries[b];
    return (!causal || j <= diagonal) && (window == 0 || std::abs(j - diagonal) < window);
  }
  bool kept(int row, int h, int j) const {
    int32_t threshold = attune::dropout_threshold(p);
    attune::PhiloxBlock block =
        attune::philox(static_cast<uint64_t>(kSeed), static_cast<uint64_t>(kStream),
                       static_cast<uint64_t>(static_cast<uint32_t>(row * H + h)) << 32 | static_cast<uint32_t>(j / 8));
    uint32_t word = block.word[j % 8 / 2];
    return static_cast<int32_t>(j % 2 == 0 ? word & 0xFFFF : word >> 16) >= threshold;
  }
};

struct Forward {
  Values out, lse;
};
struct Backward {
  Values dq, dk, dv, dbias;
};

// Calls body(b, row, h, scores) for every query and head.
template <class P, class Body>
void each_row(const Problem& a, const Values& q, const Values& k, Body&& body) {
  std::vector<int32_t> cu_q = a.offsets(a.queries), cu_k = a.offsets(a.keys);
  Values scores;
  for (size_t b = 0; b < a.queries.size(); ++b) {
    for (int i = 0; i < a.queries[b]; ++i) {
      for (int h = 0; h < a.H; ++h) {
        const double* query = &q[static_cast<size_t>(((cu_q[b] + i) * a.H + h) * a.D)];
        scores.assign(static_cast<size_t>(a.keys[b]), -kInfinity);
        for (int j = 0; j < a.keys[b]; ++j) {
          if (!a.sees(b, i, j)) continue;
          const double* key = &k[static_cast<size_t>(((cu_k[b] + j) * a.Hkv + h / (a.H / a.Hkv)) * a.D)];
          double sum = 0;
          for (int d = 0; d < a.D; ++d) sum = P::f32(sum + P::f32(query[d] * key[d]));
          double score = P::f32(sum * static_cast<double>(a.the_scale()));
          if (a.reach >= 0) score = P::f32(score + a.bias[a.bias_at(b, h, i, j)]);
          scores[static_cast<size_t>(j)] = score;
        }
        body(b, cu_q[b] + i, h, cu_k[b], scores);
      }
    }
  }
}

template <class P>
double keep_scale(const Problem& a) {
  return P::f32(1 / (1 - attune::dropout_threshold(a.p) / 65536.0));
}

template <class P>
Forward forward(const Problem& a, const Values& q, const Values& k, const Values& v) {
  Forward f{Values(static_cast<size_t>(a.rows_q() * a.width_q())), Values(static_cast<size_t>(a.H * a.lse_rows()))};
  each_row<P>(a, q, k, [&](size_t, int row, int h, int first_key, const Values& scores) {
    double top = -kInfinity, sum = 0;
    for (double score : scores) top = std::max(top, score);
    Values weights(scores.size());
    for (size_t j = 0; j < scores.size() && top > -kInfinity; ++j) {
      double weight = P::f32(std::exp(P::f32(scores[j] - top)));
      sum = P::f32(sum + weight);
      weights[j] = a.kept(row, h, static_cast<int>(j)) ? P::stored(P::f32(weight * keep_scale<P>(a))) : 0;
    }
    f.lse[static_cast<size_t>(h * a.lse_rows() + row - a.first_row)] =
        sum == 0 ? -kInfinity : P::f32(top + P::f32(std::log(sum)));
    for (int d = 0; d < a.D && sum > 0; ++d) {
      double out = 0;
      for (size_t j = 0; j < scores.size(); ++j) {
        out = P::f32(out + P::f32(weights[j] * v[((static_cast<size_t>(first_key) + j) * static_cast<size_t>(a.Hkv) +
                                                  static_cast<size_t>(h / (a.H / a.Hkv))) *
                                                     static_cast<size_t>(a.D) +
                                                 static_cast<size_t>(d)]));
      }
      f.out[static_cast<size_t>((row * a.H + h) * a.D + d)] = P::stored(out / sum);
    }
  });
  return f;
}

template <class P>
Backward backward(const Problem& a, const Values& dout, const Values& q, const Values& k, const Values& v,
                  const Values& out, const Values& lse) {
  Backward g{Values(q.size()), Values(k.size()), Values(v.size()), Values(a.bias.size(), kBiasGradient)};
  each_row<P>(a, q, k, [&](size_t b, int row, int h, int first_key, const Values& scores) {
    const size_t query = static_cast<size_t>((row * a.H + h) * a.D), D = static_cast<size_t>(a.D);
    // From the end: summed in the order of dp below, the two would cancel to the last bit where a query sees one
    // key, and the plain program be right by luck where any other leaves the rounding of two sums.
    double delta = 0;
    for (size_t d = D; d-- > 0;) delta = P::f32(delta + P::f32(dout[query + d] * out[query + d]));
    const int i = row - a.offsets(a.queries)[b];
    for (int j = 0; j < a.keys[b]; ++j) {
      if (!a.sees(b, i, j)) continue;
      const size_t key = static_cast<size_t>(((first_key + j) * a.Hkv + h / (a.H / a.Hkv)) * a.D);
      double mask = a.kept(row, h, j) ? keep_scale<P>(a) : 0, dp = 0;
      double probability = P::f32(std::exp(
          P::f32(scores[static_cast<size_t>(j)] - lse[static_cast<size_t>(h * a.lse_rows() + row - a.first_row)])));
      for (size_t d = 0; d < D; ++d) dp = P::f32(dp + P::f32(dout[query + d] * v[key + d]));
      double kept = P::stored(P::f32(probability * mask));
      const double gradient = P::f32(probability * P::f32(P::f32(dp * mask) - delta));
      double ds = P::stored(gradient);
      if (a.reach >= 0) {
        double& dbias = g.dbias[a.bias_at(b, h, i, j)];
        dbias = P::f32(dbias + gradient);
      }
      for (size_t d = 0; d < D; ++d) {
        g.dv[key + d] = P::f32(g.dv[key + d] + P::f32(kept * dout[query + d]));
        g.dk[key + d] = P::f32(g.dk[key + d] + P::f32(ds * q[query + d]));
        g.dq[query + d] = P::f32(g.dq[query + d] + P::f32(ds * k[key + d]));
      }
    }
  });
  for (double& x : g.dq) x = P::stored(P::f32(x * static_cast<double>(a.the_scale())));
  for (double& x : g.dk) x = P::stored(P::f32(x * static_cast<double>(a.the_scale())));
  for (double& x : g.dv) x = P::stored(x);
  return g;
}

// ---- memory ----------------------------------------------------------------------------------------------

constexpr size_t kGuard = 64;

// A tensor as a library sees it, NaN at first, between guard bytes. With a gap in its rows: `width` elements
// of every `stride`.
class Memory {
 public:
  Memory(const Problem& a, int32_t dtype, size_t count)
      : dtype_(dtype), offset_(kGuard + (a.misaligned ? size() : 0)), bytes_(count * size() + offset_ + kGuard, 0x5A) {
    // The allocator gives at least 16-byte alignment.
    std::fill(bytes_.begin() + static_cast<std::ptrdiff_t>(offset_), bytes_.end() - static_cast<std::ptrdiff_t>(kGuard),
              static_cast<unsigned char>(0xFF));
  }
  size_t size() const { return dtype_ == ATTUNE_F32 ? 4 : 2; }
  char* at(size_t element = 0) { return reinterpret_cast<char*>(bytes_.data()) + offset_ + element * size(); }
  float* floats() { return reinterpret_cast<float*>(at()); }

  double get(size_t i) const {
    const unsigned char* from = bytes_.data() + offset_ + i * size();
    if (dtype_ == ATTUNE_F32) {
      float x;
      std::memcpy(&x, from, 4);
      return static_cast<double>(x);
    }
    uint16_t half;
    std::memcpy(&half, from, 2);
    return static_cast<double>(from_bits(static_cast<uint32_t>(half) << 16));
  }
  void set(size_t i, double value) {
    float x = static_cast<float>(value);
    uint16_t half = to_bf16(x);
    std::memcpy(at(i), dtype_ == ATTUNE_F32 ? static_cast<void*>(&x) : &half, size());
  }

  void write(const Values& dense, int width, int stride, int column) {
    for (size_t i = 0; i < dense.size(); ++i) {
      set(i / static_cast<size_t>(width) * static_cast<size_t>(stride) + static_cast<size_t>(column) +
              i % static_cast<size_t>(width),
          dense[i]);
    }
  }
  Values read(size_t count, int width, int stride, int column) const {
    Values dense(count);
    for (size_t i = 0; i < count; ++i) {
      dense[i] = get(i / static_cast<size_t>(width) * static_cast<size_t>(stride) + static_cast<size_t>(column) +
                     i % static_cast<size_t>(width));
    }
    return dense;
  }
  bool operator==(const Memory& other) const { return bytes_ == other.bytes_; }
  bool guards_intact() const {
    auto guard = [](unsigned char byte) { return byte == 0x5A; };
    return std::all_of(bytes_.begin(), bytes_.begin() + static_cast<std::ptrdiff_t>(offset_), guard) &&
           std::all_of(bytes_.end() - static_cast<std::ptrdiff_t>(kGuard), bytes_.end(), guard);
  }

 private:
  int32_t dtype_;
  size_t offset_;
  std::vector<unsigned char> bytes_;
};

// q, k and v, or their gradients: three tensors, or columns of one.
class Triple {
 public:
  Triple(const Problem& a, int32_t dtype)
      : a_(a),
        q_(a, dtype, static_cast<size_t>(a.rows_q() * a.stride_q())),
        k_(a, dtype, a.packed ? 0 : static_cast<size_t>(a.rows_k() * a.stride_k())),
        v_(a, dtype, a.packed ? 0 : static_cast<size_t>(a.rows_k() * a.stride_k())) {}
  void write(const Values& q, const Values& k, const Values& v) {
    q_.write(q, a_.width_q(), a_.stride_q(), 0);
    (a_.packed ? q_ : k_).write(k, a_.width_k(), a_.stride_k(), column_k());
    (a_.packed ? q_ : v_).write(v, a_.width_k(), a_.stride_k(), column_v());
  }
  Values values_q() const {
    return q_.read(static_cast<size_t>(a_.rows_q() * a_.width_q()), a_.width_q(), a_.stride_q(), 0);
  }
  Values values_k() const { return values(k_, column_k()); }
  Values values_v() const { return values(v_, column_v()); }
  char* q() { return q_.at(); }
  char* k() { return a_.packed ? q_.at(static_cast<size_t>(column_k())) : k_.at(); }
  char* v() { return a_.packed ? q_.at(static_cast<size_t>(column_v())) : v_.at(); }
  bool operator==(const Triple& other) const { return q_ == other.q_ && k_ == other.k_ && v_ == other.v_; }
  bool guards_intact() const { return q_.guards_intact() && k_.guards_intact() && v_.guards_intact(); }

 private:
  Values values(const Memory& memory, int column) const {
    return (a_.packed ? q_ : memory)
        .read(static_cast<size_t>(a_.rows_k() * a_.width_k()), a_.width_k(), a_.stride_k(), column);
  }
  int column_k() const { return a_.packed ? a_.width_q() : 0; }
  int column_v() const { return a_.packed ? a_.width_q() + a_.width_k() : 0; }

  Problem a_;
  Memory q_, k_, v_;
};

}  // namespace

#endif
