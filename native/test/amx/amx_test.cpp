// Matrix tiles: the numeric rules of a product, by a table and against plain fused multiply-adds, and its sums of
// bytes, on the emulation and on the processor where it has tiles; and the products of a linear layer at every level
// that has tiles: bit for bit the chains of sums that they promise, the same bytes for any number of threads, bytes
// that are known, so that the processor is held to those of the emulation, and no touch past an operand (edges.h).
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "attune_ops.h"
#include "caller.h"
#include "edges.h"
#include "lora.h"
#include "numbers.h"
#include "rules.h"

using attune::ByteProduct;
using attune::TileProduct;

namespace {

int failures = 0;

void expect(bool condition, const std::string& what) {
  if (condition) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

float of_bits(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
uint32_t bits_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

// ---- the rules --------------------------------------------------------------------------------------

typedef void (*Multiply)(TileProduct*);

// c + the sum of a[i] * b[i], elements of the depth; the rest of it is zero.
struct Rule {
  const char* name;
  std::vector<uint16_t> a, b;
  uint32_t c, expected;
};

constexpr uint16_t kOne = 0x3F80, kTwo = 0x4000, kHalf = 0x3F00, kMinusOne = 0xBF80;
constexpr uint16_t kLeast = 0x0080;      // the least normal number
constexpr uint16_t kSubnormal = 0x0001;  // of bf16
constexpr uint16_t kMost = 0x7F7F, kInfinity = 0x7F80, kMinusZero = 0x8000;
constexpr uint16_t kTiny = 0x3380, kMinusTiny = 0xB380;  // 2^-24

const std::vector<Rule>& rules() {
  static const std::vector<Rule> rules = {
      {"a product is added", {kTwo}, {kTwo}, 0x3F800000, 0x40A00000},
      {"a product has all of its 16 bits", {0x3F81}, {0x3F81}, 0, bits_of(1.0078125f * 1.0078125f)},
      {"subnormals of A are zero", {kSubnormal}, {kMost}, 0, 0},
      {"subnormals of B are zero", {kMost}, {kSubnormal}, 0, 0},
      {"a subnormal times infinity is NaN", {kSubnormal}, {kInfinity}, 0, 0x7FC00000},
      {"subnormal sums are zero", {kLeast}, {kHalf}, 0, 0},
      {"and keep no sign of their own beside +0", {0x8080}, {kHalf}, 0, 0},
      {"a subnormal accumulator is zero", {}, {}, 0x007FFFFF, 0},
      {"a negative one as well", {}, {}, 0x807FFFFF, 0},
      {"normal sums remain", {kLeast}, {kOne}, 0, 0x00800000},
      {"a subnormal operand between normal ones is lost", {kLeast, 0, 0x8040, 0}, {kOne, 0, kOne, 0}, 0, 0x00800000},
      {"steps that leave less than a normal number end at zero", {0x0081, 0, 0x8080, 0}, {kOne, 0, kOne, 0}, 0, 0},
      {"overflow is infinity", {kMost}, {kTwo}, 0, 0x7F800000},
      {"overflow of one step is not undone by the next", {kMost, 0, 0xFF7F, 0}, {kTwo, 0, kTwo, 0}, 0, 0x7F800000},
      {"a product beyond f32 may leave a sum within", {kMost, 0, kMost, 0}, {kOne, 0, 0xC000, 0}, 0, 0xFF7F0000},
      {"infinities of both signs are NaN", {kInfinity, kInfinity}, {kOne, kMinusOne}, 0, 0xFFC00000},
      {"-0 times 1 plus +0 is +0", {kMinusZero}, {kOne}, 0, 0},
      {"-0 in the accumulator meets +0 of the chains", {}, {}, 0x80000000, 0},
      // 1 + 2^-24 is a tie, to even: 1. The chains are two, so that their sums meet late.
      {"a step rounds to nearest even", {kOne, 0, kTiny, 0}, {kOne, 0, kOne, 0}, 0, 0x3F800000},
      {"each step of a chain rounds", {kOne, 0, kTiny, 0, kTiny, 0}, {kOne, 0, kOne, 0, kOne, 0}, 0, 0x3F800000},
      {"even and odd are chains of their own", {kOne, kTiny, 0, kTiny}, {kOne, kOne, 0, kOne}, 0, 0x3F800001},
      {"the order rises", {kTiny, 0, kTiny, 0, kOne, 0}, {kOne, 0, kOne, 0, kOne, 0}, 0, 0x3F800001},
      {"the accumulator comes last", {kTiny, 0, kTiny, 0}, {kOne, 0, kOne, 0}, 0x3F800000, 0x3F800001},
      {"a difference is exact", {kOne, 0, kMinusOne, 0}, {kOne, 0, kOne, 0}, 0x33800000, 0x33800000},
      {"a step fuses", {0x3F81, 0, 0xBF82, 0}, {0x3F81, 0, kOne, 0}, 0, bits_of(1.0078125f * 1.0078125f - 1.015625f)},
      {"negative ties go to even as well", {kMinusOne, 0, kMinusTiny, 0}, {kOne, 0, kOne, 0}, 0, 0xBF800000},
  };
  return rules;
}

bool is_nan(uint32_t bits) { return (bits & 0x7FFFFFFFu) > 0x7F800000u; }
bool same(uint32_t x, uint32_t y) { return x == y || (is_nan(x) && is_nan(y)); }

void check_table(const std::string& tiles, Multiply multiply) {
  for (const Rule& rule : rules()) {
    // Everywhere in the tile, so that no place of it has rules of its own.
    TileProduct product = {};
    for (int m = 0; m < 16; ++m) {
      for (size_t i = 0; i < rule.a.size(); ++i) {
        product.a[m][i] = rule.a[i];
        product.b[i / 2][2 * m + static_cast<int>(i % 2)] = rule.b[i];
      }
      for (int n = 0; n < 16; ++n) product.c[m][n] = rule.c;
    }
    multiply(&product);
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        if (same(product.c[m][n], rule.expected)) continue;
        char text[200];
        std::snprintf(text, sizeof(text), "%s tiles, %s: row %d column %d is %08x, not %08x", tiles.c_str(), rule.name,
                      m, n, product.c[m][n], rule.expected);
        expect(false, text);
        m = n = 16;
      }
    }
  }
}

float flushed(float x) { return std::fabs(x) < 1.17549435e-38f ? std::copysign(0.0f, x) : x; }
float operand(uint16_t bits) { return flushed(of_bits(uint32_t{bits} << 16)); }

// The rules with std::fma, which rounds once by definition.
void multiply_plainly(TileProduct* product) {
  const TileProduct from = *product;
  for (int m = 0; m < 16; ++m) {
    for (int n = 0; n < 16; ++n) {
      float even = 0, odd = 0;
      for (int k = 0; k < 16; ++k) {
        even = flushed(std::fma(operand(from.a[m][2 * k]), operand(from.b[k][2 * n]), even));
        odd = flushed(std::fma(operand(from.a[m][2 * k + 1]), operand(from.b[k][2 * n + 1]), odd));
      }
      product->c[m][n] = bits_of(flushed(flushed(of_bits(from.c[m][n])) + flushed(even + odd)));
    }
  }
}

// Random operands of several kinds: ordinary, anything, near the least normal number, near overflow, many zeros.
void check_random(const std::string& tiles, Multiply multiply) {
  std::mt19937 random(7);
  const auto bf16 = [&](int kind) -> uint16_t {
    const uint32_t r = random(), sign_and_fraction = r & 0x807Fu, spread = r >> 20;
    switch (kind) {
      case 0: return static_cast<uint16_t>(sign_and_fraction | (spread % 8 + 123) << 7);
      case 1: return static_cast<uint16_t>(r);
      case 2: return static_cast<uint16_t>(sign_and_fraction | (spread % 12 + 58) << 7);
      case 3: return static_cast<uint16_t>(sign_and_fraction | (spread % 20 + 180) << 7);
      case 4: return static_cast<uint16_t>(sign_and_fraction);
      default: return static_cast<uint16_t>(r % 2 == 0 ? r & 0x8000u : sign_and_fraction | 0x3F80u);
    }
  };
  int wrong = 0;
  for (int kind = 0; kind < 6; ++kind) {
    for (int repeat = 0; repeat < 30; ++repeat) {
      TileProduct product, plain;
      for (auto& row : product.a) {
        for (auto& value : row) value = bf16(kind);
      }
      for (auto& row : product.b) {
        for (auto& value : row) value = bf16(repeat % 3 == 0 ? 0 : kind);
      }
      for (auto& row : product.c) {
        for (auto& value : row) {
          value = random();
          if (repeat % 2 == 0) value &= 0x80FFFFFFu;
        }
      }
      plain = product;
      multiply(&product);
      multiply_plainly(&plain);
      for (int i = 0; i < 256; ++i) {
        if (!same(product.c[i / 16][i % 16], plain.c[i / 16][i % 16])) ++wrong;
      }
    }
  }
  expect(wrong == 0, tiles + " tiles: " + std::to_string(wrong) + " of 46080 results are not those of the rules");
}

// Sums of bytes are exact, modulo 2^32: among them the least byte, whose negative is none.
void check_bytes(const std::string& tiles, void (*multiply)(ByteProduct*)) {
  std::mt19937 random(8);
  int wrong = 0;
  for (int repeat = 0; repeat < 30; ++repeat) {
    ByteProduct product;
    const auto byte = [&] { return repeat == 0 ? int8_t{-128} : static_cast<int8_t>(random()); };
    for (auto& row : product.a) {
      for (auto& value : row) value = byte();
    }
    for (auto& row : product.b) {
      for (auto& value : row) value = byte();
    }
    for (auto& row : product.c) {
      for (auto& value : row) value = repeat == 0 ? 0x7FFFFFFFu : random();
    }
    const ByteProduct from = product;
    multiply(&product);
    for (int m = 0; m < 16; ++m) {
      for (int n = 0; n < 16; ++n) {
        uint32_t sum = from.c[m][n];
        for (int k = 0; k < 64; ++k) sum += static_cast<uint32_t>(from.a[m][k] * from.b[k / 4][4 * n + k % 4]);
        wrong += product.c[m][n] != sum;
      }
    }
  }
  expect(wrong == 0, tiles + " tiles: " + std::to_string(wrong) + " of 7680 sums of bytes are wrong");
}

// ---- the products of a linear layer -----------------------------------------------------------------

const auto linear_fwd = attune::linked<decltype(attune_linear_fwd)>("linear_fwd");
const auto linear_bwd_input = attune::linked<decltype(attune_linear_bwd_input)>("linear_bwd_input");
const auto linear_bwd_weight = attune::linked<decltype(attune_linear_bwd_weight)>("linear_bwd_weight");

// Sizes around those of tiles, blocks and groups; the last ones have several blocks of the depth, rows of whole pages,
// several tasks in each direction.
struct Shape {
  int64_t N, C, F;
  uint64_t bf16_hash, f32_hash;  // of all results; 0: not run, where few rows of f32 are no work for tiles
};
const Shape kShapes[] = {
#include "hashes.inc"
};

// A type of activations. Values to test with are fractions of integers: the same numbers everywhere.
struct Bf16 {
  using Stored = uint16_t;
  static constexpr int32_t kType = ATTUNE_BF16;
  static constexpr int kRange = 255;
  static constexpr float kUnit = 1 / 64.0f;  // all are exact in bf16
  // The products of parts of an element, in their order.
  static constexpr int kParts[][2] = {{0, 0}};
  static uint64_t hash(const Shape& shape) { return shape.bf16_hash; }
  static Stored stored(float value);
  static float value(Stored stored) { return of_bits(uint32_t{stored} << 16); }
};
struct F32 {
  using Stored = float;
  static constexpr int32_t kType = ATTUNE_F32;
  static constexpr int kRange = 16777215;  // all 24 bits of the fraction
  static constexpr float kUnit = 1 / 4194304.0f;
  static constexpr int kParts[][2] = {{2, 0}, {1, 0}, {1, 1}, {0, 1}, {0, 2}, {0, 0}};
  static uint64_t hash(const Shape& shape) { return shape.f32_hash; }
  static Stored stored(float value) { return value; }
  static float value(Stored stored) { return stored; }
};

uint16_t to_bf16(float value) {
  const uint32_t bits = bits_of(value);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}
uint16_t Bf16::stored(float value) { return to_bf16(value); }

template <class Type>
std::vector<typename Type::Stored> values(int64_t count, uint32_t seed) {
  std::vector<typename Type::Stored> out;
  for (float value : attune::fractions(count, seed, Type::kRange, Type::kUnit)) out.push_back(Type::stored(value));
  return out;
}
std::vector<float> weight_values(int64_t count, uint32_t seed) {
  return attune::fractions(count, seed, 65535, 1 / 262144.0f);
}

// Element (row, k) of the left operand and (k, column) of the right one.
using Element = std::function<float(int64_t, int64_t)>;

// A part of a value: the first is rounded, ties away from zero, the others are cut off what is left.
template <class Type>
float part_of(float value, int part) {
  if (Type::kType == ATTUNE_BF16) return operand(to_bf16(value));
  for (int i = 0;; ++i) {
    const float bits = of_bits((bits_of(value) + (i == 0 ? 0x8000u : 0u)) & 0xFFFF0000u);
    if (i == part) return flushed(bits);
    value -= bits;
  }
}

// One element of a product as tiles sum it: steps of 32 of the depth begin..end. Pairs are neighbours, or, in parts,
// the halves of a step.
template <class Type>
float chain(const Element& a, const Element& b, int64_t row, int64_t column, int64_t begin, int64_t end) {
  float sum = 0;
  for (int64_t first = begin; first < end; first += 32) {
    for (const auto& parts : Type::kParts) {
      float chains[2] = {0, 0};
      for (int64_t k = first; k < std::min(first + 32, end); ++k) {
        float& half = chains[Type::kType == ATTUNE_BF16 ? (k - first) % 2 : (k - first) / 16];
        half = flushed(std::fma(part_of<Type>(a(row, k), parts[0]), part_of<Type>(b(k, column), parts[1]), half));
      }
      sum = flushed(sum + flushed(chains[0] + chains[1]));
    }
  }
  return sum;
}

// The products of a layer and what they are made of. No transcendental function among the activations: their last bits
// differ between the levels that the emulation is compiled for.
template <class Type>
struct Layer {
  using Stored = typename Type::Stored;

