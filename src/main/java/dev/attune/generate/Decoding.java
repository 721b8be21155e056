package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.FiniteOutput;
import dev.attune.core.InputException;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.LinearCall;
import dev.attune.memory.HostMirror;
import dev.attune.memory.HostWindow;
import dev.attune.model.Inputs;
import dev.attune.model.KeyValueCache;
import dev.attune.model.Rotary;
import dev.attune.model.TransformerModel;
import dev.attune.ops.Cast;
import dev.attune.ops.Projection;
import dev.attune.store.Parameter;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.List;

/**
 * Runs a language model over its key/value cache, a few new rows at a time, and gives the logits
 * that follow the last row of each sequence.
 *
 * <p>A row's numbers do not depend on the other rows of a pass. The kernels for few rows and for
 * many add up in different orders, though; so a pass over prompts always has many rows, and a pass
 * that adds one token to each text always few.
 */
final class Decoding implements AutoCloseable {
  /** Rows of a prompt that are read at a time. A constant: results depend on where chunks end. */
  static final int PROMPT_ROWS = 256;

  /** Rows of several prompts in one pass. */
  static final int PASS_ROWS = 2 * PROMPT_ROWS;

  /** Sequences that are advanced at a time: up to so many rows have a kernel of their own. */
  static final int GROUP = 16;

  // Arrays of integers on the device: one a row, then one a sequence.
  private static final int IDS = 0;
  private static final int POSITIONS = 1;
  private static final int CACHE_ROWS = 2;
  private static final int CU_SEQLENS = 3;
  private static final int LAST_ROWS = 4;
  private static final int STARTS = 5;
  private static final int COUNTS = 6;
  private static final int ARRAYS = 7;
  private static final int ARRAY = PASS_ROWS + 1;

  /** A part of a prompt to be read into a slot; the tokens before it are there already. */
  record Part(int slot, int[] ids, int first, int count) {
    boolean isLast() {
      return first + count == ids.length;
    }
  }

  private final TransformerModel model;
  private final Tape tape;
  private final KeyValueCache cache;
  private final HostMirror mirror;
  private final IntBuffer ints;
  private final HostWindow window;
  private final int slotRows;
  private final int spareSlot;
  private final List<Rotary> rotaries; // see Model.batchRotaries
  private final HostMirror rotaryTables; // null where there are none

  // The pass that is being put together.
  private final int[] rowPlaces = new int[PASS_ROWS]; // in their texts, whose lengths stand beside
  private final int[] lengths = new int[PASS_ROWS];
  private int rows;
  private int sequences;
  private int wanted;

  /**
   * @param slots sequences at a time
   * @param slotRows rows of the longest
   */
  Decoding(TransformerModel model, Tape tape, int slots, int slotRows) {
    Backend backend = tape.backend();
    this.model = model;
    this.tape = tape;
    this.slotRows = slotRows;
    this.spareSlot = slots;
    this.cache =
        new KeyValueCache(
            backend, model.body().config(), tape.dtype(), slots + spareSlots(slotRows), slotRows);
    this.rotaries = model.batchRotaries();
    HostMirror integers = null;
    try {
      integers = new HostMirror(backend, (long) ARRAYS * ARRAY * Integer.BYTES, false);
      long tables = (long) PASS_ROWS * rotaries.stream().mapToInt(Rotary::size).sum();
      this.rotaryTables =
          rotaries.isEmpty() ? null : new HostMirror(backend, tables * Float.BYTES, false);
    } catch (RuntimeException e) {
      cache.close();
      if (integers != null) {
        integers.close();
      }
      throw e;
    }
    this.mirror = integers;
    this.ints = mirror.host().asIntBuffer();
    this.window = new HostWindow(backend);
  }

  /** Slots with enough rows to fill up a pass. */
  private static int spareSlots(int slotRows) {
    return (GROUP + slotRows) / slotRows;
  }

  /**
   * What the cache takes, and on a device the vocabulary in f32, which is made of one that is held
   * in fewer bits.
   */
  static long cacheBytes(TransformerModel model, DType dtype, int slots, int slotRows) {
    Projection vocabulary = model.vocabulary();
    long copy = dtype == DType.F32 ? 0 : vocabulary.rows() * vocabulary.cols() * Float.BYTES;
    int allSlots = slots + spareSlots(slotRows);
    return copy + KeyValueCache.bytes(model.body().config(), dtype, allSlots, slotRows);
  }

  /** V. */
  int vocabulary() {
    return (int) model.vocabulary().rows();
  }

