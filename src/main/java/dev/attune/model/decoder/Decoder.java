package dev.attune.model.decoder;

import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.model.Inputs;
import dev.attune.ops.Dropout;
import dev.attune.ops.Embedding;
import dev.attune.ops.GatherRows;
import dev.attune.ops.Rope;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;

/** The body of a decoder: embeddings, a stack of layers, the last norm. */
public final class Decoder implements AutoCloseable {
  private final DecoderConfig config;
  private final Parameter word;
  private final Parameter position; // null where positions rotate
  private final List<DecoderLayer> layers = new ArrayList<>();
  private final StreamNorm finalNorm;
  private Buffer ropeTable;
  private Rope.Table rope;

  /** Declares the body's parameters; {@link #allocate} follows once they are built. */
  public Decoder(ParameterBuilder builder, DecoderConfig config, DecoderNames names) {
    this.config = config;
    int C = config.width();
    String table = names.word() + ".weight";
    // A tied table's gradient is dense: the last product reaches every row.
    this.word =
        config.tied()
            ? builder.matrix(table, config.vocabularySize(), C)
            : builder.wordEmbedding(table, config.vocabularySize(), C);
    this.position =
        names.position() == null
            ? null
            : builder.matrix(names.position() + ".weight", config.positions(), C);
    for (int layer = 0; layer < config.layers(); layer++) {
      layers.add(new DecoderLayer(builder, config, names, layer));
    }
    this.finalNorm = StreamNorm.declare(builder, names.finalNorm(), config);
  }

  /** Allocates what is computed once: the table of rotary positions. */
  public void allocate(Backend backend) {
    if (config.rotary() != null) {
      ropeTable = ropeTable(backend);
      rope = new Rope.Table(ropeTable.address(), config.positions(), config.rotary().size());
    }
  }

  private Buffer ropeTable(Backend backend) {
    int rowBytes = config.rotary().size() * Float.BYTES;
    Buffer table = Buffer.allocate(backend, (long) config.positions() * rowBytes, false);
    int rowsAtOnce = Math.max(1, (1 << 20) / rowBytes);
    for (int first = 0; first < config.positions(); first += rowsAtOnce) {
      int rows = Math.min(rowsAtOnce, config.positions() - first);
      ByteBuffer piece = ByteBuffer.allocateDirect(rows * rowBytes).order(ByteOrder.nativeOrder());
      config.rotary().fill(first, piece.asFloatBuffer());
      table.write((long) first * rowBytes, piece);
    }
    return table;
  }

  public DecoderConfig config() {
    return config;
  }

  /** The word embedding (V,C). */
  public Parameter word() {
    return word;
  }

  /** The last norm's output for every row: (N,C). */
  public Tensor forward(Tape tape, Inputs inputs) {
    return last(tape, stack(tape, inputs, null, layers.size()));
  }

  /**
   * The last norm's output for the last row of each sequence: (B,C). The last layer skips the work
   * on all other rows, which nobody would read.
   */
  public Tensor forwardLastRows(Tape tape, Inputs inputs) {
    int before = layers.size() - 1;
    DecoderLayer.State state = stack(tape, inputs, null, before);
    return last(tape, layers.get(before).forwardLastRows(tape, state, inputs, rope));
  }

  /**
   * The last norm's output for some rows, over a cache that holds the rows before: inference only.
   *
   * @param inputs the new rows of each sequence
   * @param rows (M) i32 on the device, among the new rows
   * @return (M,C)
   */
  public Tensor forwardRows(Tape tape, Inputs inputs, KeyValueCache cache, long rows, long M) {
    DecoderLayer.State state = stack(tape, inputs, cache, layers.size());
    Tensor branch = GatherRows.apply(tape, state.branch(), rows, M);
    Tensor residual = GatherRows.apply(tape, state.residual(), rows, M);
    return last(tape, new DecoderLayer.State(branch, residual));
  }

  /** Runs new rows for what they leave in the cache. */
  public void fill(Tape tape, Inputs inputs, KeyValueCache cache) {
    stack(tape, inputs, cache, layers.size());
  }

  private Tensor last(Tape tape, DecoderLayer.State state) {
    return finalNorm.apply(tape, state.branch(), state.residual(), config.branchDropout()).out();
  }

  /** Runs the embeddings and the first {@code count} layers. */
  private DecoderLayer.State stack(Tape tape, Inputs inputs, KeyValueCache cache, int count) {
    Tensor x =
        Embedding.apply(
            tape, word, position, null, inputs.rows(), inputs.ids(), inputs.positions(), 0);
    x = Dropout.apply(tape, x, config.embeddingDropout());
    DecoderLayer.State state = new DecoderLayer.State(x, null);
    for (int layer = 0; layer < count; layer++) {
      DecoderLayer next = layers.get(layer);
      KeyValueCache.Layer cached = cache == null ? null : cache.layer(layer);
      Tensor[] out =
          tape.checkpoint(
              new Tensor[] {state.branch(), state.residual()},
              in -> {
                DecoderLayer.State before = new DecoderLayer.State(in[0], in[1]);
                DecoderLayer.State after = next.forward(tape, before, inputs, rope, cached);
                return new Tensor[] {after.branch(), after.residual()};
              });
      state = new DecoderLayer.State(out[0], out[1]);
      tape.keepOnly(state.branch(), state.residual());
    }
    return state;
  }

  @Override
  public void close() {
    if (ropeTable != null) {
      ropeTable.close();
    }
  }
}
