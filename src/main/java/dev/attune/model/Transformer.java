package dev.attune.model;

import dev.attune.core.Chunk;
import dev.attune.core.DeviceKind;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.memory.DeviceMemoryException;
import dev.attune.model.Block.State;
import dev.attune.model.Names.Module;
import dev.attune.ops.Add;
import dev.attune.ops.Attention;
import dev.attune.ops.Dropout;
import dev.attune.ops.Embedding;
import dev.attune.ops.GatherRows;
import dev.attune.ops.Linear;
import dev.attune.ops.Projection;
import dev.attune.ops.Rope;
import dev.attune.store.Depth;
import dev.attune.store.Parameter;
import dev.attune.store.ParameterBuilder;
import dev.attune.tape.Recomputation;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;

/** The body of a model: embeddings, a stack of layers, and the last norm where there is one. */
public final class Transformer implements AutoCloseable {
  /** A layer and the block whose parameters it runs with. */
  private record Placed(Block block, TransformerConfig.Layer layer) {}

  private final TransformerConfig config;
  private final Embedding.Table word;
  private final Embedding.Table position; // null where the family has none; likewise the next
  private final Embedding.Table type;
  private final Embedding.Table task;
  private final Norm embeddingNorm;
  private final Projection projection;
  private final Positions relative; // null where scores do not depend on distances
  private final List<Placed> layers = new ArrayList<>();
  private final boolean keepsEmbeddings;
  private int keptLayers; // from the embeddings on, where these are kept as they are
  private final Norm finalNorm;
  private final List<Rotary> batchRotaries; // see Model
  private final Map<Rotary, Buffer> tables = new IdentityHashMap<>();
  private volatile List<Block.Place> places = List.of();
  private final List<Buffer> outgrown = new ArrayList<>();
  private Backend backend;
  private volatile int reach; // positions that the tables have
  private Tensor[] below; // the stream below the last layer, where that has run; else null

  /**
   * Declares the body's parameters; {@link #allocate} follows once they are built.
   *
   * @param sharesWord whether the last product of a language model has the same weight
   */
  Transformer(ParameterBuilder builder, TransformerConfig config, Names names, boolean sharesWord) {
    this.config = config;
    Embeddings e = config.embeddings();
    int L = config.distinctLayers();
    builder.at(Depth.ofEmbeddings(L));
    this.keepsEmbeddings = builder.keeps(Depth.ofEmbeddings(L));
    String wordName = names.of(Module.WORD);
    int V = config.vocabularySize();
    this.word =
        new Embedding.Table(
            builder.wordEmbedding(wordName + ".weight", V, e.width(), sharesWord),
            builder.tableAdapter(wordName, V, e.width()));
    this.position = table(builder, names, Module.POSITION, e.positions(), e.width());
    this.type = table(builder, names, Module.TYPE, e.types(), e.width());
    this.task = table(builder, names, Module.TASK, e.tasks(), e.width());
    boolean normIsWide = e.projection() == Embeddings.Projection.BEFORE_NORM;
    this.embeddingNorm =
        e.isNormalized()
            ? Norm.declare(
                builder,
                names.of(Module.EMBEDDING_NORM),
                config.norms(),
                normIsWide ? config.width() : e.width())
            : null;
    this.projection =
        e.isProjected()
            ? Projection.declare(
                builder,
                names.of(Module.EMBEDDING_PROJECTION),
                config.width(),
                e.width(),
                !normIsWide)
            : null;
    this.relative = Positions.declare(builder, config, names);
    Map<String, Block> blocks = new HashMap<>();
    for (TransformerConfig.Layer layer : config.layers()) {
      Block block =
          blocks.computeIfAbsent(
              layer.label(),
              label -> {
                builder.at(Depth.ofLayer(blocks.size(), L));
                return new Block(builder, config, names, layer);
              });
      boolean isKept = builder.keeps(Depth.ofLayer(blocks.size() - 1, L));
      keptLayers += keepsEmbeddings && isKept && keptLayers == layers.size() ? 1 : 0;
      layers.add(new Placed(block, layer));
    }
    List<Rotary> rotaries =
        config.layers().stream()
            .map(TransformerConfig.Layer::rotary)
            .filter(Objects::nonNull)
            .distinct()
            .toList();
    boolean byLength = rotaries.stream().anyMatch(Rotary::dependsOnLength);
    this.batchRotaries = byLength ? rotaries : List.of();
    builder.at(Depth.above(L, false));
    this.finalNorm =
        config.norms().before()
            ? Norm.declare(builder, names.of(Module.FINAL_NORM), config.norms(), config.width())
            : null;
  }

  private static Embedding.Table table(
      ParameterBuilder builder, Names names, Module module, int rows, int cols) {
    if (rows == 0) {
      return null;
    }
    String name = names.of(module);
    return new Embedding.Table(
        builder.matrix(name + ".weight", rows, cols), builder.tableAdapter(name, rows, cols));
  }

