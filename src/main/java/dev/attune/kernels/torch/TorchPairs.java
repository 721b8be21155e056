package dev.attune.kernels.torch;

import static dev.attune.kernels.torch.TorchTensors.scalar;
import static dev.attune.kernels.torch.TorchTensors.strided;
import static dev.attune.kernels.torch.TorchTensors.view;

import dev.attune.core.DType;
import dev.attune.kernels.PairLossKind;
import dev.attune.kernels.calls.L2NormalizeCall;
import dev.attune.kernels.calls.PairLossCall;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/** Unit vectors, and losses of pairs and triplets of vectors; a batch is one tile. */
final class TorchPairs {
  private static final double SMALLEST_NORM = 1e-12;

  private TorchPairs() {}

  static void normalizeForward(L2NormalizeCall.Forward call) {
    if (call.N() == 0) {
      return;
    }
    Tensor inp = rows(call.inp(), call.N(), call.D(), call.stride());
    Tensor rnorm =
        inp.square().sum(1).unsqueeze(1).sqrt_().clamp_min_(scalar(SMALLEST_NORM)).reciprocal_();
    view(call.rnorm(), DType.F32, call.N(), 1).copy_(rnorm);
    view(call.out(), DType.F32, call.N(), call.D())
        .copy_(inp.mul(rnorm).mul_(scalar(call.scale())));
  }

  static void normalizeBackward(L2NormalizeCall.Backward call) {
    if (call.N() == 0) {
      return;
    }
    Tensor inp = rows(call.inp(), call.N(), call.D(), call.stride());
    Tensor dout = view(call.dout(), DType.F32, call.N(), call.D());
    Tensor rnorm = view(call.rnorm(), DType.F32, call.N(), 1);
    Tensor along = inp.mul(dout).sum(1).unsqueeze(1).mul_(rnorm.square());
    Tensor gradient = dout.sub(inp.mul(along)).mul_(rnorm).mul_(scalar(call.scale()));
    rows(call.dinp(), call.N(), call.D(), call.stride()).add_(gradient);
  }

  private static Tensor rows(long address, long N, long D, long stride) {
    return strided(address, DType.F32, new long[] {N, D}, new long[] {stride, 1});
  }

  static void loss(PairLossCall call) {
    long B = call.B();
    if (B == 0) {
      return;
    }
    Tensor inp = view(call.inp(), DType.F32, call.kind().columns(), B, call.D());
    Tensor losses = view(call.losses(), DType.F32, B);
    Tensor dinp =
        call.dinp() == 0 ? null : view(call.dinp(), DType.F32, call.kind().columns(), B, call.D());
    switch (call.kind()) {
      case SQUARED_ERROR -> {
        Tensor difference = dots(inp, 1).sub(view(call.targets(), DType.F32, B));
        losses.copy_(difference.square());
        pairs(dinp, inp, difference.mul_(scalar(2.0 * call.scale())));
      }
      case RANKING -> ranking(call, inp, losses, dinp);
      case TRIPLET_DOT, TRIPLET_EUCLIDEAN -> triplets(call, inp, losses, dinp);
    }
  }

  /** Of each anchor with the vector of a column: (B). */
  private static Tensor dots(Tensor inp, long column) {
    return inp.select(0, 0).mul(inp.select(0, column)).sum(1);
  }

  /** Gradients of dot products, by how the loss grows with each. */
  private static void pairs(Tensor dinp, Tensor inp, Tensor factors) {
    if (dinp != null) {
      Tensor factor = factors.unsqueeze(1);
      dinp.select(0, 0).copy_(inp.select(0, 1).mul(factor));
      dinp.select(0, 1).copy_(inp.select(0, 0).mul(factor));
    }
  }

  private static void ranking(PairLossCall call, Tensor inp, Tensor losses, Tensor dinp) {
    long B = call.B();
    // In double: a share is an exponential of the loss, whose rounding would be its error.
    Tensor scores = dots(inp, 1).to(ScalarType.Double).mul_(scalar(call.value()));
    Tensor targets = view(call.targets(), DType.F32, B);
    Tensor isOut = targets.unsqueeze(1).ge(targets.unsqueeze(0));
    Tensor gaps =
        scores
            .unsqueeze(1)
            .sub(scores.unsqueeze(0))
            .masked_fill_(isOut, scalar(Double.NEGATIVE_INFINITY));
    Tensor all = torch.zeros(B * B + 1).to(ScalarType.Double);
    all.narrow(0, 1, B * B).copy_(gaps.reshape(B * B));
    Tensor loss = torch.logsumexp(all, 0);
    losses.copy_(loss);
    Tensor shares = gaps.sub_(loss).exp_();
    Tensor factors = shares.sum(1).sub_(shares.sum(0));
    factors.mul_(scalar((double) B * call.scale() * call.value()));
    pairs(dinp, inp, factors.to(ScalarType.Float));
  }

  private static void triplets(PairLossCall call, Tensor inp, Tensor losses, Tensor dinp) {
    boolean isDot = call.kind() == PairLossKind.TRIPLET_DOT;
    Tensor near = isDot ? dots(inp, 1).neg_() : distances(inp, 1);
    Tensor far = isDot ? dots(inp, 2).neg_() : distances(inp, 2);
    Tensor loss = near.sub(far).add_(scalar(call.value()));
    losses.copy_(loss.relu());
    if (dinp == null) {
      return;
    }
    Tensor factor = loss.gt(scalar(0)).mul(scalar(call.scale())).unsqueeze(1);
    Tensor anchor = inp.select(0, 0);
    if (isDot) {
      Tensor along = anchor.mul(factor);
      dinp.select(0, 0).copy_(inp.select(0, 2).sub(inp.select(0, 1)).mul_(factor));
      dinp.select(0, 1).copy_(along.neg());
      dinp.select(0, 2).copy_(along);
    } else {
      Tensor toNear = direction(anchor, inp.select(0, 1), near).mul_(factor);
      Tensor toFar = direction(anchor, inp.select(0, 2), far).mul_(factor);
      dinp.select(0, 0).copy_(toNear.sub(toFar));
      dinp.select(0, 1).copy_(toNear.neg());
      dinp.select(0, 2).copy_(toFar);
    }
  }

  private static Tensor distances(Tensor inp, long column) {
    return inp.select(0, 0).sub(inp.select(0, column)).square_().sum(1).sqrt_();
  }

  /** The gradient of a distance, 0 where that is 0. */
  private static Tensor direction(Tensor anchor, Tensor other, Tensor distance) {
    Tensor length = distance.unsqueeze(1);
    return anchor.sub(other).div_(length).masked_fill_(length.eq(scalar(0)), scalar(0));
  }
}
