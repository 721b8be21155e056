package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.calls.CastCall;
import dev.attune.kernels.calls.RelativeBiasCall;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * The relative position bias of T5 (Raffel et al., 2020) and MPNet (Song et al., 2020): a learned
 * number per head and bucket of offsets, the same in all layers. Once a step it becomes a row of
 * offsets per head, which {@link Attention} adds to its scores; beyond the reach the bias is that
 * of the last offset.
 */
public final class RelativeBias implements Node {
  private final Parameter table;
  private final long buckets;
  private final Tensor out;

  private RelativeBias(Parameter table, long buckets, Tensor out) {
    this.table = table;
    this.buckets = buckets;
    this.out = out;
  }

  /**
   * @param table (K,H): the model's {@code relative_attention_bias}
   * @param buckets (2 reach + 1) i32 on the device, as {@link #buckets} gives them
   * @param reach how far from a query offsets are told apart
   * @return (H, 2 reach + 1) f32
   */
  public static Tensor apply(Tape tape, Parameter table, long buckets, int reach) {
    long K = table.rows();
    long H = table.cols();
    Tensor out = tape.tensor(H, 2L * reach + 1, DType.F32, table.trainable());
    if (table.dtype() == DType.F32) {
      expand(tape, out, table.address(), buckets, reach, K);
    } else {
      // A frozen table, of a few hundred numbers.
      long wide = tape.allocate(K * H * DType.F32.sizeBytes());
      tape.run(new CastCall(wide, table.address(), K * H, false, DType.F32, table.dtype()));
      expand(tape, out, wide, buckets, reach, K);
      tape.free(wide);
    }
    return tape.record(new RelativeBias(table, buckets, out));
  }

  private static void expand(Tape tape, Tensor out, long table, long buckets, long reach, long K) {
    tape.run(new RelativeBiasCall.Forward(out.address(), table, buckets, out.rows(), reach, K));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    tape.run(
        new RelativeBiasCall.Backward(
            table.gradient(),
            out.gradient(),
            buckets,
            out.rows(),
            (out.cols() - 1) / 2,
            table.rows(),
            table.accumulate()));
  }

  /**
   * The bucket of each offset of a key from a query, from {@code -reach} to {@code reach}, as
   * Transformers' {@code relative_position_bucket} of T5 and MPNet computes it, in its f32: near
   * offsets have a bucket each, farther ones share buckets that grow logarithmically up to {@code
   * maxDistance}. A reach of {@code maxDistance} loses nothing.
   *
   * @param bidirectional whether keys ahead of the query have buckets of their own (the upper
   *     half); otherwise all of them share that of offset 0, as in causal decoders
   */
  public static int[] buckets(int reach, int numBuckets, int maxDistance, boolean bidirectional) {
    int ofSide = bidirectional ? numBuckets / 2 : numBuckets;
    int exact = ofSide / 2;
    Check.argument(
        exact >= 1 && maxDistance > exact,
        "%d buckets of offsets up to %d; there must be at least %d, and offsets beyond %d",
        numBuckets,
        maxDistance,
        bidirectional ? 4 : 2,
        exact);
    float logRange = (float) Math.log((double) maxDistance / exact);
    int[] buckets = new int[2 * reach + 1];
    for (int offset = -reach; offset <= reach; offset++) {
      int distance = bidirectional ? Math.abs(offset) : Math.max(0, -offset);
      int bucket = distance;
      if (distance >= exact) {
        float log = (float) Math.log((float) distance / exact);
        bucket = Math.min(ofSide - 1, exact + (int) (log / logRange * (ofSide - exact)));
      }
      buckets[reach + offset] = bucket + (bidirectional && offset > 0 ? ofSide : 0);
    }
    return buckets;
  }
}