  /** Allocates what is computed once: the tables of rotary positions, the buckets of distances. */
  void allocate(Backend allocator) {
    this.backend = allocator;
    if (relative != null) {
      relative.allocate(allocator);
    }
    place(config.maxLength());
  }

  /**
   * Makes tables for longer sequences than config.json speaks of. Passes that run meanwhile go on
   * with the tables that they began with.
   *
   * @return false where such positions mean nothing
   */
  synchronized boolean reach(int length) {
    if (length > reach && config.beyond() != Beyond.NOTHING) {
      outgrown.addAll(tables.values());
      tables.clear();
      // At least twice as many, so that texts of every length do not leave a table each.
      place((int) Math.max(length, Math.min(2L * reach, Integer.MAX_VALUE)));
    }
    return length <= reach;
  }

  /** The longest sequence that the tables are made for. */
  int reach() {
    return reach;
  }

  private void place(int length) {
    TransformerConfig.Attention a = config.attention();
    List<Block.Place> made = new ArrayList<>();
    for (Placed placed : layers) {
      TransformerConfig.Layer layer = placed.layer;
      Attention.Heads heads =
          new Attention.Heads(
              a.heads(),
              a.keyValueHeads(),
              a.headSize(),
              a.dropout(),
              a.isCausal(),
              layer.window(),
              config.scoreScale(layer));
      Rotary rotary = layer.rotary();
      boolean scales = rotary != null && rotary.scale() != 1;
      made.add(new Block.Place(heads, ropeTable(rotary, length), scales));
    }
    places = List.copyOf(made);
    reach = length;
  }

  private Rope.Table ropeTable(Rotary rotary, int length) {
    if (rotary == null || !batchRotaries.isEmpty()) {
      return null;
    }
    Buffer table = tables.get(rotary);
    if (table == null) {
      table = fill(rotary, length);
      tables.put(rotary, table);
    }
    return new Rope.Table(table.address(), length, rotary.size());
  }

  private Buffer fill(Rotary rotary, int length) {
    int rowBytes = rotary.size() * Float.BYTES;
    long bytes = (long) length * rowBytes;
    if (backend.device() == DeviceKind.CPU && bytes > backend.reservableBytes()) {
      throw new InputException(
          Term.MAX_LENGTH
              + " is "
              + length
              + ": rotary positions of so many tokens take "
              + DeviceMemoryException.size(bytes)
              + ", and have "
              + DeviceMemoryException.size(backend.reservableBytes())
              + " here; give a smaller one");
    }
    Buffer table = Buffer.allocate(backend, bytes, false);
    int rowsAtOnce = Chunk.BYTES / rowBytes;
    try (Chunk lent = Chunk.borrow()) {
      for (int first = 0; first < length; first += rowsAtOnce) {
        int rows = Math.min(rowsAtOnce, length - first);
        ByteBuffer piece = lent.bytes().order(ByteOrder.nativeOrder()).limit(rows * rowBytes);
        rotary.fill(first + rows, first, rows, piece.asFloatBuffer());
        table.write((long) first * rowBytes, piece);
      }
    }
    return table;
  }

  /** How a layer attends in a pass: with the tables of the batch, where the model wants those. */
  private Block.Place place(int layer, Inputs inputs) {
    Block.Place at = places.get(layer);
    Rotary rotary = layers.get(layer).layer.rotary();
    if (batchRotaries.isEmpty() || rotary == null) {
      return at;
    }
    long address = inputs.rotaryTables();
    for (Rotary before : batchRotaries.subList(0, batchRotaries.indexOf(rotary))) {
      address += inputs.rows() * before.size() * Float.BYTES;
    }
    return new Block.Place(
        at.heads(), new Rope.Table(address, inputs.rows(), rotary.size()), at.turnsFirst());
  }

  List<Rotary> batchRotaries() {
    return batchRotaries;
  }

  public TransformerConfig config() {
    return config;
  }

  /** The word embedding (V,E). */
  public Parameter word() {
    return word.weight();
  }

  /** The last hidden states of every row: (N,C). */
  public Tensor forward(Tape tape, Inputs inputs) {
    return last(tape, stack(tape, inputs, distances(tape, inputs), null, layers.size()));
  }

  /**
   * The last hidden states of the first row of each sequence: (B,C). The last layer skips the work
   * on all other rows, which nobody would read.
   */
  public Tensor forwardFirstRows(Tape tape, Inputs inputs) {
    return forwardSome(
        tape, inputs, inputs.firstRows(), batchRotaries.isEmpty() ? 0 : inputs.firstRows());
  }

  /** The same for the last row of each sequence. */
  Tensor forwardLastRows(Tape tape, Inputs inputs) {
    return forwardSome(
        tape,
        inputs,
        inputs.lastRows(),
        batchRotaries.isEmpty() ? inputs.lastPositions() : inputs.lastRows());
  }

