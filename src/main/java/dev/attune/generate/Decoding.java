package dev.attune.generate;

import dev.attune.core.Check;
import dev.attune.core.DType;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.kernels.Activation;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Replay;
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
import dev.attune.tape.RowGroup;
import dev.attune.tape.Tape;
import dev.attune.tape.Tensor;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;

/**
 * Runs a language model over its key/value cache, a few new rows at a time, and gives the logits
 * that follow the last row of each sequence.
 *
 * <p>Whether the logits are finite is for the caller to look at, who knows whose they are.
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

  /** Sequences that are advanced in a pass, a group of them after another in each product. */
  static final int ADVANCED = 4 * GROUP;

  /** Of the cache, for rows that fill up a pass. */
  private static final int SPARE_ROWS = GROUP + 1;

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

  /**
   * A part of a prompt to be read; the tokens before it are there already.
   *
   * @param row of the cache where the text begins
   * @param adapters of the text's own: see {@link RowGroup}; null: none
   */
  record Part(int row, int[] ids, int first, int count, Object adapters) {
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
  private final int spareRow; // and those that follow: of rows that fill up a pass
  private final List<Rotary> rotaries; // see Model.batchRotaries
  private final HostMirror rotaryTables; // null where there are none

  // The pass that is being put together.
  private final int[] rowPlaces = new int[PASS_ROWS]; // in their texts, whose lengths stand beside
  private final int[] lengths = new int[PASS_ROWS];
  private int rows;
  private int rowsAtOnce; // in products; 0: all
  private int sequences;
  private int wanted;
  private final Pass[] passes = new Pass[ADVANCED + 1]; // that add tokens, by their rows
  private final Groups groups = new Groups(); // of the rows
  private final Groups wantedGroups = new Groups(); // of those whose logits are wanted

  /**
   * Calls of a pass, which recur while all that their arguments follow from is as it was.
   *
   * @param calls null: to be made anew each time
   * @param layout of the arena
   * @param version of the weights
   */
  private record Pass(Replay calls, Tensor logits, long layout, long version) {}

  /** Which rows have adapters of their own: neighbours with the same ones are one group. */
  private static final class Groups {
    private final List<RowGroup> all = new ArrayList<>();

    void clear() {
      all.clear();
    }

    void add(long row, long count, Object adapters) {
      RowGroup last = all.isEmpty() ? null : all.get(all.size() - 1);
      if (last != null && last.adapters() == adapters) {
        all.set(all.size() - 1, new RowGroup(last.first(), last.rows() + count, adapters));
      } else {
        all.add(new RowGroup(row, count, adapters));
      }
    }

    boolean haveAdapters() {
      return all.stream().anyMatch(group -> group.adapters() != null);
    }

    /** Those of some of the rows, counted from the first of these; empty: none has adapters. */
    List<RowGroup> of(long first, long count) {
      if (!haveAdapters()) {
        return List.of();
      }
      List<RowGroup> some = new ArrayList<>();
      for (RowGroup group : all) {
        long begin = Math.max(first, group.first());
        long end = Math.min(first + count, group.first() + group.rows());
        if (begin < end) {
          some.add(new RowGroup(begin - first, end - begin, group.adapters()));
        }
      }
      return some;
    }
  }

  /**
   * @param cacheRows tokens of all texts at a time
   */
  Decoding(TransformerModel model, Tape tape, int cacheRows) {
    Backend backend = tape.backend();
    this.model = model;
    this.tape = tape;
    this.spareRow = cacheRows;
    this.cache =
        new KeyValueCache(
            backend, model.body().config(), tape.dtype(), Math.addExact(cacheRows, SPARE_ROWS));
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

  /**
   * What the cache takes, and on a device the vocabulary in f32, which is made of one that is held
   * in fewer bits.
   */
  static long cacheBytes(TransformerModel model, DType dtype, long cacheRows) {
    Projection vocabulary = model.vocabulary();
    long copy = dtype == DType.F32 ? 0 : vocabulary.rows() * vocabulary.cols() * Float.BYTES;
    return copy + KeyValueCache.bytes(model.body().config(), dtype, cacheRows + SPARE_ROWS);
  }

  /** What the keys and values of a token take. */
  static long rowBytes(TransformerModel model, DType dtype) {
    return KeyValueCache.bytes(model.body().config(), dtype, 1);
  }

  /** Of a pass that adds tokens, rows that are multiplied at once, but for the vocabulary. */
  static int rowsAtOnce(Tape tape) {
    return tape.backend().rowsAreAlike(tape.dtype()) ? ADVANCED : GROUP;
  }

  /** V. */
  int vocabulary() {
    return (int) model.vocabulary().rows();
  }

  /**
   * Reads parts of prompts.
   *
   * @param parts of different texts, at most {@link #PASS_ROWS} rows in all
   * @return the logits (number of last parts, V) after the last parts, valid until the next call
   */
  FloatBuffer read(List<Part> parts) {
    begin();
    for (Part part : parts) {
      Check.argument(part.count <= PROMPT_ROWS, "%d rows at a time", part.count);
      beginSequence(part.row, part.first + part.count);
      groups.add(rows, part.count, part.adapters);
      for (int i = 0; i < part.count; i++) {
        addRow(part.row, part.ids[part.first + i], part.first + i, part.ids.length);
      }
      if (part.isLast()) {
        wantLogits(part.adapters);
      }
    }
    fillUp();
    return run();
  }

  /** Whether {@link #checkProposals} lets them pass. */
  static boolean takesProposals(Backend backend) {
    return backend.fewRows() <= GROUP;
  }

  /**
   * Refuses tokens that are only proposed, beside the last one of a text, where a row's numbers may
   * depend on how many rows a product has: texts would depend on what is proposed.
   */
  static void checkProposals(Backend backend) {
    if (!takesProposals(backend)) {
      throw new InputException(
          Term.PROMPT_LOOKUP_NUM_TOKENS
              + " is not for the backend "
              + backend.name()
              + ", on which a text might change by it; leave it out");
    }
  }

  /**
   * Adds one token to each of some texts, or several, a row each, in their order: a row attends
   * over all that stands in the cache before it, the rows of this pass included. Rows that were
   * added and are not wanted are written over by what comes in their place.
   *
   * @param firstRows (B) where the text of each row begins in the cache, B at most {@link
   *     #ADVANCED}
   * @param tokens (B)
   * @param places (B) tokens of its text before each
   * @param adapters (B) of each text's own, or null
   * @return the logits (B,V) after them, valid until the next call
   */
  FloatBuffer advance(int[] firstRows, int[] tokens, int[] places, Object[] adapters, int B) {
    Check.argument(B <= ADVANCED, "%d sequences at a time", B);
    begin();
    rowsAtOnce = GROUP;
    for (int b = 0; b < B; b++) {
      beginSequence(firstRows[b], places[b] + 1);
      groups.add(b, 1, adapters[b]);
      addRow(firstRows[b], tokens[b], places[b], places[b] + 1);
      wantLogits(adapters[b]);
    }
    return run();
  }

  private void begin() {
    rows = 0;
    rowsAtOnce = 0;
    sequences = 0;
    wanted = 0;
    groups.clear();
    wantedGroups.clear();
  }

  private void beginSequence(int firstRow, int count) {
    put(CU_SEQLENS, sequences, rows);
    put(STARTS, sequences, firstRow);
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
  private void addRow(int firstRow, int id, int place, int length) {
    put(IDS, rows, checked(id));
    put(POSITIONS, rows, rotaries.isEmpty() ? place : rows);
    lengths[rows] = length;
    rowPlaces[rows] = place;
    put(CACHE_ROWS, rows, firstRow + place);
    rows++;
  }

  private void wantLogits(Object adapters) {
    wantedGroups.add(wanted, 1, adapters);
    put(LAST_ROWS, wanted++, rows - 1);
  }

  /** Adds rows that nobody reads, so that the pass is one of many rows. */
  private void fillUp() {
    int row = spareRow;
    while (rows <= GROUP) {
      int count = Math.min(model.maxLength(), GROUP + 1 - rows);
      beginSequence(row, count);
      groups.add(rows, count, null);
      for (int i = 0; i < count; i++) {
        addRow(row, 0, i, count);
      }
      row += count;
    }
  }

  /** Copies rows of the cache to others. */
  void copyRows(int from, int to, int count) {
    cache.copyRows(tape.backend(), from, to, count);
  }

  private FloatBuffer run() {
    put(CU_SEQLENS, sequences, rows);
    mirror.push(0, ARRAYS * ARRAY * Integer.BYTES);
    if (rotaryTables != null) {
      putTables();
    }
    tape.begin(false);
    if (wanted == 0) {
      Inputs inputs = place();
      model.body().fill(tape, inputs, cache);
      return FloatBuffer.allocate(0);
    }
    Tensor logits = recurs() ? advanced() : logits();
    return window.read(logits.address(), logits.sizeBytes()).asFloatBuffer();
  }

  /** Whether a pass is one of those that add tokens, all of whose numbers are those of its rows. */
  private boolean recurs() {
    return rowsAtOnce == GROUP && !model.parameters().trainable() && !groups.haveAdapters();
  }

  private Tensor advanced() {
    Pass pass = passes[rows];
    if (pass != null
        && pass.layout == tape.arena().layout()
        && pass.version == model.parameters().version()) {
      if (pass.calls == null) {
        return logits();
      }
      pass.calls.run();
      return pass.logits;
    }
    Tensor[] made = new Tensor[1];
    Replay calls = tape.backend().keep(() -> made[0] = logits());
    passes[rows] = new Pass(calls, made[0], tape.arena().layout(), model.parameters().version());
    return made[0];
  }

  private Inputs place() {
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
    tape.group(groups.of(0, rows));
    tape.multiplyApart(rowsAtOnce);
    return inputs;
  }

  private Tensor logits() {
    Inputs inputs = place();
    Tensor hidden = model.body().forwardRows(tape, inputs, cache, address(LAST_ROWS), wanted);
    // In f32: bf16 logits have ties, of which the first would always win.
    Tensor x = Cast.apply(tape, hidden, DType.F32);
    Projection product = model.vocabulary();
    Parameter last = product.weight();
    Tensor logits = tape.tensor(wanted, last.rows(), DType.F32, false);
    // In groups: a row's numbers must not depend on how many texts begin at once.
    for (int first = 0; first < wanted; first += GROUP) {
      int count = Math.min(GROUP, wanted - first);
      tape.group(wantedGroups.of(first, count));
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
    return logits;
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

  /**
   * The same id.
   *
   * @throws InputException if the model has no embedding for it
   */
  int checked(int id) {
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
