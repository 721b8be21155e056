#include "edges.h"

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <vector>

#include "attune_ops.h"
#include "caller.h"

namespace attune {
namespace {

const auto linear_fwd = linked<decltype(attune_linear_fwd)>("linear_fwd");
const auto linear_bwd_input = linked<decltype(attune_linear_bwd_input)>("linear_bwd_input");
const auto linear_bwd_weight = linked<decltype(attune_linear_bwd_weight)>("linear_bwd_weight");
const auto linear_int8_pack = linked<decltype(attune_linear_int8_pack)>("linear_int8_pack");
const auto linear_int8_fwd = linked<decltype(attune_linear_int8_fwd)>("linear_int8_fwd");
const auto quantize = linked<decltype(attune_quantize)>("quantize");

constexpr int kThreads = 3;  // so that the last columns, too, are several tasks
constexpr int kOperands = 6;
constexpr size_t kMostBytes = size_t{1} << 20;  // of an operand

char running[200];  // the product at hand, for who finds a fault

void report_fault(int) {
  const char text[] = "FAILED: memory past an operand is touched by ";
  if (write(STDOUT_FILENO, text, sizeof(text) - 1) < 0 || write(STDOUT_FILENO, running, std::strlen(running)) < 0 ||
      write(STDOUT_FILENO, "\n", 1) < 0) {
    _exit(2);
  }
  _exit(1);
}

// Memory before a page that nobody may touch.
class Edge {
 public:
  Edge() : page_(static_cast<size_t>(sysconf(_SC_PAGESIZE))) {
    void* base = mmap(nullptr, kMostBytes + page_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) std::abort();
    base_ = static_cast<char*>(base);
    if (mprotect(base_ + kMostBytes, page_, PROT_NONE) != 0) std::abort();
  }
  ~Edge() { munmap(base_, kMostBytes + page_); }
  Edge(const Edge&) = delete;
  Edge& operator=(const Edge&) = delete;

  // A copy of the values that ends here.
  template <class T>
  T* hold(const std::vector<T>& values) {
    const size_t bytes = values.size() * sizeof(T);
    if (bytes > kMostBytes) std::abort();
    char* at = base_ + kMostBytes - bytes;
    std::memcpy(at, values.data(), bytes);
    return reinterpret_cast<T*>(at);
  }

 private:
  const size_t page_;
  char* base_;
};

// The operands of one call: each at the edge of its memory, or with room behind it.
class Operands {
 public:
  Operands(Edge* edges, bool at_edges) : edges_(edges), at_edges_(at_edges) {}

  template <class T>
  T* place(std::vector<T>& values) {
    if (!at_edges_) {
      values.reserve(values.size() + 1024);
      return values.data();
    }
    if (used_ == kOperands) std::abort();
    return edges_[used_++].hold(values);
  }

 private:
  Edge* const edges_;
  const bool at_edges_;
  int used_ = 0;
};

using Bytes = std::vector<unsigned char>;
template <class T>
void append(Bytes& bytes, const T* values, size_t count) {
  const auto* from = reinterpret_cast<const unsigned char*>(values);
  bytes.insert(bytes.end(), from, from + count * sizeof(T));
}

struct Bf16 {
  using Stored = uint16_t;
  static constexpr int32_t kType = ATTUNE_BF16;
  static Stored stored(float value) {  // of those that are exact
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    return static_cast<Stored>(bits >> 16);
  }
};
struct F32 {
  using Stored = float;
  static constexpr int32_t kType = ATTUNE_F32;
  static Stored stored(float value) { return value; }
};

size_t size(int64_t rows, int64_t columns) { return static_cast<size_t>(rows * columns); }

template <class Type>
std::vector<typename Type::Stored> values(size_t count, uint32_t seed) {
  std::minstd_rand random(seed);
  std::vector<typename Type::Stored> out(count);
  for (auto& value : out) value = Type::stored(static_cast<float>(static_cast<int>(random() % 255) - 127) / 64.0f);
  return out;
}
// Rows of codes whose scale is 1.
std::vector<float> codes(int64_t rows, int64_t columns, uint32_t seed) {
  std::minstd_rand random(seed);
  std::vector<float> out(size(rows, columns));
  for (auto& value : out) value = static_cast<float>(static_cast<int>(random() % 255) - 127);
  for (int64_t row = 0; row < rows; ++row) out[size(row, columns)] = 127;
  return out;
}

class Edges {
 public:
  Edges(const std::string& tiles, int32_t isa) : tiles_(tiles), ctx_(attune_context_open(kThreads, isa)) {
    struct sigaction fault = {};
    fault.sa_handler = &report_fault;
    sigaction(SIGSEGV, &fault, &before_);
  }
  ~Edges() {
    sigaction(SIGSEGV, &before_, nullptr);
    attune_context_close(ctx_);
  }
  Edges(const Edges&) = delete;
  Edges& operator=(const Edges&) = delete;