  /**
   * Reads parts of prompts.
   *
   * @param parts of different slots, at most {@link #PASS_ROWS} rows in all
   * @return the logits (number of last parts, V) after the last parts, valid until the next call
   */
  FloatBuffer read(List<Part> parts) {
    begin();
    for (Part part : parts) {
      Check.argument(part.count <= PROMPT_ROWS, "%d rows at a time", part.count);
      beginSequence(part.slot, part.first + part.count);
      for (int i = 0; i < part.count; i++) {
        addRow(part.slot, part.ids[part.first + i], part.first + i, part.ids.length);
      }
      if (part.isLast()) {
        wantLogits();
      }
    }
    fillUp();
    return run();
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
    begin();
    for (int b = 0; b < B; b++) {
      beginSequence(slots[b], places[b] + 1);
      addRow(slots[b], tokens[b], places[b], places[b] + 1);
      wantLogits();
    }
    return run();
  }

  private void begin() {
    rows = 0;
    sequences = 0;
    wanted = 0;
  }

  private void beginSequence(int slot, int count) {
    put(CU_SEQLENS, sequences, rows);
    put(STARTS, sequences, slot * slotRows);
    put(COUNTS, sequences, count);
    sequences++;
  }

  /**
   * Where positions depend on how long a text is, those of a prompt are those of the whole prompt,
   * and a token that is added brings its own: keys of the rows before stay as they are, as in
   * Transformers.
   *
   * @param length of the text whose position it is
   */
  private void addRow(int slot, int id, int place, int length) {
    put(IDS, rows, checked(id));
    put(POSITIONS, rows, rotaries.isEmpty() ? place : rows);
    lengths[rows] = length;
    rowPlaces[rows] = place;
    put(CACHE_ROWS, rows, slot * slotRows + place);
    rows++;
  }

  private void wantLogits() {
    put(LAST_ROWS, wanted++, rows - 1);
  }

  /** Adds rows that nobody reads, so that the pass is one of many rows. */
  private void fillUp() {
    int slot = spareSlot;
    while (rows <= GROUP) {
      int count = Math.min(slotRows, GROUP + 1 - rows);
      beginSequence(slot, count);
      for (int i = 0; i < count; i++) {
        addRow(slot, 0, i, count);
      }
      slot++;
    }
  }

  /** Copies the first rows of a slot to another. */
  void copySlot(int from, int to, int rows) {
    cache.copySlot(tape.backend(), from, to, rows);
  }

  private FloatBuffer run() {
    put(CU_SEQLENS, sequences, rows);
    mirror.push(0, ARRAYS * ARRAY * Integer.BYTES);
    if (rotaryTables != null) {
      putTables();
    }
    tape.begin(false);
    Inputs inputs =
        new Inputs(
            sequences,
            rows,
            sequences,
            rows,
            address(IDS),
            address(POSITIONS),
            0,
            address(CU_SEQLENS),
            0,
            0,
            0,
            0,
            rotaryTables == null ? 0 : rotaryTables.address());
    cache.place(address(CACHE_ROWS), address(STARTS), address(COUNTS));
    if (wanted == 0) {
      model.body().fill(tape, inputs, cache);
      return FloatBuffer.allocate(0);
    }
    Tensor hidden = model.body().forwardRows(tape, inputs, cache, address(LAST_ROWS), wanted);
    // In f32: bf16 logits have ties, of which the first would always win.
    Tensor x = Cast.apply(tape, hidden, DType.F32);
    Projection product = model.vocabulary();
    Parameter last = product.weight();
    Tensor logits = tape.tensor(wanted, last.rows(), DType.F32, false);
    // In groups: a row's numbers must not depend on how many texts begin at once.
    for (int first = 0; first < wanted; first += GROUP) {
      int count = Math.min(GROUP, wanted - first);
      long out = logits.address() + first * last.rows() * Float.BYTES;
      long inp = x.address() + first * last.cols() * Float.BYTES;
      tape.backend()
          .run(
              new LinearCall.Forward(
                  out,
                  0,
                  inp,
                  last.operand(tape.dtype()),
                  0,
                  count,
                  last.cols(),
                  last.rows(),
                  Activation.NONE,
                  DType.F32,
                  last.operandDtype(tape.dtype())));
      product.addAdapters(tape, out, inp, count, DType.F32);
    }
    return FiniteOutput.checked(
        window.read(logits.address(), logits.sizeBytes()).asFloatBuffer(),
        (long) wanted * last.rows());
  }

  private void putTables() {
    FloatBuffer tables = rotaryTables.host().asFloatBuffer();
    for (Rotary rotary : rotaries) {
      int first = 0;
      while (first < rows) {
        int last = first;
        while (last + 1 < rows
            && lengths[last + 1] == lengths[first]
            && rowPlaces[last + 1] == rowPlaces[last] + 1) {
          last++;
        }
        rotary.fill(lengths[first], rowPlaces[first], last + 1 - first, tables);
        first = last + 1;
      }
    }
    rotaryTables.push(0, tables.position() * Float.BYTES);
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
    ints.put(array * ARRAY + index, value);
  }

  private long address(int array) {
    return mirror.address() + (long) array * ARRAY * Integer.BYTES;
  }

  @Override
  public void close() {
    cache.close();
    mirror.close();
    if (rotaryTables != null) {
      rotaryTables.close();
    }
  }
}
