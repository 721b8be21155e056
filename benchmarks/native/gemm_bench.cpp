// Speed of the three products of a linear layer, as GFLOP/s and as a share of what the machine's
// multiply instructions reach on registers alone (matrix tiles at the level amx), measured in turns in the same run (a
// shared machine is never the same twice).
//
//   gemm_bench [threads] [rounds] [isa] [rows] [filter]
//
// One line per shape, product and type: median and best of the time per call over the rounds. Times are
// wall time; with one thread they are CPU time of the calling thread, which ignores other processes.
// ATTUNE_BENCH_ONEDNN adds oneDNN, with its weights in the layout that it likes best, both including
// the reorder from the f32 master weights of each call ("onednn+reorder") and without it.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <time.h>

#include "attune_ops.h"
#include "caller.h"

#if defined(ATTUNE_BENCH_ONEDNN)
#include <dnnl.hpp>
#endif

namespace {

const auto linear_fwd = attune::linked<decltype(attune_linear_fwd)>("linear_fwd");
const auto linear_bwd_input = attune::linked<decltype(attune_linear_bwd_input)>("linear_bwd_input");
const auto linear_bwd_weight = attune::linked<decltype(attune_linear_bwd_weight)>("linear_bwd_weight");

int threads = 2;

double now() {
  timespec t;
  clock_gettime(threads == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return static_cast<double>(t.tv_sec) + 1e-9 * static_cast<double>(t.tv_nsec);
}

// ---- the peak ------------------------------------------------------------------------------------------

// Rounds that take about as long as a product, and the operations in them.
struct Peak {
  int64_t steps;
  double flops;
};
Peak peak_of(attune_context* ctx, int dtype) {
  for (int64_t steps = 1000;; steps *= 2) {
    const double begin = now(), flops = attune_context_peak(ctx, steps, dtype);
    if (now() - begin > 1e-3) return {steps, flops};
  }
}

// ---- contenders ----------------------------------------------------------------------------------------

struct Contender {
  std::string name;
  double flops;
  std::function<void()> call;
  std::vector<double> seconds{};
};

double quantile(std::vector<double> values, double q) {
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(q * static_cast<double>(values.size() - 1) + 0.5)];
}

uint16_t to_bf16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

struct Tensor {
  int64_t bytes;
  char* data;
  Tensor(int64_t count, int dtype, float scale) : bytes(count * (dtype == ATTUNE_BF16 ? 2 : 4)) {
    data = reinterpret_cast<char*>(attune_buffer_alloc(bytes, 1));
    if (data == nullptr) std::exit(1);
    std::minstd_rand random(static_cast<unsigned>(count) + 1u);
    std::uniform_real_distribution<float> uniform(-scale, scale);
    for (int64_t i = 0; i < count; ++i) {
      float value = uniform(random);
      if (dtype == ATTUNE_BF16)
        reinterpret_cast<uint16_t*>(data)[i] = to_bf16(value);
      else
        reinterpret_cast<float*>(data)[i] = value;
    }
  }
  ~Tensor() { attune_buffer_free(reinterpret_cast<int64_t>(data), bytes); }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  float* f32() const { return reinterpret_cast<float*>(data); }
};

#if defined(ATTUNE_BENCH_ONEDNN)
// One oneDNN matmul (rows, depth) x (depth, columns), prepared once; run(true) reorders the weights first.
class Onednn {
  using dim = dnnl::memory::dim;
  using type = dnnl::memory::data_type;

 public:
  Onednn(dnnl::engine engine, const void* src, dnnl::memory::desc src_desc, const void* weight,
         dnnl::memory::desc weight_desc, const float* bias, void* dst, dnnl::memory::desc dst_desc, bool gelu)
      : stream_(engine), plain_(weight_desc, engine, const_cast<void*>(weight)) {
    const dim columns = dst_desc.get_dims()[1];
    dnnl::primitive_attr attributes;
    if (gelu) {
      dnnl::post_ops ops;
      ops.append_eltwise(dnnl::algorithm::eltwise_gelu_erf, 0.0f, 0.0f);
      attributes.set_post_ops(ops);
    }
    dnnl::memory::desc any(weight_desc.get_dims(), src_desc.get_data_type(), dnnl::memory::format_tag::any);
    dnnl::memory::desc bias_desc({1, columns}, type::f32, dnnl::memory::format_tag::ab);
    auto description = bias != nullptr
                           ? dnnl::matmul::primitive_desc(engine, src_desc, any, bias_desc, dst_desc, attributes)
                           : dnnl::matmul::primitive_desc(engine, src_desc, any, dst_desc, attributes);
    packed_ = dnnl::memory(description.weights_desc(), engine);
    reorder_ = dnnl::reorder(plain_, packed_);
    matmul_ = dnnl::matmul(description);
    arguments_ = {{DNNL_ARG_SRC, dnnl::memory(src_desc, engine, const_cast<void*>(src))},
                  {DNNL_ARG_WEIGHTS, packed_},
                  {DNNL_ARG_DST, dnnl::memory(dst_desc, engine, dst)}};
    if (bias != nullptr) arguments_[DNNL_ARG_BIAS] = dnnl::memory(bias_desc, engine, const_cast<float*>(bias));
    run(true);
  }
  void run(bool reorder) {
    if (reorder) reorder_.execute(stream_, plain_, packed_);
    matmul_.execute(stream_, arguments_);
    stream_.wait();
  }

