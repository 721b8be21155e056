package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.store;
import static dev.attune.kernels.torch.TorchTensors.view;

import dev.attune.core.DType;
import dev.attune.kernels.calls.RelativeBiasCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/** The relative position bias of attention and its table of buckets. */
final class TorchRelativeBias {
  private TorchRelativeBias() {}

  static void forward(RelativeBiasCall.Forward call) {
    long offsets = 2 * call.reach() + 1;
    Arguments.indices("relative_bias_fwd", "buckets", call.buckets(), offsets, call.K());
    Tensor rows =
        view(call.table(), DType.F32, call.K(), call.H())
            .index_select(0, view(call.buckets(), DType.I32, offsets));
    view(call.out(), DType.F32, call.H(), offsets).copy_(rows.transpose(0, 1));
  }

  static void backward(RelativeBiasCall.Backward call) {
    long offsets = 2 * call.reach() + 1;
    Arguments.indices("relative_bias_bwd", "buckets", call.buckets(), offsets, call.K());
    Tensor sums = torch.zeros(call.K(), call.H());
    Tensor rows = view(call.dout(), DType.F32, call.H(), offsets).transpose(0, 1);
    sums.index_add_(0, view(call.buckets(), DType.I32, offsets), rows);
    store(view(call.dtable(), DType.F32, call.K(), call.H()), sums, call.accumulate());
  }
}
