package dev.attune.model;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.AttentionCachedCall;
import dev.attune.kernels.calls.CopyCall;
import dev.attune.kernels.calls.KvCacheWriteCall;
import dev.attune.memory.Buffer;
import dev.attune.ops.Attention;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * Keys and values of the rows that sequences in generation have seen. Each sequence has a slot of
 * as many rows as its longest; on the CPU rows that are never written cost no memory.
 */
public final class KeyValueCache implements AutoCloseable {
  private final DType dtype;
  private final int slotRows;
  private final int width;
  private final List<Layer> layers = new ArrayList<>();

  /** Where the batch in hand lies in the cache; addresses of i32 arrays. */
  private long rows;

  private long starts;
  private long counts;

  /**
   * @param slots sequences at a time
   * @param slotRows rows of the longest: slot s begins at row s * slotRows
   */
  public KeyValueCache(
      Backend backend, TransformerConfig config, DType dtype, int slots, int slotRows) {
    this.dtype = dtype;
    this.slotRows = slotRows;
    this.width = width(config);
    long bytes = layerBytes(config, dtype, slots, slotRows) / 2;
    try {
      for (int layer = 0; layer < config.layers().size(); layer++) {
        Layer made = new Layer(allocate(backend, bytes));
        layers.add(made);
        made.values = allocate(backend, bytes);
      }
    } catch (RuntimeException e) {
      close(); // of what there is: a device has no room for a part that nobody owns
      throw e;
    }
  }

  /** What a cache takes. */
  public static long bytes(TransformerConfig config, DType dtype, int slots, int slotRows) {
    return config.layers().size() * layerBytes(config, dtype, slots, slotRows);
  }

  private static long layerBytes(TransformerConfig config, DType dtype, int slots, int slotRows) {
    return 2L * slots * slotRows * width(config) * dtype.sizeBytes();
  }

  private static int width(TransformerConfig config) {
    return config.attention().keyValueHeads() * config.attention().headSize();
  }

  private static Buffer allocate(Backend backend, long bytes) {
    return Buffer.allocate(
        backend,
        bytes,
        false,
        "a layer's keys or values",
        "a smaller " + Term.STREAMS + ", " + Term.MAX_LENGTH + " or " + Term.MAX_NEW_TOKENS);
  }

  /**
   * Points the cache at a batch.
   *
   * @param newRows (N) i32 on the device: where each new row goes
   * @param firstRows (B) i32: first row of each sequence's slot
   * @param rowCounts (B) i32: rows of each sequence, the new ones included
   */
  public void place(long newRows, long firstRows, long rowCounts) {
    this.rows = newRows;
    this.starts = firstRows;
    this.counts = rowCounts;
  }

  /** Copies the first rows of a slot to another: a text that goes on in two ways. */
  public void copySlot(Backend backend, int from, int to, int count) {
    long rowBytes = (long) width * dtype.sizeBytes();
    long source = from * slotRows * rowBytes;
    long target = to * slotRows * rowBytes;
    for (Layer layer : layers) {
      backend.run(
          new CopyCall(
              layer.keys.address() + target, layer.keys.address() + source, count * rowBytes));
      backend.run(
          new CopyCall(
              layer.values.address() + target, layer.values.address() + source, count * rowBytes));
    }
  }

  Layer layer(int index) {
    return layers.get(index);
  }

  @Override
  public void close() {
    layers.forEach(Layer::close);
  }

  /** Keys and values of one layer. */
  final class Layer {
    private final Buffer keys;
    private Buffer values;

    private Layer(Buffer keys) {
      this.keys = keys;
    }

    /**
     * Writes the new rows' keys and values, then attends over everything written.
     *
     * @param qkv (N, (H + 2 Hkv) D)
     * @return (N, H D)
     */
    Tensor attend(Tape tape, Attention.Heads heads, Tensor qkv, Inputs inputs) {
      Check.state(!tape.training(), "a cache serves generation, not training");
      Check.argument(qkv.dtype() == dtype, "the cache is %s, its input %s", dtype, qkv.dtype());
      int size = dtype.sizeBytes();
      long key = qkv.address() + heads.queryWidth() * size;
      long value = key + heads.keyValueWidth() * size;
      tape.run(
          new KvCacheWriteCall(
              keys.address(),
              values.address(),
              key,
              value,
              rows,
              qkv.rows(),
              width,
              qkv.cols(),
              width,
              dtype));
      Tensor out = tape.tensor(qkv.rows(), heads.queryWidth(), dtype, false);
      tape.run(
          new AttentionCachedCall(
              out.address(),
              qkv.address(),
              keys.address(),
              values.address(),
              inputs.cuSeqlens(),
              starts,
              counts,
              qkv.cols(),
              width,
              inputs.sequences(),
              heads.heads(),
              heads.keyValueHeads(),
              heads.headSize(),
              heads.scale(),
              heads.window(),
              dtype));
      return out;
    }

    private void close() {
      keys.close();
      if (values != null) {
        values.close();
      }
    }
  }
}
