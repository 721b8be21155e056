package dev.attune.ops;

import dev.attune.core.Check;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.RmsNormCall;
import dev.attune.store.Parameter;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/**
 * Root mean square norm of each query head and each key head, in place in the product that made
 * them; values pass. (Qwen3's q_norm and k_norm.) Queries may stand apart from keys and values.
 */
public final class HeadNorm implements Node {
  private final Attention.Heads heads;
  private final Parameter query;
  private final Parameter key;
  private final long before;
  private final long queryRstd;
  private final long keyRstd;
  private final Tensor inp;
  private final Tensor out;

  private HeadNorm(
      Attention.Heads heads,
      Parameter query,
      Parameter key,
      long before,
      long queryRstd,
      long keyRstd,
      Tensor inp,
      Tensor out) {
    this.heads = heads;
    this.query = query;
    this.key = key;
    this.before = before;
    this.queryRstd = queryRstd;
    this.keyRstd = keyRstd;
    this.inp = inp;
    this.out = out;
  }

  /**
   * @param inp (N, (H + 2 Hkv) D), or (N, H D) without key, or (N, 2 Hkv D) without query; consumed
   * @param query weight (D) of the query heads; null: there are none in inp
   * @param key weight (D) of the key heads; null: there are none in inp
   */
  public static Tensor apply(
      Tape tape, Attention.Heads heads, Tensor inp, Parameter query, Parameter key, float eps) {
    long expected =
        (query == null ? 0 : heads.queryWidth()) + (key == null ? 0 : 2 * heads.keyValueWidth());
    Check.argument(inp.cols() == expected, "heads in %d columns, not %d", expected, inp.cols());
    long N = inp.rows();
    long before = 0;
    if (tape.training()) {
      before = tape.allocate(inp.sizeBytes());
      tape.run(new CopyCall(before, inp.address(), inp.sizeBytes()));
    }
    long queryRstd = query == null ? 0 : tape.allocate(N * heads.heads() * Float.BYTES);
    long keyRstd = key == null ? 0 : tape.allocate(N * heads.keyValueHeads() * Float.BYTES);
    boolean trainable = (query != null && query.trainable()) || (key != null && key.trainable());
    Tensor out = tape.rename(inp, inp.requiresGrad() || trainable);
    HeadNorm node = new HeadNorm(heads, query, key, before, queryRstd, keyRstd, inp, out);
    if (query != null) {
      node.forward(tape, 0, query, queryRstd, heads.heads(), eps);
    }
    if (key != null) {
      node.forward(tape, node.keyOffset(), key, keyRstd, heads.keyValueHeads(), eps);
    }
    return tape.record(node);
  }

  private long keyOffset() {
    return query == null ? 0 : heads.queryWidth() * out.dtype().sizeBytes();
  }

  private void forward(
      Tape tape, long offset, Parameter weight, long rstd, long groups, float eps) {
    long address = out.address() + offset;
    tape.run(
        new RmsNormCall.Forward(
            address,
            0,
            rstd,
            address,
            0,
            weight.address(),
            out.rows(),
            groups,
            heads.headSize(),
            out.cols(),
            out.cols(),
            eps,
            out.dtype()));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    if (query != null) {
      backward(tape, 0, query, queryRstd, heads.heads());
    }
    if (key != null) {
      backward(tape, keyOffset(), key, keyRstd, heads.keyValueHeads());
    }
    if (inp.requiresGrad()) {
      tape.moveGradient(out, inp);
    }
  }

  private void backward(Tape tape, long offset, Parameter weight, long rstd, long groups) {
    long gradient = out.gradient() + offset;
    tape.run(
        new RmsNormCall.Backward(
            gradient,
            weight.trainable() ? weight.gradient() : 0,
            gradient,
            0,
            before + offset,
            rstd,
            weight.address(),
            out.rows(),
            groups,
            heads.headSize(),
            out.cols(),
            out.cols(),
            weight.trainable() && weight.accumulate(),
            out.dtype()));
  }

  @Override
  public void release(Tape tape) {
    for (long block : new long[] {queryRstd, keyRstd, before}) {
      if (block != 0) {
        tape.free(block);
      }
    }
  }
}