  int failures() const { return failures_; }

  // Narrow rows, of whose last strips several are shorter than a tile; rows that are whole steps and that are not; and
  // rows of more steps than one turn.
  void check_integers() {
    for (int64_t C = 1; C <= 70; ++C) {
      for (int64_t F : {1, 16, 17, 31, 33, 48, 65, 80, 100}) {
        for (int64_t N : {1, 16, 17, 33}) check_integers(N, C, F);
      }
    }
    for (int64_t C : {128, 190, 896, 900, 960, 1000}) {
      for (int64_t F : {1, 17, 100}) check_integers(20, C, F);
    }
  }

  template <class Type>
  void check_products() {
    for (int64_t N : {1, 16, 17, 33, 65}) {
      for (int64_t C : {1, 17, 32, 33, 64, 70, 192}) {
        for (int64_t F : {1, 16, 31, 33, 64, 100}) check_products<Type>(N, C, F);
      }
    }
    check_products<Type>(33, 1090, 35);
    check_products<Type>(66, 35, 1090);
    check_products<Type>(1090, 35, 33);
  }

 private:
  void name(const char* product, int64_t N, int64_t C, int64_t F) {
    std::snprintf(running, sizeof(running), "%s tiles, %s, {%lld, %lld, %lld}", tiles_.c_str(), product,
                  static_cast<long long>(N), static_cast<long long>(C), static_cast<long long>(F));
  }
  void expect(bool condition, const char* what) {
    if (condition) return;
    std::printf("FAILED: %s: %s\n", running, what);
    ++failures_;
  }
  void done(attune_status status) { expect(status == ATTUNE_OK, attune_last_error()); }

  // call(operands) gives what it leaves, which does not depend on what lies behind its operands.
  template <class Call>
  void check(Call&& call) {
    const Bytes expected = call(Operands(edges_, false));
    expect(call(Operands(edges_, true)) == expected, "what lies behind an operand makes a difference");
  }

  void check_integers(int64_t N, int64_t C, int64_t F) {
    const int64_t strip_bytes = (C + 3) / 4 * 64 + 128;
    std::vector<float> inp = codes(N, C, 1), master = codes(F, C, 2), bias = values<F32>(size(F, 1), 3);
    std::vector<float> out(size(N, F));
    Bytes packed(size((F + 15) / 16, strip_bytes)), scratch(size(N, 2 * C + 192));

    name("packing of integers", N, C, F);
    Operands packing(edges_, true);
    const float* rows = packing.place(master);
    unsigned char* strips = packing.place(packed);
    done(linear_int8_pack(ctx_, strips, rows, F, C));
    std::memcpy(packed.data(), strips, packed.size());

    name("product of integers", N, C, F);
    Operands operands(edges_, true);
    float* results = operands.place(out);
    unsigned char* quantized = operands.place(scratch);
    const float* activations = operands.place(inp);
    const unsigned char* weight = operands.place(packed);
    const float* added = operands.place(bias);
    done(linear_int8_fwd(ctx_, results, quantized, activations, weight, added, N, C, F, ATTUNE_ACT_NONE));
    int64_t wrong = 0;
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t f = 0; f < F; ++f) {
        float sum = 0;
        for (int64_t c = 0; c < C; ++c) sum += inp[size(n, C) + size(c, 1)] * master[size(f, C) + size(c, 1)];
        wrong += results[n * F + f] != sum + bias[size(f, 1)];
      }
    }
    expect(wrong == 0, "sums are wrong");
  }