  int64_t N, C, F;
  std::vector<Stored> inp, dout, input_pre;
  std::vector<uint16_t> narrow;
  std::vector<float> weight, bias;
  std::vector<Stored> out, pre, plain_out, dinp, act, dinp_twice;
  std::vector<float> dweight, dbias, dweight_twice, dbias_twice;
  double squares = 0, squares_twice = 0;

  explicit Layer(const Shape& shape)
      : N(shape.N),
        C(shape.C),
        F(shape.F),
        inp(values<Type>(N * C, 1)),
        dout(values<Type>(N * F, 2)),
        input_pre(values<Type>(N * C, 3)),
        narrow(values<Bf16>(F * C, 6)),
        weight(weight_values(F * C, 4)),
        bias(weight_values(F, 5)),
        out(static_cast<size_t>(N * F)),
        pre(out),
        plain_out(out),
        dinp(static_cast<size_t>(N * C)),
        act(dinp),
        dweight(static_cast<size_t>(F * C)),
        dbias(static_cast<size_t>(F)) {}

  void run(attune_context* ctx) {
    constexpr int32_t type = Type::kType;
    const auto done = [](attune_status status) { expect(status == ATTUNE_OK, attune_last_error()); };
    done(linear_fwd(ctx, out.data(), pre.data(), inp.data(), weight.data(), bias.data(), N, C, F, ATTUNE_ACT_RELU, type,
                    ATTUNE_F32));
    done(linear_fwd(ctx, plain_out.data(), nullptr, inp.data(), narrow.data(), nullptr, N, C, F, ATTUNE_ACT_NONE, type,
                    ATTUNE_BF16));
    done(linear_bwd_input(ctx, dinp.data(), act.data(), dout.data(), weight.data(), input_pre.data(), N, C, F,
                          ATTUNE_ACT_RELU, 0, type, ATTUNE_F32));
    dinp_twice = dinp;
    done(linear_bwd_input(ctx, dinp_twice.data(), nullptr, dout.data(), narrow.data(), nullptr, N, C, F,
                          ATTUNE_ACT_NONE, 1, type, ATTUNE_BF16));
    done(linear_bwd_weight(ctx, dweight.data(), dbias.data(), &squares, dout.data(), inp.data(), N, C, F, 0, type));
    dweight_twice = dweight, dbias_twice = dbias;
    done(linear_bwd_weight(ctx, dweight_twice.data(), dbias_twice.data(), &squares_twice, dout.data(), inp.data(), N, C,
                           F, 1, type));
  }

