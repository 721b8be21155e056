// Weights in few bits, beside their definition.
#include "cuda_op_test.h"
#include "quantized_layout.h"

namespace {

const float kNf4[16] = {-1.0f,
                        -0.6961928009986877f,
                        -0.5250730514526367f,
                        -0.39491748809814453f,
                        -0.28444138169288635f,
                        -0.18477343022823334f,
                        -0.09105003625154495f,
                        0.0f,
                        0.07958029955625534f,
                        0.16093020141124725f,
                        0.24611230194568634f,
                        0.33791524171829224f,
                        0.44070982933044434f,
                        0.5626170039176941f,
                        0.7229568362236023f,
                        1.0f};

attune_status defined_quantize(attune_context*, void* out, const void* inp, int64_t F, int64_t C, int32_t inp_dtype,
                               int32_t out_dtype) {
  const attune::QuantizedLayout layout(F, C, out_dtype);
  auto* bytes = static_cast<uint8_t*>(out);
  std::vector<float> scales;
  double total = 0;
  for (int64_t block = 0; block < layout.blocks; ++block) {
    float most = 0;
    for (int64_t i = 0; i < 64; ++i) most = std::fmax(most, std::fabs(element_of(inp, block * 64 + i, inp_dtype)));
    scales.push_back(most);
    total += static_cast<double>(most);
    for (int64_t i = block * 64; i < block * 64 + 64; ++i) {
      const float x = element_of(inp, i, inp_dtype);
      if (out_dtype == ATTUNE_INT8) {
        const float scale = most / 127.0f;
        bytes[i] = static_cast<uint8_t>(static_cast<int8_t>(scale > 0 ? std::nearbyint(x / scale) : 0));
        std::memcpy(bytes + layout.scales + 4 * block, &scale, 4);
      } else {
        const float y = most > 0 ? x / most : 0;
        int best = 0;
        for (int code = 1; code < 16; ++code) {
          if (std::fabs(y - kNf4[code]) < std::fabs(y - kNf4[best])) best = code;
        }
        bytes[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? best : bytes[i / 2] | best << 4);
      }
    }
  }
  if (out_dtype == ATTUNE_INT8) return ATTUNE_OK;
  const float offset = static_cast<float>(total / static_cast<double>(layout.blocks));
  std::memcpy(bytes + layout.offset, &offset, 4);
  for (int64_t first = 0; first < layout.blocks; first += 256) {
    const int64_t end = first + 256 < layout.blocks ? first + 256 : layout.blocks;
    float outer = 0;
    for (int64_t i = first; i < end; ++i) outer = std::fmax(outer, std::fabs(scales[static_cast<size_t>(i)] - offset));
    std::memcpy(bytes + layout.outer_scales + first / 256 * 4, &outer, 4);
    for (int64_t i = first; i < end; ++i) {
      const float x = scales[static_cast<size_t>(i)] - offset;
      bytes[layout.scales + i] = static_cast<uint8_t>((outer > 0 ? std::nearbyint(x / outer * 127.0f) : 0) + 127);
    }
  }
  return ATTUNE_OK;
}

attune_status defined_dequantize(attune_context*, void* out, const void* inp, int64_t F, int64_t C, int32_t out_dtype,
                                 int32_t inp_dtype) {
  const attune::QuantizedLayout layout(F, C, inp_dtype);
  const auto* bytes = static_cast<const uint8_t*>(inp);
  auto float_at = [&](int64_t at) {
    float x;
    std::memcpy(&x, bytes + at, 4);
    return static_cast<double>(x);
  };
  for (int64_t i = 0; i < F * C; ++i) {
    if (inp_dtype == ATTUNE_INT8) {
      put_element(out, i, out_dtype, static_cast<int8_t>(bytes[i]) * float_at(layout.scales + i / 64 * 4));
    } else {
      const double scale = float_at(layout.offset) + (bytes[layout.scales + i / 64] - 127) / 127.0 *
                                                         float_at(layout.outer_scales + i / 64 / 256 * 4);
      put_element(out, i, out_dtype,
                  static_cast<double>(kNf4[i % 2 == 0 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4]) * scale);
    }
  }
  return ATTUNE_OK;
}

void quantization(int64_t F, int64_t C) {
  for (int32_t packed : {ATTUNE_INT8, ATTUNE_NF4}) {
    for (int32_t dtype : kTypes) {
      now("quantize F=%lld C=%lld %s %s%s", static_cast<long long>(F), static_cast<long long>(C),
          packed == ATTUNE_INT8 ? "int8" : "nf4", type_name(dtype), misaligned ? ", misaligned" : "");
      const attune::QuantizedLayout layout(F, C, packed);
      Tensor inp = of(dtype, F * C), out = of(dtype, F * C);
      const bool was = misaligned;
      misaligned = false;  // its parts lie at multiples of 64
      Tensor bytes = Tensor(Tensor::kU8, layout.bytes);
      misaligned = was;
      for (int64_t i = 0; i < F * C; ++i) inp.set(i, random_float(-1, 1) * static_cast<float>(1 + i / 64 % 7));
      for (int64_t i = 0; i < 64; ++i) inp.set(i, 0);
      run([&](Library& l, Side s) { return l.quantize(l.ctx, bytes.at(s), inp.at(s), F, C, dtype, packed); });
      same("packed", bytes, 0);
      run([&](Library& l, Side s) { return l.dequantize(l.ctx, out.at(s), bytes.at(s), F, C, dtype, packed); });
      same("values", out, 2e-7);
    }
  }
}

}  // namespace

void quantize_ops() {
  quantization(1, 64);
  quantization(9, 64 * 64);
}

void define_quantize(Library* library) {
  library->quantize = defined_quantize;
  library->dequantize = defined_dequantize;
}
