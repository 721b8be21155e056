// Attention of the CUDA kernels, on the emulated device, against its definition and against the CPU kernels.
//   cuda_attention_test CPU_LIBRARY EMULATED_LIBRARY [part of a case's name]
// The definition is computed in double, and again as a plain program of the same precision would, rounding
// every sum to f32 and what is stored or multiplied to the type: a kernel's largest and its root mean square
// error may be twice (gradients: three times) those of the plain program, plus a floor. These are the bounds
// of dev.attune.testkit.ErrorBudget, and the CPU kernels are held to them beside the CUDA kernels. Masks of
// dropout are compared exactly, seen through one-hot values. Every kernel runs twice and must give the same
// bits: the emulated device orders its threads differently each time.
// Prints the failures; the exit status is 1 where there are any.
#include <dlfcn.h>

#include <algorithm>
#include <cmath>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "attune_cuda.h"
#include "caller.h"
#include "cuda_attention_test.h"

namespace {

int failures = 0, comparisons = 0;
std::string running;

__attribute__((format(printf, 1, 2))) void failed(const char* format, ...) {
  if (++failures > 40) return;
  std::printf("FAILED %s: ", running.c_str());
  va_list arguments;
  va_start(arguments, format);
  std::vprintf(format, arguments);
  va_end(arguments);
  std::printf("\n");
}

struct Library {
  attune::Caller<decltype(attune_attention_fwd)> forward;
  attune::Caller<decltype(attune_attention_bwd)> backward;
  attune::Caller<decltype(attune_set_stream_base)> set_stream_base;
  decltype(&attune_last_error) last_error;
  attune_context* ctx;
  const char* name;
};

Library cpu, cuda;
decltype(&attune_cuda_check) cuda_check;

void* symbol(void* handle, const char* name) {
  void* address = dlsym(handle, name);
  if (address == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  return address;
}

void* open_library(const char* path, const char* name, Library* library) {
  void* handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    std::fprintf(stderr, "%s\n", dlerror());
    std::exit(2);
  }
  const auto call = reinterpret_cast<decltype(&attune_call)>(symbol(handle, "attune_call"));
  const auto count = reinterpret_cast<decltype(&attune_op_count)>(symbol(handle, "attune_op_count"));
  const auto name_of = reinterpret_cast<decltype(&attune_op_name)>(symbol(handle, "attune_op_name"));
  library->forward = {call, attune::op_number("attention_fwd", count, name_of)};
  library->backward = {call, attune::op_number("attention_bwd", count, name_of)};
  library->set_stream_base = {call, attune::op_number("set_stream_base", count, name_of)};
  library->last_error = reinterpret_cast<decltype(library->last_error)>(symbol(handle, "attune_last_error"));
  library->name = name;
  return handle;
}

// ---- comparing -----------------------------------------------------------------------------------------

// ErrorBudget.check. Rows before the first sequence belong to nobody: `from` is where the values begin.
void check(const char* library, const char* name, const Values& actual, const Values& exact, const Values& plain,
           double factor, double floor, size_t from) {
  ++comparisons;
  double magnitude = 1, plain_max = 0, plain_squares = 0, worst_error = -1, squares = 0;
  size_t worst = 0;
  for (size_t i = from; i < exact.size(); ++i) {
    if (std::isfinite(exact[i])) {
      magnitude = std::max(magnitude, std::fabs(exact[i]));
      double error = std::fabs(plain[i] - exact[i]);
      if (std::isfinite(error)) {
        plain_max = std::max(plain_max, error);
        plain_squares += error * error;
      }
    }
    double error = std::fabs(actual[i] - exact[i]);
    if (!std::isfinite(exact[i])) {
      error = actual[i] == exact[i] || (std::isnan(actual[i]) && std::isnan(exact[i])) ? 0 : kInfinity;
    } else if (!std::isfinite(actual[i])) {
      error = kInfinity;
    }
    squares += error * error;
    if (error > worst_error) {
      worst_error = error;
      worst = i;
    }
  }
  const double absolute = floor * magnitude, budget = factor * plain_max + absolute;
  if (worst_error > budget) {
    failed("%s %s[%zu of %zu] is %.9g, must be %.9g: error %.3g, budget %.3g", library, name, worst, exact.size(),
           actual[worst], exact[worst], worst_error, budget);
    return;
  }
  const double count = static_cast<double>(exact.size() - from);
  const double rms = std::sqrt(squares / count), rms_budget = factor * std::sqrt(plain_squares / count) + absolute / 8;
  if (count >= 256 && rms > rms_budget)
    failed("%s %s: root mean square error %.3g, budget %.3g", library, name, rms, rms_budget);
}

bool ok(Library& library, attune_status status) {
  if (status == ATTUNE_OK && &library == &cuda) status = cuda_check(cuda.ctx);
  if (status != ATTUNE_OK) failed("%s: %s", library.name, library.last_error());
  return status == ATTUNE_OK;
}

struct Run {
  Memory out, lse;
  Triple gradients;
  Memory dbias;
};

// Forward and backward on one library. Backward gets the exact out and lse, rounded as they are stored.
Run run(Library& library, const Problem& a, int32_t dtype, Triple& inputs, Memory& dout, Memory& out, Memory& lse) {
  Run r{Memory(a, dtype, static_cast<size_t>(a.rows_q() * a.width_q())),
        Memory(a, ATTUNE_F32, static_cast<size_t>(a.H * a.lse_rows())), Triple(a, dtype),
        Memory(a, ATTUNE_F32, a.bias.size())};
  Memory bias_memory(a, ATTUNE_F32, a.bias.size());
  bias_memory.write(a.bias, 1, 1, 0);
  const bool biased = a.reach >= 0;
  const float* bias = biased ? bias_memory.floats() : nullptr;
  float* dbias = biased ? r.dbias.floats() : nullptr;
  const int64_t reach = biased ? a.reach : 0;
  std::vector<int32_t> cu_q = a.offsets(a.queries), cu_k = a.offsets(a.keys);
  const int64_t B = static_cast<int64_t>(a.queries.size());
  ok(library, library.forward(library.ctx, r.out.at(), r.lse.floats(), inputs.q(), inputs.k(), inputs.v(), bias,
                              cu_q.data(), cu_k.data(), a.stride_q(), a.stride_k(), B, kMaxLength, a.H, a.Hkv, a.D,
                              reach, a.the_scale(), a.causal, a.window, a.p, kSeed, kStream, dtype));
  auto backward = [&](Triple& gradients, float* bias_gradient) {
    ok(library, library.backward(library.ctx, gradients.q(), gradients.k(), gradients.v(), bias_gradient, dout.at(),
                                 inputs.q(), inputs.k(), inputs.v(), bias, out.at(), lse.floats(), cu_q.data(),
                                 cu_k.data(), a.stride_q(), a.stride_k(), B, kMaxLength, a.H, a.Hkv, a.D, reach,
                                 a.the_scale(), a.causal, a.window, a.p, kSeed, kStream, dtype));
  };
  r.dbias.write(Values(a.bias.size(), kBiasGradient), 1, 1, 0);
  backward(r.gradients, dbias);
  if (biased) {
    // A frozen bias changes nothing else.
    Triple others(a, dtype);
    backward(others, nullptr);
    if (!(others == r.gradients)) failed("%s: gradients without dbias differ", library.name);
  }
  if (!r.out.guards_intact() || !r.lse.guards_intact() || !r.gradients.guards_intact() || !r.dbias.guards_intact())
    failed("%s wrote outside", library.name);
  return r;
}

template <class Plain>
void test(Problem a, int32_t dtype) {
  std::mt19937 generator(static_cast<unsigned>(std::hash<std::string>()(a.name)));
  std::normal_distribution<double> normal;
  auto draw = [&](int count, double gain) {
    Values out(static_cast<size_t>(count));
    for (double& x : out) x = Plain::stored(normal(generator) * gain);
    return out;
  };
  const Values q = draw(a.rows_q() * a.width_q(), a.gain), k = draw(a.rows_k() * a.width_k(), 1),
               v = draw(a.rows_k() * a.width_k(), 1), dout = draw(a.rows_q() * a.width_q(), 1);
  if (a.reach >= 0) {
    a.bias = Values(static_cast<size_t>(a.H * a.offsets_of_head()));
    for (double& x : a.bias) x = PlainF32::stored(normal(generator));
  }
  const Forward exact = forward<Exact>(a, q, k, v), plain = forward<Plain>(a, q, k, v);
  Forward saved = exact;
  for (double& x : saved.out) x = Plain::stored(x);
  for (double& x : saved.lse) x = PlainF32::f32(x);
  const Backward exact_back = backward<Exact>(a, dout, q, k, v, exact.out, exact.lse);
  const Backward plain_back = backward<Plain>(a, dout, q, k, v, saved.out, saved.lse);

  Triple inputs(a, dtype);
  inputs.write(q, k, v);
  const Triple before = inputs;
  Memory dout_memory(a, dtype, dout.size()), out(a, dtype, dout.size()), lse(a, ATTUNE_F32, exact.lse.size());
  dout_memory.write(dout, a.width_q(), a.width_q(), 0);
  out.write(saved.out, a.width_q(), a.width_q(), 0);
  lse.write(saved.lse, 1, 1, 0);

  const double floor = dtype == ATTUNE_F32 ? 8 * 0x1p-23 : 0x1p-8, lse_floor = dtype == ATTUNE_F32 ? floor : 3e-6;
  const size_t from_q = static_cast<size_t>(a.first_row * a.width_q()),
               from_k = static_cast<size_t>(a.first_row * a.width_k());
  for (Library* library : {&cpu, &cuda}) {
    const Run r = run(*library, a, dtype, inputs, dout_memory, out, lse);
    check(library->name, "out", r.out.read(dout.size(), a.width_q(), a.width_q(), 0), exact.out, plain.out, 2, floor,
          from_q);
    check(library->name, "lse", r.lse.read(exact.lse.size(), 1, 1, 0), exact.lse, plain.lse, 2, lse_floor, 0);
    check(library->name, "dq", r.gradients.values_q(), exact_back.dq, plain_back.dq, 3, floor, from_q);
    check(library->name, "dk", r.gradients.values_k(), exact_back.dk, plain_back.dk, 3, floor, from_k);
    check(library->name, "dv", r.gradients.values_v(), exact_back.dv, plain_back.dv, 3, floor, from_k);
    if (a.reach >= 0) {
      check(library->name, "dbias", r.dbias.read(a.bias.size(), 1, 1, 0), exact_back.dbias, plain_back.dbias, 3, floor,
            0);
    }
    if (library != &cuda) continue;
    const Run again = run(*library, a, dtype, inputs, dout_memory, out, lse);
    if (!(again.out == r.out) || !(again.lse == r.lse) || !(again.gradients == r.gradients) ||
        !(again.dbias == r.dbias))
      failed("not repeatable");
  }
  if (!(inputs == before)) failed("inputs changed");
}

// ---- cases ---------------------------------------------------------------------------------------------

Problem self(const char* name, std::vector<int> lengths, int H, int Hkv, int D, bool causal) {
  Problem a{name, lengths, lengths, H, Hkv, D, causal, 0, 0.0f};
  return a;
}

std::vector<Problem> problems() {
  std::vector<Problem> all;
  auto add = [&](Problem a) -> Problem& {
    all.push_back(std::move(a));
    return all.back();
  };
  // Every padded head size and sizes in between, at lengths around the tiles of that size.
  for (int D : {2, 8, 32, 40, 64, 72, 96, 128, 136, 256}) {
    add(self("head size", {17, 1, 66}, 2, 2, D, false)).packed = true;
    Problem& causal = add(self("head size, causal", {5, 70}, 2, 1, D, true));
    causal.packed = D % 16 == 0;
    Problem& dropped = add(self("head size, dropout", {33, 40}, 2, 2, D, false));
    dropped.p = 0.2f;
    dropped.packed = true;
  }
  for (int T : {1, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 259}) {
    add(self("length", {T}, 1, 1, 32, false));
    add(self("length, causal", {T, 3}, 1, 1, 32, true)).p = T % 2 == 0 ? 0.1f : 0.0f;
  }
  add(self("tile edges", {127, 1, 128, 129}, 1, 1, 64, true));
  add(self("empty sequences", {0, 4, 0, 0, 3, 0}, 2, 2, 32, false));
  add(self("nothing but empty sequences", {0, 0}, 2, 2, 32, false));
  add(self("no sequence", {}, 2, 2, 32, false));
  add(self("many sequences", std::vector<int>(70, 3), 2, 1, 32, true));
  add(self("grouped heads", {70, 9}, 6, 2, 32, true)).packed = true;
  add(self("one key head", {30}, 4, 1, 64, false)).p = 0.1f;
  add(self("grouped heads, large", {75}, 3, 1, 128, true)).p = 0.1f;
  for (bool causal : {false, true}) {
    for (int D : {32, 96}) {
      Problem a = self("queries and keys differ", {3, 20, 1, 5, 0, 70, 130}, 4, 2, D, causal);
      a.keys = {20, 3, 50, 0, 7, 140, 65};
      add(a);
      a.window = 4;
      a.p = 0.2f;
      a.name = "queries and keys differ, window, dropout";
      add(a);
    }
    // One visible key: dP and dot(dout, out) cancel.
    add(self("window", {150, 13}, 1, 1, 16, causal)).window = 1;
    for (int window : {2, 5, 64, 100}) {
      add(self("window", {150, 13}, 1, 1, 32, causal)).window = window;
      add(self("window, bf16 tiles", {300}, 2, 1, 64, causal)).window = window;
      add(self("window, wide heads", {75}, 1, 1, 256, causal)).window = window;
    }
  }
  // Offsets inside the reach, beyond it on both sides, and a row of a single offset.
  for (int D : {8, 32, 40, 64, 96, 128, 256}) {
    for (int reach : {0, 5, 40, 200}) {
      const bool causal = reach == 40;
      Problem& a = add(self("bias", {17, 1, 0, 140}, 4, D == 64 ? 2 : 4, D, causal));
      a.reach = reach;
      a.packed = true;
      a.p = reach == 5 ? 0.2f : 0.0f;
      if (reach == 200) a.window = 30;
    }
  }
  for (bool causal : {false, true}) {
    Problem a = self("bias, queries and keys differ", {3, 20, 1, 5, 0, 70, 130}, 4, 2, 32, causal);
    a.keys = {20, 3, 50, 0, 7, 140, 65};
    a.reach = 30;
    add(a);
    a.window = 9;
    a.p = 0.2f;
    a.misaligned = true;
    a.name = "bias, queries and keys differ, window, dropout";
    add(a);
  }
  add(self("bias, many sequences", std::vector<int>(70, 9), 3, 1, 32, false)).reach = 4;
  add(self("bias, negative scale", {70}, 2, 2, 64, false)).reach = 9;
  all.back().scale = -0.3f;
  for (float p : {0.1f, 0.5f, 0.99f}) add(self("dropout", {150, 7, 49}, 3, 3, 64, true)).p = p;
  for (int D : {32, 40, 128}) {
    Problem& a = add(self("misaligned", {70, 3}, 2, 1, D, true));
    a.misaligned = true;
    a.p = D == 40 ? 0.3f : 0.0f;
    a.packed = D == 32;
  }
  add(self("odd head size", {40, 9}, 3, 3, 37, true)).packed = true;
  add(self("negative scale", {70}, 2, 2, 32, true)).scale = -0.2f;
  add(self("tiny scale", {20}, 2, 2, 32, true)).scale = 1e-38f;
  Problem& behind = add(self("rows before the first", {20, 9}, 2, 2, 32, false));
  behind.first_row = 5;
  behind.p = 0.1f;
  for (Problem& a : all) {
    char text[200];
    std::snprintf(text, sizeof(text), "%s D=%d H=%d/%d causal=%d window=%d p=%g first length %d%s%s", a.name.c_str(),
                  a.D, a.H, a.Hkv, a.causal, a.window, static_cast<double>(a.p), a.queries.empty() ? -1 : a.queries[0],
                  a.packed ? ", packed" : "", a.misaligned ? ", misaligned" : "");
    a.name = text;
  }
  return all;
}

// Which probabilities survive, exactly: with one-hot values out is the dropped row, and with a one-hot dout
// dv is its column. Against the CPU's, for keys up to D.
void masks(int T, int D, int H, int32_t dtype) {
  running = "masks";
  Problem a = self("masks", {5, T}, H, H, D, false);
  a.p = 0.3f;
  const size_t count = static_cast<size_t>(a.rows_q() * a.width_q());
  Values q(count), k(count), identity(count), ones(count, 0.0);
  for (int n = 5; n < 5 + T; ++n) {
    for (int h = 0; h < H; ++h) identity[static_cast<size_t>((n * H + h) * D + n - 5)] = 1;
  }
  for (size_t i = 0; i < count; ++i) q[i] = k[i] = static_cast<double>(i % 5) / 8;
  Triple inputs(a, dtype);
  inputs.write(q, k, identity);
  Memory dout(a, dtype, count), out(a, dtype, count);
  dout.write(identity, a.width_q(), a.width_q(), 0);
  out.write(ones, a.width_q(), a.width_q(), 0);
  Memory lse(a, ATTUNE_F32, static_cast<size_t>(H * a.rows_q()));
  lse.write(forward<Exact>(a, q, k, identity).lse, 1, 1, 0);
  const Run expected = run(cpu, a, dtype, inputs, dout, out, lse), got = run(cuda, a, dtype, inputs, dout, out, lse);
  const Values out_cpu = expected.out.read(count, 1, 1, 0), out_cuda = got.out.read(count, 1, 1, 0);
  const Values dv_cpu = expected.gradients.values_v(), dv_cuda = got.gradients.values_v();
  int dropped = 0;
  for (int row = 5; row < 5 + T; ++row) {
    for (int h = 0; h < H; ++h) {
      for (int j = 0; j < T; ++j) {
        const size_t at = static_cast<size_t>((row * H + h) * D + j),
                     transposed = static_cast<size_t>(((5 + j) * H + h) * D + row - 5);
        const bool kept = a.kept(row, h, j);
        dropped += !kept;
        if ((out_cpu[at] != 0) != kept || (out_cuda[at] != 0) != kept) failed("row %d head %d key %d", row, h, j);
        if ((dv_cpu[transposed] != 0) != kept || (dv_cuda[transposed] != 0) != kept)
          failed("row %d head %d key %d, backward", row, h, j);
      }
    }
  }
  comparisons += 2;
  if (dropped == 0) failed("nothing was dropped");
}

// What is not finite in one sequence, or lies between the rows of a tensor, reaches no other sequence.
void sequences_stay_apart(int D, int32_t dtype) {
  running = "NaN in a neighbouring sequence";
  Problem a = self("", {9, 40, 70}, 1, 1, D, false);
  a.packed = true;
  const size_t count = static_cast<size_t>(a.rows_q() * D);
  Values q(count), k(count), v(count), dout(count);
  std::mt19937 generator(3);
  std::normal_distribution<double> normal;
  for (Values* values : {&q, &k, &v, &dout}) {
    for (double& x : *values) x = normal(generator);
  }
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (size_t i = static_cast<size_t>(9 * D); i < static_cast<size_t>(10 * D); ++i) q[i] = k[i] = v[i] = dout[i] = nan;
  for (size_t i = static_cast<size_t>(48 * D); i < static_cast<size_t>(49 * D); ++i) q[i] = k[i] = v[i] = dout[i] = nan;
  Triple inputs(a, dtype);
  inputs.write(q, k, v);
  Memory dout_memory(a, dtype, count), out(a, dtype, count), lse(a, ATTUNE_F32, static_cast<size_t>(a.rows_q()));
  dout_memory.write(dout, D, D, 0);
  out.write(Values(count, 0.5), D, D, 0);
  lse.write(Values(static_cast<size_t>(a.rows_q()), 4.0), 1, 1, 0);
  const Run r = run(cuda, a, dtype, inputs, dout_memory, out, lse);
  const Values out_values = r.out.read(count, 1, 1, 0), dq = r.gradients.values_q(), dk = r.gradients.values_k(),
               dv = r.gradients.values_v();
  for (size_t i = 0; i < count; ++i) {
    const size_t row = i / static_cast<size_t>(D);
    const bool same_sequence = row >= 9 && row < 49;
    if (std::isnan(out_values[i]) != same_sequence) failed("out of row %zu is %g", row, out_values[i]);
    if (!same_sequence && !(std::isfinite(dq[i]) && std::isfinite(dk[i]) && std::isfinite(dv[i])))
      failed("gradients of row %zu", row);
  }
  for (size_t row = 0; row < static_cast<size_t>(a.rows_q()); ++row) {
    if (std::isnan(r.lse.get(row)) != (row >= 9 && row < 49)) failed("lse of row %zu is %g", row, r.lse.get(row));
  }
  ++comparisons;
}

// The step block's stream_base is added to the stream.
void stream_base() {
  running = "stream base";
  Problem a = self("", {40}, 1, 1, 32, false);
  a.p = 0.5f;
  const size_t count = static_cast<size_t>(a.rows_q() * a.D);
  Triple inputs(a, ATTUNE_BF16);
  inputs.write(Values(count, 0.5), Values(count, 0.25), Values(count, 1.0));
  Memory based(a, ATTUNE_BF16, count), plain(a, ATTUNE_BF16, count), lse(a, ATTUNE_F32, count);
  const int32_t cu[] = {0, 40};
  auto call = [&](Memory& out, int64_t stream) {
    ok(cuda, cuda.forward(cuda.ctx, out.at(), lse.floats(), inputs.q(), inputs.k(), inputs.v(), nullptr, cu, cu, 32, 32,
                          1, 40, 1, 1, 32, 0, 0.1f, 0, 0, 0.5f, kSeed, stream, ATTUNE_BF16));
  };
  call(plain, kStream);
  cuda.set_stream_base(cuda.ctx, 1000);
  call(based, kStream - 1000);
  cuda.set_stream_base(cuda.ctx, 0);
  ++comparisons;
  if (!(based == plain)) failed("differs");
}

// What only the device sees is recorded: sequences that fall.
void refusals() {
  running = "refusals";
  ++comparisons;
  float lse[64] = {};
  std::vector<float> big(4096);
  const int32_t cu[] = {0, 2, 4}, falling[] = {0, 8, 4};
  attune_status status = cuda.forward(cuda.ctx, big.data(), lse, big.data(), big.data(), big.data(), nullptr, falling,
                                      cu, 32, 16, 2, 8, 2, 1, 16, 0, 1, 0, 0, 0, 1, 2, ATTUNE_F32);
  if (status == ATTUNE_OK) status = cuda_check(cuda.ctx);
  if (status != ATTUNE_INVALID_ARGUMENT || std::strstr(cuda.last_error(), "cu_q[2] is 4") == nullptr) {
    failed("expected 'cu_q[2] is 4', got status %d: %s", status, cuda.last_error());
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 3 && count != 4) {
    std::fprintf(stderr, "usage: cuda_attention_test CPU_LIBRARY EMULATED_LIBRARY [part of a case's name]\n");
    return 2;
  }
  void* cpu_handle = open_library(arguments[1], "CPU", &cpu);
  void* cuda_handle = open_library(arguments[2], "CUDA", &cuda);
  cuda_check = reinterpret_cast<decltype(cuda_check)>(symbol(cuda_handle, "attune_cuda_check"));
  cpu.ctx =
      reinterpret_cast<decltype(&attune_context_open)>(symbol(cpu_handle, "attune_context_open"))(1, ATTUNE_ISA_BEST);
  const int64_t bytes =
      reinterpret_cast<decltype(&attune_cuda_workspace_bytes)>(symbol(cuda_handle, "attune_cuda_workspace_bytes"))();
  void* workspace = std::aligned_alloc(256, static_cast<size_t>(bytes));
  // Scratch is garbage at the start of every op.
  std::memset(workspace, 0xFF, size_t{1} << 22);
  cuda.ctx = reinterpret_cast<decltype(&attune_cuda_context_open)>(symbol(cuda_handle, "attune_cuda_context_open"))(
      0, nullptr, workspace, bytes);
  if (cpu.ctx == nullptr || cuda.ctx == nullptr) {
    std::fprintf(stderr, "%s\n", (cpu.ctx == nullptr ? cpu : cuda).last_error());
    return 2;
  }
  const char* part = count == 4 ? arguments[3] : "";
  for (const Problem& a : problems()) {
    for (int32_t dtype : {ATTUNE_F32, ATTUNE_BF16}) {
      running = a.name + (dtype == ATTUNE_F32 ? " f32" : " bf16");
      if (running.find(part) == std::string::npos) continue;
      if (dtype == ATTUNE_F32) {
        test<PlainF32>(a, dtype);
      } else {
        test<PlainBf16>(a, dtype);
      }
    }
  }
  for (int32_t dtype : {ATTUNE_F32, ATTUNE_BF16}) {
    masks(40, 40, 2, dtype);
    masks(100, 128, 1, dtype);
    for (int D : {32, 64, 128}) sequences_stay_apart(D, dtype);
  }
  stream_base();
  refusals();
  std::printf("%d comparisons, %d failures\n", comparisons, failures);
  return failures == 0 ? 0 : 1;
}
