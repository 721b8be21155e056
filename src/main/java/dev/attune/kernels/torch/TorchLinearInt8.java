package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.view;

import dev.attune.core.DType;
import dev.attune.kernels.ChannelInt8Layout;
import dev.attune.kernels.calls.LinearInt8Call;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Products of int8 activations with int8 weights. Sums of integers are exact in f64. */
final class TorchLinearInt8 {
  private static final double LEAST_MAGNITUDE = 0x1p-100;

  private TorchLinearInt8() {}

  /**
   * Rows as integers.
   *
   * @param codes (rows, C) f32
   * @param scales (rows, 1) f32
   */
  private record Quantized(Tensor codes, Tensor scales) {
    static Quantized of(Tensor rows) {
      Tensor absmax = rows.abs().amax(new long[] {1}, true);
      Tensor strange = absmax.isfinite().logical_not();
      Tensor empty = absmax.lt(scalar(LEAST_MAGNITUDE)).logical_or(strange);
      Tensor factor = torch.full_like(absmax, scalar(127)).div(absmax);
      Tensor codes = rows.mul(factor).round().masked_fill(empty, scalar(0));
      Tensor scales = absmax.div(scalar(127)).masked_fill(empty, scalar(0));
      return new Quantized(codes, scales.masked_fill(strange, scalar(Double.NaN)));
    }
  }

  static void pack(LinearInt8Call.Pack call) {
    long F = call.F();
    long C = call.C();
    if (F == 0) {
      return;
    }
    Tensor inp = view(call.inp(), DType.F32, F, C);
    if (!inp.isfinite().all().item_bool()) {
      throw new IllegalArgumentException(
          "linear_int8_pack: inp holds a NaN or an infinity, must be finite");
    }
    ChannelInt8Layout layout = ChannelInt8Layout.of(C);
    Quantized weight = Quantized.of(inp);
    Tensor sums = weight.codes.to(ScalarType.Double).sum(1).to(ScalarType.Int);
    long rows = ChannelInt8Layout.STRIP_ROWS;
    long step = ChannelInt8Layout.STEP;
    for (long first = 0; first < F; first += rows) {
      long count = Math.min(rows, F - first);
      long strip = call.out() + layout.strip(first);
      view(strip, ScalarType.Byte, layout.stripBytes()).zero_();
      Tensor padded = torch.zeros(rows, layout.steps() * step);
      padded.narrow(0, 0, count).narrow(1, 0, C).copy_(weight.codes.narrow(0, first, count));
      view(strip, ScalarType.Char, layout.steps(), rows, step)
          .copy_(padded.reshape(rows, layout.steps(), step).transpose(0, 1));
      view(strip + layout.scales(), DType.F32, count)
          .copy_(weight.scales.narrow(0, first, count).reshape(-1));
      view(strip + layout.sums(), ScalarType.Int, count).copy_(sums.narrow(0, first, count));
    }
  }

  static void forward(LinearInt8Call.Forward call) {
    long N = call.N();
    long C = call.C();
    long F = call.F();
    if (N == 0) {
      return;
    }
    ChannelInt8Layout layout = ChannelInt8Layout.of(C);
    Quantized inp = Quantized.of(view(call.inp(), DType.F32, N, C));
    Tensor rows = inp.codes.to(ScalarType.Double);
    Tensor out = view(call.out(), DType.F32, N, F);
    for (long first = 0; first < F; first += ChannelInt8Layout.STRIP_ROWS) {
      long count = Math.min(ChannelInt8Layout.STRIP_ROWS, F - first);
      long strip = call.weight() + layout.strip(first);
      Tensor codes =
          view(
                  strip,
                  ScalarType.Char,
                  layout.steps(),
                  ChannelInt8Layout.STRIP_ROWS,
                  ChannelInt8Layout.STEP)
              .transpose(0, 1)
              .reshape(ChannelInt8Layout.STRIP_ROWS, layout.steps() * ChannelInt8Layout.STEP)
              .narrow(0, 0, count)
              .narrow(1, 0, C);
      Tensor z =
          torch
              .mm(rows, codes.to(ScalarType.Double).t())
              .to(ScalarType.Float)
              .mul(inp.scales)
              .mul(view(strip + layout.scales(), DType.F32, count));
      if (call.bias() != 0) {
        z = z.add(view(call.bias() + first * Float.BYTES, DType.F32, count));
      }
      out.narrow(1, first, count).copy_(TorchActivation.apply(call.activation(), z));
    }
  }
}
