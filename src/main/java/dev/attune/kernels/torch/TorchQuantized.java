package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.QuantizedLayout;
import dev.attune.kernels.calls.QuantizeCall;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.ScalarOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Weights in 4 or 8 bits: packing, and the values behind the codes. */
final class TorchQuantized {
  /** 4-bit NormalFloat (Dettmers et al., 2023, appendix E). */
  private static final float[] NF4 = {
    -1.0f,
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
    1.0f
  };

  private TorchQuantized() {}

  static void quantize(TorchPool pool, QuantizeCall.Pack call) {
    long out = call.out();
    String op = "quantize";
    if (call.F() == 0) {
      return;
    }
    QuantizedLayout layout = QuantizedLayout.of(call.F(), call.C(), call.outDtype());
    Tensor blocks = view(call.inp(), call.inpDtype(), layout.blocks(), QuantizedLayout.BLOCK);
    if (!blocks.isfinite().all().item_bool()) {
      throw new IllegalArgumentException(
          op + ": call.inp() holds a NaN or an infinity; it must be finite");
    }
    if (call.outDtype() == DType.INT8) {
      pool.ranges(
          layout.blocks(),
          QuantizedLayout.SCALE_BLOCK,
          (first, count) -> toInt8(out, layout, widen(blocks.narrow(0, first, count)), first));
      return;
    }
    Tensor absmax = magnitudes(widen(blocks));
    float offset = (float) absmax.to(ScalarType.Double).mean().item_double();
    view(out + layout.offset(), DType.F32, 1).fill_(scalar(offset));
    pool.ranges(
        layout.blocks(),
        QuantizedLayout.SCALE_BLOCK,
        (first, count) -> toNf4(out, layout, widen(blocks.narrow(0, first, count)), offset, first));
  }

  private static void toInt8(long out, QuantizedLayout layout, Tensor x, long first) {
    Tensor scales = magnitudes(x).div(scalar(127));
    Tensor codes = x.div(scales.unsqueeze(1)).round().clamp_(bound(-127), bound(127));
    codes.masked_fill_(scales.eq(scalar(0)).unsqueeze(1), scalar(0));
    bytes(out + first * QuantizedLayout.BLOCK, ScalarType.Char, x.size(0) * QuantizedLayout.BLOCK)
        .copy_(codes.reshape(-1));
    view(out + layout.scales() + first * Float.BYTES, DType.F32, x.size(0)).copy_(scales);
  }

  private static void toNf4(long out, QuantizedLayout layout, Tensor x, float offset, long first) {
    Tensor absmax = magnitudes(x);
    Tensor distance = absmax.sub(scalar(offset));
    Tensor outer = distance.abs().max();
    view(
            out + layout.outerScales() + first / QuantizedLayout.SCALE_BLOCK * Float.BYTES,
            DType.F32,
            1)
        .copy_(outer);
    Tensor scaleCodes = distance.div(outer).mul(scalar(127)).round().add(scalar(127));
    scaleCodes.masked_fill_(outer.eq(scalar(0)), scalar(127));
    bytes(out + layout.scales() + first, ScalarType.Byte, x.size(0)).copy_(scaleCodes);
    Tensor normal = x.div(absmax.unsqueeze(1));
    normal.masked_fill_(absmax.eq(scalar(0)).unsqueeze(1), scalar(0));
    float[] middles = new float[NF4.length - 1];
    for (int i = 0; i < middles.length; i++) {
      middles[i] = (NF4[i] + NF4[i + 1]) * 0.5f;
    }
    Tensor codes = torch.bucketize(normal, torch.tensor(middles)).reshape(-1, 2);
    Tensor packed = codes.select(1, 0).add(codes.select(1, 1).mul(scalar(16)));
    long half = QuantizedLayout.BLOCK / 2;
    bytes(out + first * half, ScalarType.Byte, x.size(0) * half).copy_(packed);
  }

  static void dequantize(TorchPool pool, QuantizeCall.Unpack call) {
    long F = call.F();
    long C = call.C();
    if (F == 0) {
      return;
    }
    Tensor target = view(call.out(), call.outDtype(), F, C);
    pool.ranges(
        F,
        TorchPool.rowsOfTile(C),
        (row, rows) ->
            target
                .narrow(0, row, rows)
                .copy_(values(call.inp(), F, C, call.inpDtype(), row, rows)));
  }

  /** Some rows of a weight as f32 (rows, C). */
  static Tensor values(long weight, long F, long C, DType dtype, long row, long rows) {
    QuantizedLayout layout = QuantizedLayout.of(F, C, dtype);
    long first = row * C / QuantizedLayout.BLOCK;
    long count = rows * C / QuantizedLayout.BLOCK;
    Tensor codes;
    Tensor scales;
    if (dtype == DType.INT8) {
      codes = widen(bytes(weight + row * C, ScalarType.Char, rows * C));
      scales = view(weight + layout.scales() + first * Float.BYTES, DType.F32, count);
    } else {
      Tensor pairs = bytes(weight + row * C / 2, ScalarType.Byte, rows * C / 2).to(ScalarType.Long);
      Tensor nibbles = pairs.unsqueeze(1).repeat(1, 2);
      nibbles.select(1, 0).remainder_(new Scalar(16));
      nibbles.select(1, 1).floor_divide_(new Scalar(16));
      codes = torch.tensor(NF4).index_select(0, nibbles.reshape(-1));
      Tensor outer =
          view(
              weight + layout.outerScales(),
              DType.F32,
              (layout.blocks() + QuantizedLayout.SCALE_BLOCK - 1) / QuantizedLayout.SCALE_BLOCK);
      Tensor outerIndex =
          torch
              .arange(new Scalar(first), new Scalar(first + count))
              .floor_divide(scalar(QuantizedLayout.SCALE_BLOCK))
              .to(ScalarType.Long);
      scales =
          widen(bytes(weight + layout.scales() + first, ScalarType.Byte, count))
              .sub(scalar(127))
              .div(scalar(127))
              .mul(outer.index_select(0, outerIndex))
              .add(view(weight + layout.offset(), DType.F32, 1));
    }
    return codes.reshape(count, QuantizedLayout.BLOCK).mul(scales.unsqueeze(1)).reshape(rows, C);
  }

  /** The largest magnitude of each block. */
  private static Tensor magnitudes(Tensor blocks) {
    return blocks.abs().amax(new long[] {1}, false);
  }

  private static Tensor bytes(long address, ScalarType type, long count) {
    return view(address, type, count);
  }

  private static ScalarOptional bound(double value) {
    return new ScalarOptional(scalar(value));
  }
}
