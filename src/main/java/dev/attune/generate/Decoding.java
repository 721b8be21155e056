package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.memory.HostMirror;
import dev.attune.memory.HostWindow;
import dev.attune.model.Inputs;
import dev.attune.model.decoder.DecoderModel;
import dev.attune.model.decoder.KeyValueCache;
import dev.attune.ops.Cast;
import dev.attune.tape.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;

/**
 * Runs a language model over its key/value cache, a few new rows at a time, and gives the logits
 * that follow the last row of each sequence.
 */
final class Decoding implements AutoCloseable {
  /** Rows of a prompt that are read at a time. A constant: results depend on where chunks end. */
  static final int PROMPT_ROWS = 256;

  /** Sequences that are advanced at a time: the kernels treat so few rows each by itself. */
  static final int GROUP = 16;

  private static final int ARRAYS = 8;

  private final DecoderModel model;
  private final Tape tape;
  private final KeyValueCache cache;
  private final HostMirror mirror;
  private final IntBuffer ints;
  private final HostWindow window;
  private final int slotRows;

  /**
   * @param slots sequences at a time
   * @param slotRows rows of the longest
   */
  Decoding(DecoderModel model, Tape tape, int slots, int slotRows) {
    Backend backend = tape.backend();
    this.model = model;
    this.tape = tape;
    this.slotRows = slotRows;
    this.cache =
        new KeyValueCache(backend, model.decoder().config(), tape.dtype(), slots, slotRows);
    this.mirror = new HostMirror(backend, (long) ARRAYS * (PROMPT_ROWS + 1) * Integer.BYTES, false);
    this.ints = mirror.host().asIntBuffer();
    this.window = new HostWindow(backend);
  }

  /** V. */
  int vocabulary() {
    return (int) model.vocabulary().rows();
  }

  /** Rows of a slot. */
  int slotRows() {
    return slotRows;
  }

  /**
   * Reads a part of a prompt into a slot.
   *
   * @param ids of the whole prompt
   * @param first first token of the part; those before are in the slot already
   * @param count at most {@link #PROMPT_ROWS}
   * @return the logits (V) after the part's last token, valid until the next call
   */
  FloatBuffer read(int slot, int[] ids, int first, int count) {
    Check.argument(count <= PROMPT_ROWS, "%d rows at a time", count);
    for (int i = 0; i < count; i++) {
      put(0, i, checked(ids[first + i]));
      put(1, i, first + i);
      put(2, i, slot * slotRows + first + i);
    }
    put(3, 0, 0);
    put(3, 1, count);
    put(4, 0, count - 1);
    put(5, 0, slot * slotRows);
    put(6, 0, first + count);
    return run(count, 1);
  }

  /**
   * Adds one token to each of some slots.
   *
   * @param slots (B) of them, B at most {@link #GROUP}
   * @param tokens (B)
   * @param places (B) tokens in each slot before
   * @return the logits (B,V) after them, valid until the next call
   */
  FloatBuffer advance(int[] slots, int[] tokens, int[] places, int B) {
    Check.argument(B <= GROUP, "%d sequences at a time", B);
    for (int b = 0; b < B; b++) {
      put(0, b, checked(tokens[b]));
      put(1, b, places[b]);
      put(2, b, slots[b] * slotRows + places[b]);
      put(3, b, b);
      put(4, b, b);
      put(5, b, slots[b] * slotRows);
      put(6, b, places[b] + 1);
    }
    put(3, B, B);
    return run(B, B);
  }

  /** Copies the first rows of a slot to another. */
  void copySlot(int from, int to, int rows) {
    cache.copySlot(tape.backend(), from, to, rows);
  }

  private FloatBuffer run(int N, int B) {
    mirror.push(0, ARRAYS * (PROMPT_ROWS + 1) * Integer.BYTES);
    tape.begin(false, 0);
    Inputs inputs = new Inputs(B, N, address(0), address(1), 0, address(3), 0, address(4), 0);
    cache.place(address(2), address(5), address(6));
    Tensor hidden = model.decoder().forwardLastRows(tape, inputs, cache);
    // In f32: bf16 logits have ties, of which the first would always win.
    Tensor x = Cast.apply(tape, hidden, DType.F32);
    Parameter last = model.vocabulary();
    Tensor logits = tape.tensor(B, last.rows(), DType.F32, false);
    tape.backend()
        .linearForward(
            logits.address(),
            0,
            x.address(),
            last.operand(tape.dtype()),
            0,
            B,
            last.cols(),
            last.rows(),
            Activation.NONE,
            DType.F32,
            last.operandDtype(tape.dtype()));
    return window.read(logits.address(), logits.sizeBytes()).asFloatBuffer();
  }

  private int checked(int id) {
    if (id < 0 || id >= vocabulary()) {
      throw new InputException(
          "the tokenizer gives token id "
              + id
              + ", the model has "
              + vocabulary()
              + " word embeddings; the folder's tokenizer belongs to another model");
    }
    return id;
  }

  private void put(int array, int index, int value) {
    ints.put(array * (PROMPT_ROWS + 1) + index, value);
  }

  private long address(int array) {
    return mirror.address() + (long) array * (PROMPT_ROWS + 1) * Integer.BYTES;
  }

  @Override
  public void close() {
    cache.close();
    mirror.close();
  }
}