  uint64_t hash() const {
    attune::Hash hash;
    for (const auto* values : {&out, &pre, &plain_out, &dinp, &act, &dinp_twice}) hash.add(*values);
    for (const auto* values : {&dweight, &dbias, &dweight_twice, &dbias_twice}) hash.add(*values);
    return hash.value();
  }

  // Whether the squares are those of the gradients as they were stored.
  bool squares_fit() const {
    const auto fit = [](double sum, const std::vector<float>& stored) {
      double expected = 0;
      for (float value : stored) expected += static_cast<double>(value) * static_cast<double>(value);
      return std::fabs(sum - expected) <= 1e-12 * expected;
    };
    return fit(squares, dweight) && fit(squares_twice, dweight_twice);
  }

  // How many elements are not the chains of sums that they should be.
  int64_t wrong() const {
    const auto at = [](const auto& values, int64_t row, int64_t width, int64_t column) {
      return values[static_cast<size_t>(row * width + column)];
    };
    const auto is = [](Stored stored, float expected) { return bits_of(Type::value(stored)) == bits_of(expected); };
    const auto rounded = [](float value) { return Type::value(Type::stored(value)); };
    const Element inputs = [&](int64_t n, int64_t c) { return Type::value(at(inp, n, C, c)); };
    const Element gradients = [&](int64_t n, int64_t f) { return Type::value(at(dout, n, F, f)); };
    int64_t wrong = 0;
    for (int64_t n = 0; n < N; ++n) {
      for (int64_t f = 0; f < F; ++f) {
        const auto wide = [&](int64_t c, int64_t column) { return at(weight, column, C, c); };
        const float expected = rounded(chain<Type>(inputs, wide, n, f, 0, C) + bias[static_cast<size_t>(f)]);
        wrong += !is(at(pre, n, F, f), expected);
        wrong += !is(at(out, n, F, f), expected > 0 ? expected : 0.0f);
        const auto narrowed = [&](int64_t c, int64_t column) { return Bf16::value(at(narrow, column, C, c)); };
        wrong += !is(at(plain_out, n, F, f), rounded(chain<Type>(inputs, narrowed, n, f, 0, C)));
      }
      for (int64_t c = 0; c < C; ++c) {
        const float before = Type::value(at(input_pre, n, C, c));
        const auto wide = [&](int64_t f, int64_t column) { return at(weight, f, C, column); };
        const float gradient = chain<Type>(gradients, wide, n, c, 0, F);
        wrong += !is(at(act, n, C, c), before > 0 ? before : 0.0f);
        wrong += !is(at(dinp, n, C, c), rounded(gradient * (before > 0 ? 1.0f : 0.0f)));
        const auto narrowed = [&](int64_t f, int64_t column) { return Bf16::value(at(narrow, f, C, column)); };
        const float once = Type::value(at(dinp, n, C, c));
        wrong += !is(at(dinp_twice, n, C, c), rounded(chain<Type>(gradients, narrowed, n, c, 0, F) + once));
      }
    }
    // Equal blocks of rows, at most 32 steps each.
    const int64_t steps = (N + 31) / 32, blocks = (steps + 31) / 32, block = 32 * ((steps + blocks - 1) / blocks);
    const Element transposed = [&](int64_t f, int64_t n) { return Type::value(at(dout, n, F, f)); };
    const auto is_sum = [&](int64_t f, int64_t c, const Element& factors, float first, float second) {
      float once = 0, twice = first;
      for (int64_t n = 0; n < N; n += block) {
        const float sum = chain<Type>(transposed, factors, f, c, n, std::min(n + block, N));
        once = n == 0 ? sum : once + sum;
        twice += sum;
      }
      return bits_of(first) == bits_of(once) && bits_of(second) == bits_of(twice);
    };
    const Element ones = [](int64_t, int64_t) { return 1.0f; };
    for (int64_t f = 0; f < F; ++f) {
      for (int64_t c = 0; c < C; ++c) {
        wrong += !is_sum(f, c, inputs, at(dweight, f, C, c), at(dweight_twice, f, C, c));
      }
      wrong += !is_sum(f, 0, ones, at(dbias, 0, F, f), at(dbias_twice, 0, F, f));
    }
    return wrong;
  }
};

template <class Type>
void check_products(const std::string& tiles, int32_t isa) {
  for (const Shape& shape : kShapes) {
    const uint64_t expected = Type::hash(shape);
    if (expected == 0) continue;
    for (int threads : {1, 3}) {
      attune_context* ctx = attune_context_open(threads, isa);
      Layer<Type> layer(shape);
      layer.run(ctx);
      attune_context_close(ctx);
      char text[200];
      std::snprintf(text, sizeof(text), "%s tiles, %s, %d threads, {%lld, %lld, %lld}: hash 0x%016llx", tiles.c_str(),
                    Type::kType == ATTUNE_BF16 ? "bf16" : "f32", threads, static_cast<long long>(shape.N),
                    static_cast<long long>(shape.C), static_cast<long long>(shape.F),
                    static_cast<unsigned long long>(layer.hash()));
      expect(layer.hash() == expected, text);
      expect(layer.squares_fit(), text + std::string(": the squares are not those of the gradients"));
      constexpr int64_t kMost = 6000000;  // multiply-adds that are worth to be done one by one
      constexpr int64_t kProducts = std::size(Type::kParts);
      if (threads == 1 && shape.N * shape.C * shape.F * kProducts < kMost) {
        const int64_t wrong = layer.wrong();
        expect(wrong == 0, text + (": " + std::to_string(wrong)) + " elements are not the sums of their chains");
      }
    }
  }
}

void check_products(const std::string& tiles, int32_t isa) {
  failures += attune::check_edges(tiles, isa);
  failures += attune::check_lora(tiles, isa);
  check_products<Bf16>(tiles, isa);
  check_products<F32>(tiles, isa);
}

bool runs(int32_t isa) {
  attune_context* ctx = attune_context_open(1, isa);
  if (ctx == nullptr) {
    std::printf("amx: level %d is not tested: %s\n", isa, attune_last_error());
    return false;
  }
  attune_context_close(ctx);
  return true;
}

}  // namespace

int main() {
  check_table("emulated", &attune::emulated::multiply);
  check_random("emulated", &attune::emulated::multiply);
  check_bytes("emulated", &attune::emulated::multiply_bytes);
  if (runs(ATTUNE_ISA_AMX_EMULATED)) check_products("emulated", ATTUNE_ISA_AMX_EMULATED);
  // Opening the level asks the system for the tiles.
  if (runs(ATTUNE_ISA_AMX)) {
#if defined(ATTUNE_HAVE_amx)
    check_table("the processor's", &attune::hardware::multiply);
    check_random("the processor's", &attune::hardware::multiply);
    check_bytes("the processor's", &attune::hardware::multiply_bytes);
#endif
    check_products("the processor's", ATTUNE_ISA_AMX);
  }
  if (failures == 0) std::printf("amx: all checks passed\n");
  return failures == 0 ? 0 : 1;
}
