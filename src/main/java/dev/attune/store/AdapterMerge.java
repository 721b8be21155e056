package dev.attune.store;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.kernels.Activation;
import dev.attune.kernels.calls.LinearCall;
import java.nio.FloatBuffer;

/** Arithmetic on whole tensors of a store that makes adapters part of the weights they are of. */
public final class AdapterMerge {
  private AdapterMerge() {}

  /**
   * {@code weight (F,C) += scale * up (F,R) * down (R,C)}: an adapter becomes part of its weight.
   * up is scaled in place.
   *
   * @param parameters that the tensors are of
   * @throws IllegalArgumentException if the weight is frozen
   */
  public static void addProduct(
      Parameters parameters, Segment weight, Segment up, Segment down, float scale) {
    Check.argument(!weight.frozen(), "%s is frozen", weight.name());
    long R = down.shape()[0];
    long C = down.shape()[1];
    FloatBuffer scaled = values(parameters, up);
    for (int i = 0; i < scaled.capacity(); i++) {
      scaled.put(i, scaled.get(i) * scale);
    }
    parameters.write(
        up, (first, values) -> values.put(scaled.slice((int) first, values.remaining())));
    parameters
        .backend()
        .run(
            new LinearCall.BackwardInput(
                parameters.address(weight),
                0,
                parameters.address(up),
                parameters.address(down),
                0,
                up.count() / R,
                C,
                R,
                Activation.NONE,
                true,
                DType.F32,
                DType.F32));
    parameters.changed();
  }

  /**
   * {@code table (V,C) += scale * down^T (V,R) * up^T (R,C)}: the same of a table's adapter, whose
   * A lies in the store as rows of the vocabulary.
   *
   * @param up (C,R)
   * @param down in the store (V,R)
   */
  public static void addTableProduct(
      Parameters parameters, Segment table, Segment up, Segment down, float scale) {
    Check.argument(!table.frozen(), "%s is frozen", table.name());
    int R = (int) up.shape()[1];
    int C = (int) up.shape()[0];
    FloatBuffer rows = values(parameters, table);
    FloatBuffer low = values(parameters, down);
    FloatBuffer high = values(parameters, up);
    for (int v = 0; v < rows.capacity() / C; v++) {
      for (int c = 0; c < C; c++) {
        double sum = 0;
        for (int i = 0; i < R; i++) {
          sum += (double) low.get(v * R + i) * high.get(c * R + i);
        }
        rows.put(v * C + c, (float) (rows.get(v * C + c) + scale * sum));
      }
    }
    parameters.write(
        table, (first, values) -> values.put(rows.slice((int) first, values.remaining())));
  }

  /**
   * Scales the rows of {@code weight (F,C)} to the norms that {@code magnitude (F)} says: a
   * weight-decomposed adapter becomes part of its weight, after {@link #addProduct}. A row of zeros
   * stays.
   *
   * @param parameters that the tensors are of
   * @throws IllegalArgumentException if the weight is frozen
   */
  public static void setRowNorms(Parameters parameters, Segment weight, Segment magnitude) {
    Check.argument(!weight.frozen(), "%s is frozen", weight.name());
    FloatBuffer rows = values(parameters, weight);
    FloatBuffer norms = values(parameters, magnitude);
    int C = rows.capacity() / norms.capacity();
    for (int f = 0; f < norms.capacity(); f++) {
      double squares = 0;
      for (int i = f * C; i < (f + 1) * C; i++) {
        squares += (double) rows.get(i) * rows.get(i);
      }
      double factor = squares == 0 ? 0 : norms.get(f) / Math.sqrt(squares);
      for (int i = f * C; i < (f + 1) * C; i++) {
        rows.put(i, (float) (factor * rows.get(i)));
      }
    }
    parameters.write(
        weight, (first, values) -> values.put(rows.slice((int) first, values.remaining())));
  }

  /** {@code bias (F) += scale * added (F)}: the bias of an adapter's B becomes part of another. */
  public static void addBias(Parameters parameters, Segment bias, Segment added, float scale) {
    FloatBuffer sum = values(parameters, bias);
    FloatBuffer more = values(parameters, added);
    for (int i = 0; i < sum.capacity(); i++) {
      sum.put(i, sum.get(i) + scale * more.get(i));
    }
    parameters.write(
        bias, (first, values) -> values.put(sum.slice((int) first, values.remaining())));
  }

  /** All values of a tensor, as the store orders them. */
  private static FloatBuffer values(Parameters parameters, Segment segment) {
    FloatBuffer values = FloatBuffer.allocate(Math.toIntExact(segment.count()));
    while (values.hasRemaining()) {
      values.put(parameters.read(segment, values.position()));
    }
    return values.flip();
  }
}