  template <class Type>
  void check_products(int64_t N, int64_t C, int64_t F) {
    using Stored = typename Type::Stored;
    std::vector<float> wide = values<F32>(size(F, C), 4);
    std::vector<uint16_t> narrow = values<Bf16>(size(F, C), 5);
    check_weight<Type>(N, C, F, wide, ATTUNE_F32, "f32");
    check_weight<Type>(N, C, F, narrow, ATTUNE_BF16, "bf16");
    if (C % 64 == 0) {
      for (int32_t type : {ATTUNE_NF4, ATTUNE_INT8}) {
        Bytes coded(static_cast<size_t>(attune_quantized_bytes(F, C, type)));
        done(quantize(ctx_, coded.data(), wide.data(), F, C, ATTUNE_F32, type));
        check_weight<Type>(N, C, F, coded, type, type == ATTUNE_NF4 ? "NF4" : "INT8");
      }
    }

    std::vector<Stored> inp = values<Type>(size(N, C), 6), dout = values<Type>(size(N, F), 7);
    std::vector<float> dweight(size(F, C)), dbias(size(F, 1));
    name(Type::kType == ATTUNE_BF16 ? "bf16, gradient of the weight" : "f32, gradient of the weight", N, C, F);
    check([&](Operands operands) {
      float* to = operands.place(dweight);
      float* sums = operands.place(dbias);
      const Stored* gradient = operands.place(dout);
      const Stored* from = operands.place(inp);
      done(linear_bwd_weight(ctx_, to, sums, nullptr, gradient, from, N, C, F, 0, Type::kType));
      Bytes bytes;
      append(bytes, to, dweight.size());
      append(bytes, sums, dbias.size());
      return bytes;
    });
  }

  template <class Type, class Element>
  void check_weight(int64_t N, int64_t C, int64_t F, std::vector<Element>& weight, int32_t weight_type,
                    const char* label) {
    using Stored = typename Type::Stored;
    std::vector<Stored> inp = values<Type>(size(N, C), 8), dout = values<Type>(size(N, F), 9);
    std::vector<Stored> out(size(N, F)), pre(out), dinp(size(N, C)), input_pre = values<Type>(size(N, C), 10);
    std::vector<float> bias = values<F32>(size(F, 1), 11);
    const std::string product = std::string(Type::kType == ATTUNE_BF16 ? "bf16" : "f32") + " with a weight in " + label;

    name((product + ", forward").c_str(), N, C, F);
    check([&](Operands operands) {
      Stored* to = operands.place(out);
      Stored* before = operands.place(pre);
      const Stored* from = operands.place(inp);
      const Element* rows = operands.place(weight);
      const float* added = operands.place(bias);
      done(linear_fwd(ctx_, to, before, from, rows, added, N, C, F, ATTUNE_ACT_RELU, Type::kType, weight_type));
      Bytes bytes;
      append(bytes, to, out.size());
      append(bytes, before, pre.size());
      return bytes;
    });

    name((product + ", gradient of the input").c_str(), N, C, F);
    check([&](Operands operands) {
      Stored* to = operands.place(dinp);
      const Stored* gradient = operands.place(dout);
      const Element* rows = operands.place(weight);
      const Stored* before = operands.place(input_pre);
      done(linear_bwd_input(ctx_, to, nullptr, gradient, rows, before, N, C, F, ATTUNE_ACT_RELU, 0, Type::kType,
                            weight_type));
      Bytes bytes;
      append(bytes, to, dinp.size());
      return bytes;
    });
  }

  const std::string tiles_;
  attune_context* const ctx_;
  struct sigaction before_;
  Edge edges_[kOperands];
  int failures_ = 0;
};

}  // namespace

int check_edges(const std::string& tiles, int32_t isa) {
  Edges edges(tiles, isa);
  edges.check_integers();
  edges.check_products<Bf16>();
  edges.check_products<F32>();
  return edges.failures();
}

}  // namespace attune