 private:
  dnnl::stream stream_;
  dnnl::memory plain_, packed_;
  dnnl::reorder reorder_;
  dnnl::matmul matmul_;
  std::unordered_map<int, dnnl::memory> arguments_;
};

// Gradient of weight and bias as inner_product, the result reordered to the plain layout.
class OnednnWeight {
 public:
  OnednnWeight(dnnl::engine engine, const void* inp, const void* dout, float* dweight, float* dbias, int64_t N,
               int64_t C, int64_t F, dnnl::memory::data_type type)
      : stream_(engine) {
    using tag = dnnl::memory::format_tag;
    using data = dnnl::memory::data_type;
    dnnl::memory::desc inp_desc({N, C}, type, tag::ab), dout_desc({N, F}, type, tag::ab);
    dnnl::memory::desc any({F, C}, data::f32, tag::any), plain({F, C}, data::f32, tag::ab);
    dnnl::memory::desc forward_any({F, C}, type, tag::any), bias({F}, data::f32, tag::a);
    dnnl::inner_product_forward::primitive_desc hint(engine, dnnl::prop_kind::forward_training, inp_desc, forward_any,
                                                     bias, dout_desc);
    dnnl::inner_product_backward_weights::primitive_desc description(engine, inp_desc, any, bias, dout_desc, hint);
    plain_ = dnnl::memory(plain, engine, dweight);
    same_ = description.diff_weights_desc() == plain;
    packed_ = same_ ? plain_ : dnnl::memory(description.diff_weights_desc(), engine);
    reorder_ = dnnl::reorder(packed_, plain_);
    product_ = dnnl::inner_product_backward_weights(description);
    arguments_ = {{DNNL_ARG_SRC, dnnl::memory(inp_desc, engine, const_cast<void*>(inp))},
                  {DNNL_ARG_DIFF_DST, dnnl::memory(dout_desc, engine, const_cast<void*>(dout))},
                  {DNNL_ARG_DIFF_WEIGHTS, packed_},
                  {DNNL_ARG_DIFF_BIAS, dnnl::memory(bias, engine, dbias)}};
  }
  void run() {
    product_.execute(stream_, arguments_);
    if (!same_) reorder_.execute(stream_, packed_, plain_);
    stream_.wait();
  }

 private:
  dnnl::stream stream_;
  dnnl::memory plain_, packed_;
  dnnl::reorder reorder_;
  dnnl::inner_product_backward_weights product_;
  std::unordered_map<int, dnnl::memory> arguments_;
  bool same_ = false;
};
#endif

struct Shape {
  const char* name;
  int64_t C, F;
  int activation;  // of forward; and of bwd_input where it is the layer that follows the activation
  bool activated_input;
};

}  // namespace

