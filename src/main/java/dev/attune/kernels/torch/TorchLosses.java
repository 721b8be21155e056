package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.view;
import static dev.attune.kernels.torch.TorchTensors.widen;

import dev.attune.core.DType;
import dev.attune.kernels.calls.BinaryCrossEntropyCall;
import dev.attune.kernels.calls.CrossEntropyCall;
import dev.attune.kernels.calls.MseCall;
import dev.attune.kernels.calls.SpanCrossEntropyCall;
import java.nio.IntBuffer;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Losses with their gradients. */
final class TorchLosses {
  private TorchLosses() {}

  static void crossEntropy(TorchPool pool, CrossEntropyCall call) {
    long N = call.N();
    long K = call.K();
    float labelSmoothing = call.labelSmoothing();
    DType dtype = call.dtype();
    String op = "cross_entropy";
    if (N == 0) {
      return;
    }
    checkLabels(op, call.labels(), N, K, call.ignore());
    Tensor weights = call.classWeight() == 0 ? null : view(call.classWeight(), DType.F32, 1, K);
    pool.ranges(
        N,
        Math.max(1, TorchPool.TILE / K),
        (row, rows) -> {
          long offset = row * K * dtype.sizeBytes();
          Tensor label =
              view(call.labels() + row * Integer.BYTES, DType.I32, rows).to(ScalarType.Long);
          Tensor ignored = label.eq(scalar(call.ignore())).unsqueeze(1);
          label = label.unsqueeze(1).masked_fill_(ignored, scalar(0));

          Tensor logProbabilities =
              torch.log_softmax(widen(view(call.logits() + offset, dtype, rows, K)), 1);
          Tensor loss = logProbabilities.gather(1, label).mul_(scalar(labelSmoothing - 1.0));
          Tensor own = weights == null ? null : weights.expand(rows, K).gather(1, label);
          if (own != null) {
            loss.mul_(own);
          }
          if (labelSmoothing > 0) {
            Tensor weighed = own == null ? logProbabilities : logProbabilities.mul(weights);
            Tensor all = weighed.sum(1).unsqueeze(1);
            loss.sub_(all.mul_(scalar(labelSmoothing / (double) K)));
          }
          view(call.losses() + row * Float.BYTES, DType.F32, rows, 1)
              .copy_(loss.masked_fill_(ignored, scalar(0)));
          if (call.dlogits() != 0) {
            Tensor gradient = logProbabilities.exp_();
            Tensor target = torch.empty(rows, 1).fill_(scalar(labelSmoothing - 1.0));
            if (own != null) {
              target.mul_(own);
              Tensor uniform = weights.mul(scalar(labelSmoothing / (double) K));
              gradient.mul_(uniform.sum().sub(target)).sub_(uniform);
            } else if (labelSmoothing > 0) {
              gradient.sub_(scalar(labelSmoothing / (double) K));
            }
            gradient.scatter_add_(1, label, target);
            gradient.mul_(scalar(call.scale())).masked_fill_(ignored, scalar(0));
            view(call.dlogits() + offset, dtype, rows, K).copy_(gradient);
          }
        });
  }

  private static void checkLabels(String op, long labels, long N, long K, int ignore) {
    IntBuffer values = Arguments.ints(labels, N);
    for (int n = 0; n < N; n++) {
      int label = values.get(n);
      if (label != ignore && (label < 0 || label >= K)) {
        throw new IllegalArgumentException(
            String.format(
                "%s: labels[%d] is %d, must be 0..%d, or %d to be ignored",
                op, n, label, K - 1, ignore));
      }
    }
  }

  static void binaryCrossEntropy(TorchPool pool, BinaryCrossEntropyCall call) {
    long K = call.K();
    DType dtype = call.dtype();
    pool.ranges(
        call.N(),
        Math.max(1, TorchPool.TILE / K),
        (row, rows) -> {
          long offset = row * K * dtype.sizeBytes();
          Tensor logits = widen(view(call.logits() + offset, dtype, rows, K));
          Tensor positive =
              view(call.targets() + row * K * Float.BYTES, DType.F32, rows, K).mul(scalar(1));
          Tensor negative = positive.neg().add_(scalar(1));
          if (call.posWeight() != 0) {
            positive.mul_(view(call.posWeight(), DType.F32, K));
          }
          // softplus(x) = max(x, 0) + log(1 + e^-|x|), without a threshold above which it is x.
          Tensor tail = logits.abs().neg_().exp_().log1p_();
          Tensor above = logits.clamp_min(scalar(0)).add_(tail);
          Tensor below = logits.neg().clamp_min_(scalar(0)).add_(tail);
          Tensor loss = above.mul_(negative).add_(below.mul_(positive)).sum(1);
          view(call.losses() + row * Float.BYTES, DType.F32, rows)
              .copy_(loss.mul_(scalar(1.0 / K)));
          if (call.dlogits() != 0) {
            Tensor gradient = logits.sigmoid().mul_(negative);
            gradient.sub_(logits.neg().sigmoid_().mul_(positive));
            view(call.dlogits() + offset, dtype, rows, K)
                .copy_(gradient.mul_(scalar(call.scale() / (double) K)));
          }
        });
  }

  static void spanCrossEntropy(TorchPool pool, SpanCrossEntropyCall call) {
    long B = call.B();
    if (B == 0) {
      return;
    }
    DType dtype = call.dtype();
    int[] bounds = Arguments.offsets("span_cross_entropy", "cu_seqlens", call.cuSeqlens(), B);
    long[] positions = {call.starts(), call.ends()};
    double[] scales = {call.startScale(), call.endScale()};
    view(call.losses(), DType.F32, B, 2).zero_();
    pool.tiles(
        B,
        b -> {
          int rows = bounds[(int) b + 1] - bounds[(int) b];
          if (rows == 0) {
            return;
          }
          long offset = 2L * bounds[(int) b] * dtype.sizeBytes();
          Tensor logProbabilities =
              torch.log_softmax(widen(view(call.logits() + offset, dtype, rows, 2)), 0);
          Tensor gradient = torch.zeros(rows, 2);
          for (int column = 0; column < 2; column++) {
            int position = Arguments.ints(positions[column], B).get((int) b);
            if (position < 0 || position >= rows) {
              continue;
            }
            Tensor ofColumn = logProbabilities.narrow(1, column, 1).squeeze(1);
            Tensor atPosition = ofColumn.narrow(0, position, 1);
            view(call.losses() + (2 * b + column) * Float.BYTES, DType.F32, 1)
                .copy_(atPosition.neg());
            Tensor target = gradient.narrow(1, column, 1).squeeze(1);
            target.copy_(ofColumn.exp());
            target.narrow(0, position, 1).sub_(scalar(1));
            target.mul_(scalar(scales[column]));
          }
          if (call.dlogits() != 0) {
            view(call.dlogits() + offset, dtype, rows, 2).copy_(gradient);
          }
        });
  }

  static void mse(MseCall call) {
    long N = call.N();
    if (N == 0) {
      return;
    }
    Tensor difference =
        widen(view(call.pred(), call.dtype(), N)).sub(view(call.targets(), DType.F32, N));
    view(call.losses(), DType.F32, N).copy_(difference.mul(difference));
    if (call.dpred() != 0) {
      view(call.dpred(), call.dtype(), N).copy_(difference.mul_(scalar(2.0 * call.scale())));
    }
  }
}
