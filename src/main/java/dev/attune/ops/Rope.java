package dev.attune.ops;

import dev.attune.kernels.calls.RopeCall;
import dev.attune.tape.Node;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;

/** Rotary position embedding (Su et al., 2021) of the queries and keys of a product, in place. */
public final class Rope implements Node {
  /**
   * What to rotate by.
   *
   * @param table (P, rotary / 2, 2) f32 on the device: cosine and sine
   * @param positions P
   * @param rotary elements of a head that rotate
   */
  public record Table(long table, long positions, int rotary) {}

  private final Table table;
  private final long heads;
  private final int headSize;
  private final long positions;
  private final Tensor inp;
  private final Tensor out;

  private Rope(Table table, long heads, int headSize, long positions, Tensor inp, Tensor out) {
    this.table = table;
    this.heads = heads;
    this.headSize = headSize;
    this.positions = positions;
    this.inp = inp;
    this.out = out;
  }

  /**
   * @param inp (N, at least heads * headSize); consumed. Its first heads rotate, the rest stays
   * @param positions (N) i32 on the device
   */
  public static Tensor apply(
      Tape tape, Table table, Tensor inp, long heads, int headSize, long positions) {
    Rope node =
        new Rope(table, heads, headSize, positions, inp, tape.rename(inp, inp.requiresGrad()));
    node.rotate(tape, node.out.address(), false);
    return tape.record(node);
  }

  private void rotate(Tape tape, long address, boolean inverse) {
    tape.run(
        new RopeCall(
            address,
            table.table(),
            positions,
            out.rows(),
            heads,
            headSize,
            table.rotary(),
            out.cols(),
            table.positions(),
            inverse,
            out.dtype()));
  }

  @Override
  public Tensor out() {
    return out;
  }

  @Override
  public void backward(Tape tape) {
    rotate(tape, out.gradient(), true);
    tape.moveGradient(out, inp);
  }
}
