package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.IntSink;
import dev.attune.data.mapped.Ints;
import dev.attune.data.mapped.Storage;
import dev.attune.data.mapped.Store;

/** The columns of an encoded dataset in the making, in memory or in files. */
final class ColumnSinks {
  static final String IDS = "ids";
  static final String OFFSETS = "offsets";
  static final String TYPE_IDS = "type-ids";
  static final String LABELS = "labels";
  static final String TARGETS = "targets";
  static final String DROPPED = "dropped";
  static final String SOURCES = "sources";
  static final String ROW_LENGTHS = "row-lengths";
  static final String ROW_DROPPED = "row-dropped";
  static final String ROW_SUPERVISED = "row-supervised";
  static final String ROW_MARKS = "row-marks";

  private final Storage storage;
  private final IntSink ids;
  private final IntSink offsets;
  private final IntSink labels; // null: none
  private final IntSink targets; // bits of f32; null: none
  private final IntSink dropped;
  private final boolean withTypeIds;
  private IntSink typeIds; // null until one is not 0
  private IntSink sources; // null until rows are told apart from sequences
  private IntSink[] rows; // likewise: lengths, dropped, supervised, marks
  private int size;
  private int tokens;
  private int lastDropped;
  private int longest;
  private int highestId;

  ColumnSinks(TargetLayout layout, boolean withTypeIds, Storage storage) {
    this.storage = storage;
    this.withTypeIds = withTypeIds;
    this.ids = storage.ints(IDS);
    this.offsets = storage.ints(OFFSETS);
    this.labels = layout.hasLabels() ? storage.ints(LABELS) : null;
    this.targets = layout.isReal() ? storage.ints(TARGETS) : null;
    this.dropped = storage.ints(DROPPED);
    offsets.add(0);
  }

  /** Adds a sequence, without its targets. */
  void append(int[] sequence, int[] types) {
    Check.argument(sequence.length > 0, "example %d has no tokens", size);
    int grown = IntSink.grown(tokens, sequence.length);
    if (size > 0) {
      dropped.add(lastDropped);
    }
    lastDropped = 0;
    addTypes(types, sequence.length);
    tokens = grown;
    size++;
    ids.addAll(sequence, 0, sequence.length);
    offsets.add(tokens);
    longest = Math.max(longest, sequence.length);
    for (int id : sequence) {
      highestId = Math.max(highestId, id);
    }
  }

  /** Most datasets have no other type than 0: the column begins with the first other one. */
  private void addTypes(int[] types, int count) {
    if (!withTypeIds || typeIds == null && (types == null || isZero(types))) {
      return;
    }
    if (typeIds == null) {
      typeIds = storage.ints(TYPE_IDS);
      for (int i = 0; i < tokens; i++) {
        typeIds.add(0);
      }
    }
    typeIds.addAll(types == null ? new int[count] : types, 0, count);
  }

  private static boolean isZero(int[] types) {
    for (int type : types) {
      if (type != 0) {
        return false;
      }
    }
    return true;
  }

  /** Tokens that the sequence added last has lost. */
  void dropped(int count) {
    lastDropped = count;
  }

  void addLabels(int[] values) {
    labels.addAll(values, 0, values.length);
  }

  void addTargets(float[] values) {
    for (float value : values) {
      targets.add(Float.floatToIntBits(value));
    }
  }

  /** The row that the sequence added last is of. */
  void addSource(int row) {
    sources = sources == null ? storage.ints(SOURCES) : sources;
    sources.add(row);
  }

  /** What became of the next row. */
  void addRow(int length, int lost, int supervised, int marks) {
    if (rows == null) {
      sources = sources == null ? storage.ints(SOURCES) : sources;
      rows =
          new IntSink[] {
            storage.ints(ROW_LENGTHS),
            storage.ints(ROW_DROPPED),
            storage.ints(ROW_SUPERVISED),
            storage.ints(ROW_MARKS)
          };
    }
    rows[0].add(length);
    rows[1].add(lost);
    rows[2].add(supervised);
    rows[3].add(marks);
  }

  /** Sequences. */
  int size() {
    return size;
  }

  /** Tokens of the longest sequence. */
  int longest() {
    return longest;
  }

  int highestId() {
    return highestId;
  }

  /** Whether rows were told apart from sequences. */
  boolean hasRows() {
    return rows != null;
  }

  Ints ids() {
    return ids.done();
  }

  Ints offsets() {
    return offsets.done();
  }

  Ints typeIds() {
    return !withTypeIds ? null : typeIds == null ? Ints.zeros(tokens) : typeIds.done();
  }

  Ints labels() {
    return labels == null ? null : labels.done();
  }

  Ints targets() {
    return targets == null ? null : targets.done();
  }

  Ints dropped() {
    if (size > 0) {
      dropped.add(lastDropped);
    }
    return dropped.done();
  }

  /**
   * The rows whose columns lie in a store; null where every row is one sequence.
   *
   * @param sequences tokens of each
   */
  static SequenceRows rows(Store store, Ints sequences) {
    if (!store.hasInts(ROW_LENGTHS)) {
      return null;
    }
    return new SequenceRows(
        store.ints(SOURCES),
        new TokenLengths(
            store.ints(ROW_LENGTHS),
            store.ints(ROW_DROPPED),
            store.ints(ROW_SUPERVISED),
            sequences,
            new TokenLengths.Texts(store.ints(ROW_MARKS))),
        true);
  }

  /**
   * The rows, which were told apart from sequences.
   *
   * @param sequences tokens of each
   */
  SequenceRows rows(Ints sequences) {
    return new SequenceRows(
        sources.done(),
        new TokenLengths(
            rows[0].done(),
            rows[1].done(),
            rows[2].done(),
            sequences,
            new TokenLengths.Texts(rows[3].done())),
        true);
  }
}