  private Tensor forwardSome(Tape tape, Inputs inputs, long rows, long positions) {
    int before = layers.size() - 1;
    Positions.Distances distances = distances(tape, inputs);
    State state = stack(tape, inputs, distances, null, before);
    Block block = layers.get(before).block;
    Block.Place at = place(before, inputs);
    State made =
        tape.inLayer(
            before,
            () ->
                borrowing(
                    tape,
                    before,
                    () -> block.forwardRows(tape, state, inputs, at, distances, rows, positions)));
    return last(tape, made);
  }

  /**
   * The last hidden states of some rows, over a cache that holds the rows before: inference only.
   *
   * @param inputs the new rows of each sequence
   * @param rows (M) i32 on the device, among the new rows
   * @return (M,C)
   */
  public Tensor forwardRows(Tape tape, Inputs inputs, KeyValueCache cache, long rows, long M) {
    State state = stack(tape, inputs, Positions.Distances.NONE, cache, layers.size());
    Tensor[] some = new Tensor[state.parts().length];
    for (int i = 0; i < some.length; i++) {
      some[i] = GatherRows.apply(tape, state.parts()[i], rows, M);
    }
    return last(tape, State.of(some));
  }

  /** Runs new rows for what they leave in the cache. */
  public void fill(Tape tape, Inputs inputs, KeyValueCache cache) {
    stack(tape, inputs, Positions.Distances.NONE, cache, layers.size());
  }

  /** The stream below the last layer, for {@link #above}. */
  Tensor[] forwardBelowLast(Tape tape, Inputs inputs) {
    return stack(tape, inputs, distances(tape, inputs), null, layers.size() - 1).parts();
  }

  /**
   * Runs what is left of a pass whose layers but the last have run.
   *
   * @param stream as {@link #forwardBelowLast} gives it
   * @param pass runs this body
   */
  <T> T above(Tensor[] stream, Supplier<T> pass) {
    below = stream;
    try {
      return pass.get();
    } finally {
      below = null;
    }
  }

  /** Whether nothing in a pass depends on how long the longest text of the batch is. */
  boolean canShareLayers() {
    return relative == null && batchRotaries.isEmpty();
  }

  /** What scores get by distance in this pass. */
  private Positions.Distances distances(Tape tape, Inputs inputs) {
    return relative == null ? Positions.Distances.NONE : relative.of(tape, inputs.maxLength());
  }

  private Tensor last(Tape tape, State state) {
    return finalNorm == null
        ? state.branch()
        : finalNorm
            .before(tape, state.branch(), state.residual(), Block.branchDropout(config))
            .out();
  }

  /** Runs the embeddings and the first {@code count} layers. */
  private State stack(
      Tape tape, Inputs inputs, Positions.Distances distances, KeyValueCache cache, int count) {
    Tensor shared = distances.shared();
    Supplier<Tensor[]> embedding = () -> new Tensor[] {embed(tape, inputs)};
    Tensor[] out =
        below != null
            ? below
            : tape.training() && keepsEmbeddings
                ? tape.untrained(shared, embedding)
                : embedding.get();
    for (int i = below == null ? 0 : layers.size() - 1; i < count; i++) {
      Block block = layers.get(i).block;
      Block.Place at = place(i, inputs);
      KeyValueCache.Layer cached = cache == null ? null : cache.layer(i);
      int number = i;
      UnaryOperator<Tensor[]> layer =
          in ->
              tape.inLayer(
                  number,
                  () ->
                      borrowing(
                          tape,
                          number,
                          () ->
                              block
                                  .forward(tape, State.of(in), inputs, at, distances, cached)
                                  .parts()));
      Tensor[] in = out;
      out =
          tape.training() && i < keptLayers
              ? tape.untrained(shared, () -> layer.apply(in))
              : Recomputation.apply(tape, in, layer);
      tape.keepOnly(out[0], out[out.length - 1], shared);
    }
    return State.of(out);
  }

  /** Layers that share weights add to one gradient, which then is not free in between. */
  private <T> T borrowing(Tape tape, int layer, Supplier<T> body) {
    return config.distinctLayers() < layers.size() ? body.get() : tape.borrowing(layer, body);
  }

  private Tensor embed(Tape tape, Inputs inputs) {
    Tensor x =
        Embedding.apply(
            tape,
            word,
            position,
            type,
            inputs.rows(),
            inputs.ids(),
            inputs.positions(),
            inputs.typeIds());
    if (task != null) {
      x = Add.apply(tape, x, Embedding.firstRow(tape, task, inputs.rows()));
    }
    float dropout = config.embeddings().dropout();
    boolean normIsLast = config.embeddings().projection() == Embeddings.Projection.BEFORE_NORM;
    if (normIsLast) {
      x = Linear.apply(tape, x, projection);
    }
    x =
        embeddingNorm == null
            ? Dropout.apply(tape, x, dropout)
            : embeddingNorm.after(tape, x, null, 0f, dropout);
    return projection == null || normIsLast ? x : Linear.apply(tape, x, projection);
  }

  @Override
  public void close() {
    tables.values().forEach(Buffer::close);
    outgrown.forEach(Buffer::close);
    if (relative != null) {
      relative.close();
    }
  }
}
