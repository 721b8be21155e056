package dev.attune.model;

import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.model.Names.Module;
import dev.attune.ops.DisentangledAttention;
import dev.attune.ops.DisentangledAttention.Places;
import dev.attune.ops.Dropout;
import dev.attune.ops.Embedding;
import dev.attune.ops.GatherRows;
import dev.attune.ops.RelativeBias;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** The table of relative positions, which all layers share: what their scores get by distance. */
abstract class Positions implements AutoCloseable {
  /**
   * What a pass makes of the table, once for all layers.
   *
   * @param shared numbers (H, 2 reach + 1) f32 where {@code places} is null, else rows (P,C); null:
   *     scores do not depend on distances
   * @param places of offsets among the rows
   * @param selection (count) i32 on the device: which of the rows the places are among, behind
   *     dropout; 0: all
   * @param count of those
   */
  record Distances(Tensor shared, Places places, long selection, int count) {
    static final Distances NONE = new Distances(null, null);

    Distances(Tensor shared, Places places) {
      this(shared, places, 0, 0);
    }

    /** The rows of one layer. */
    Tensor rows(Tape tape, float dropout) {
      Tensor rows = Dropout.apply(tape, shared, dropout);
      return selection == 0 ? rows : GatherRows.apply(tape, rows, selection, count);
    }
  }

  /** Declares the table; null where the model has none. */
  static Positions declare(ParameterBuilder builder, TransformerConfig config, Names names) {
    if (config.relative() != null) {
      return new Numbers(builder, config, names);
    }
    return config.disentangled() == null ? null : new Rows(builder, config, names);
  }

  abstract void allocate(Backend backend);

  /**
   * @param maxLength of the sequences of the pass
   */
  abstract Distances of(Tape tape, long maxLength);

  @Override
  public abstract void close();

  private static Buffer upload(Backend backend, int... values) {
    Buffer buffer = Buffer.allocate(backend, (long) values.length * Integer.BYTES, false);
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(values.length * Integer.BYTES).order(ByteOrder.nativeOrder());
    bytes.asIntBuffer().put(values);
    buffer.write(0, bytes);
    return buffer;
  }

  /** A number for each head and bucket of distances. */
  private static final class Numbers extends Positions {
    private final RelativePositions config;
    private final Parameter table;
    private Buffer buckets;

    Numbers(ParameterBuilder builder, TransformerConfig body, Names names) {
      this.config = body.relative();
      this.table =
          builder.matrix(
              names.of(Module.RELATIVE_POSITION) + ".weight",
              config.rows(),
              body.attention().heads());
    }

    @Override
    void allocate(Backend backend) {
      int reach = config.maxDistance();
      buckets = upload(backend, RelativeBias.buckets(reach, config.buckets(), reach, true));
    }

    @Override
    Distances of(Tape tape, long maxLength) {
      return new Distances(
          RelativeBias.apply(tape, table, buckets.address(), config.maxDistance()), null);
    }

    @Override
    public void close() {
      if (buckets != null) {
        buckets.close();
      }
    }
  }

  /** A row for each bucket of distances. */
  private static final class Rows extends Positions {
    /** Short sequences look at the rows of offsets up to this, or twice, four times … as many. */
    private static final int LEAST_REACH = 64;

    /**
     * The part of the table that sequences of some length look at.
     *
     * @param ids of its rows
     */
    private record Part(int reach, Buffer places, Buffer ids, int rows) {}

    private final DisentangledPositions config;
    private final Parameter table;
    private final Norm norm; // null where there is none
    private final List<Part> parts = new ArrayList<>(); // by rising reach

    Rows(ParameterBuilder builder, TransformerConfig body, Names names) {
      this.config = body.disentangled();
      this.table =
          builder.matrix(
              names.of(Module.RELATIVE_POSITION) + ".weight", config.rows(), body.width());
      this.norm =
          config.isNormalized()
              ? Norm.declare(builder, names.of(Module.RELATIVE_NORM), body.norms(), body.width())
              : null;
    }

    @Override
    void allocate(Backend backend) {
      int[] places = DisentangledAttention.places(config.buckets(), config.maxDistance());
      int all = places.length / 2;
      for (int reach = LEAST_REACH; reach < all; reach *= 2) {
        parts.add(part(backend, reach, Arrays.copyOfRange(places, all - reach, all + reach + 1)));
      }
      parts.add(part(backend, all, places));
    }

    private static Part part(Backend backend, int reach, int[] places) {
      int first = places[0];
      int rows = places[places.length - 1] - first + 1;
      return new Part(
          reach,
          upload(backend, IntStream.of(places).map(place -> place - first).toArray()),
          upload(backend, IntStream.range(first, first + rows).toArray()),
          rows);
    }

    @Override
    Distances of(Tape tape, long maxLength) {
      Part part = parts.get(parts.size() - 1);
      for (int i = parts.size() - 1; i >= 0 && parts.get(i).reach >= maxLength - 1; i--) {
        part = parts.get(i);
      }
      Places places = new Places(part.places.address(), part.reach);
      Part whole = parts.get(parts.size() - 1);
      if (part == whole || tape.dropout(config.dropout()) == 0) {
        return new Distances(rows(tape, part), places);
      }
      // A mask is of all rows, so that it does not depend on how long the texts of a batch are.
      return new Distances(rows(tape, whole), places, part.ids.address(), part.rows);
    }

    private Tensor rows(Tape tape, Part part) {
      Tensor rows = Embedding.apply(tape, table, null, null, part.rows, part.ids.address(), 0, 0);
      return norm == null ? rows : norm.after(tape, rows, null, 0f, 0f);
    }

    @Override
    public void close() {
      for (Part part : parts) {
        part.places.close();
        part.ids.close();
      }
    }
  }
}