int main(int argc, char** argv) {
  threads = argc > 1 ? std::atoi(argv[1]) : 2;
  const int rounds = argc > 2 ? std::atoi(argv[2]) : 30;
  attune_context* ctx = attune_context_open(threads, argc > 3 ? std::atoi(argv[3]) : ATTUNE_ISA_BEST);
  if (ctx == nullptr) {
    std::fprintf(stderr, "%s\n", attune_last_error());
    return 1;
  }
  const int64_t N = argc > 4 ? std::atoll(argv[4]) : 800;
  const std::string filter = argc > 5 ? argv[5] : "";
  const int isa = attune_context_isa(ctx);

  const Shape shapes[] = {
      {"minilm qkv", 384, 1152, ATTUNE_ACT_NONE, false}, {"minilm out", 384, 384, ATTUNE_ACT_NONE, false},
      {"minilm up", 384, 1536, ATTUNE_ACT_GELU, false},  {"minilm down", 1536, 384, ATTUNE_ACT_NONE, true},
      {"bert qkv", 768, 2304, ATTUNE_ACT_NONE, false},   {"bert out", 768, 768, ATTUNE_ACT_NONE, false},
      {"bert up", 768, 3072, ATTUNE_ACT_GELU, false},    {"bert down", 3072, 768, ATTUNE_ACT_NONE, true},
  };
#if defined(ATTUNE_BENCH_ONEDNN)
  dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  dnnl_set_primitive_cache_capacity(0);
#endif
  std::printf("N=%lld threads=%d isa=%d rounds=%d\n", static_cast<long long>(N), threads, isa, rounds);
  std::printf("%-12s %-10s %-4s %-15s %9s %9s %9s %7s %7s\n", "shape", "product", "type", "contender", "p50 us",
              "GFLOP/s", "peak", "p50 %", "best %");
  for (int dtype : {ATTUNE_BF16, ATTUNE_F32}) {
    const Peak peak = peak_of(ctx, dtype);
    for (const Shape& shape : shapes) {
      const int64_t C = shape.C, F = shape.F;
      const double flops = 2.0 * static_cast<double>(N) * static_cast<double>(C) * static_cast<double>(F);
      Tensor inp(N * C, dtype, 1), weight(F * C, ATTUNE_F32, 0.05f), bias(F, ATTUNE_F32, 1), out(N * F, dtype, 1);
      Tensor pre(N * F, dtype, 1), input_pre(N * C, dtype, 2), dinp(N * C, dtype, 1), activated(N * C, dtype, 1);
      Tensor dweight(F * C, ATTUNE_F32, 1), dbias(F, ATTUNE_F32, 1);
      for (const char* product : {"fwd", "bwd_input", "bwd_weight"}) {
        const std::string label = std::string(shape.name) + " " + product + (dtype == ATTUNE_BF16 ? " bf16" : " f32");
        if (label.find(filter) == std::string::npos) continue;
        std::vector<Contender> contenders;
        contenders.push_back({"peak", peak.flops, [&] { attune_context_peak(ctx, peak.steps, dtype); }});
        const std::string kind = product;
        if (kind == "fwd") {
          contenders.push_back({"attune", flops, [&] {
                                  linear_fwd(ctx, out.data, shape.activation != ATTUNE_ACT_NONE ? pre.data : nullptr,
                                             inp.data, weight.data, bias.f32(), N, C, F, shape.activation, dtype,
                                             ATTUNE_F32);
                                }});
        } else if (kind == "bwd_input") {
          contenders.push_back({"attune", flops, [&] {
                                  linear_bwd_input(
                                      ctx, dinp.data, shape.activated_input ? activated.data : nullptr, out.data,
                                      weight.data, shape.activated_input ? input_pre.data : nullptr, N, C, F,
                                      shape.activated_input ? ATTUNE_ACT_GELU : ATTUNE_ACT_NONE, 0, dtype, ATTUNE_F32);
                                }});
        } else {
          contenders.push_back({"attune", flops, [&] {
                                  linear_bwd_weight(ctx, dweight.f32(), dbias.f32(), nullptr, out.data, inp.data, N, C,
                                                    F, 0, dtype);
                                }});
        }
#if defined(ATTUNE_BENCH_ONEDNN)
        using tag = dnnl::memory::format_tag;
        using desc = dnnl::memory::desc;
        const auto type = dtype == ATTUNE_BF16 ? dnnl::memory::data_type::bf16 : dnnl::memory::data_type::f32;
        const auto f32 = dnnl::memory::data_type::f32;
        std::vector<std::shared_ptr<Onednn>> products;
        std::shared_ptr<OnednnWeight> weight_product;
        if (kind == "fwd") {
          products.push_back(std::make_shared<Onednn>(
              engine, inp.data, desc({N, C}, type, tag::ab), weight.data, desc({C, F}, f32, tag::ba), bias.f32(),
              out.data, desc({N, F}, type, tag::ab), shape.activation == ATTUNE_ACT_GELU));
        } else if (kind == "bwd_input") {
          products.push_back(std::make_shared<Onednn>(engine, out.data, desc({N, F}, type, tag::ab), weight.data,
                                                      desc({F, C}, f32, tag::ab), nullptr, dinp.data,
                                                      desc({N, C}, type, tag::ab), false));
        } else {
          products.push_back(std::make_shared<Onednn>(engine, out.data, desc({F, N}, type, tag::ba), inp.data,
                                                      desc({N, C}, type, tag::ab), nullptr, dweight.data,
                                                      desc({F, C}, f32, tag::ab), false));
          weight_product =
              std::make_shared<OnednnWeight>(engine, inp.data, out.data, dweight.f32(), dbias.f32(), N, C, F, type);
          contenders.push_back({"onednn ip", flops, [&] { weight_product->run(); }});
        }
        contenders.push_back({"onednn+reorder", flops, [&] { products[0]->run(true); }});
        contenders.push_back({"onednn", flops, [&] { products[0]->run(false); }});
#endif
        for (int round = 0; round < rounds; ++round) {
          for (Contender& contender : contenders) {
            // The first call wakes the threads and brings back the caches that the others emptied.
            contender.call();
            double begin = now();
            contender.call();
            contender.seconds.push_back(now() - begin);
          }
        }
        const Contender& reference = contenders[0];
        for (const Contender& contender : contenders) {
          if (&contender == &reference) continue;
          const double p50 = quantile(contender.seconds, 0.5), best = quantile(contender.seconds, 0);
          const double peak50 = reference.flops / quantile(reference.seconds, 0.5);
          const double share50 = contender.flops / p50 / peak50;
          const double share_best = contender.flops / best / (reference.flops / quantile(reference.seconds, 0));
          std::printf("%-12s %-10s %-4s %-15s %9.1f %9.1f %9.1f %6.1f%% %6.1f%%\n", shape.name, product,
                      dtype == ATTUNE_BF16 ? "bf16" : "f32", contender.name.c_str(), p50 * 1e6,
                      contender.flops / p50 * 1e-9, peak50 * 1e-9, share50 * 100, share_best * 100);
        }
        std::fflush(stdout);
      }
    }
  }
  attune_context_close(ctx);
  return 0;
}
