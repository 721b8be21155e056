package dev.attune.batch;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.data.TokenLengths;
import dev.attune.data.mapped.Ints;
import dev.attune.data.mapped.Storage;
import dev.attune.data.mapped.Store;
import java.util.Arrays;

/**
 * A tokenised dataset in flat columns, in memory or in files: the tokens of all examples one after
 * the other, no padding. Nobody writes to them after {@link Builder#build}.
 *
 * <p>A row of the file may give several sequences, or none, where a task cuts texts into pieces;
 * {@link #source} says which row a sequence is of. An example is one sequence, or, where texts are
 * compared, as many as it has {@link #columns}, one behind the other: they are always in one batch.
 */
public final class EncodedDataset {
  /** The label of a token or example that is not trained on. */
  public static final int IGNORED = -100;

  private final TargetLayout layout;
  private final int size;
  private final int columns;
  private final boolean apart;
  private final Ints ids; // (total tokens)
  private final Ints offsets; // (size + 1)
  private final Ints typeIds; // (total tokens) or null
  private final Ints labels; // (size,width) or (total tokens), as the layout says; or null
  private final Ints targets; // (size,width) bits of f32; or null
  private final Ints dropped; // (size)
  private final SequenceRows rows; // null where every row is one sequence
  private final Masking masking; // null: sequences and labels are as they are
  private final Object notes;
  private final double[] references; // (size) or null
  private final int maxLength;
  private final int maxId;
  private final String fingerprint; // null until it is asked for
  private final int[] rowNumbers; // in the stream that the rows are some of; null: they are all

  private EncodedDataset(Builder from) {
    this.layout = from.layout;
    this.size = from.made.size();
    this.columns = from.columns;
    this.apart = from.apart;
    Check.argument(size % columns == 0, "%d sequences are no rows of %d", size, columns);
    ColumnSinks made = from.made;
    this.ids = made.ids();
    this.offsets = made.offsets();
    this.typeIds = made.typeIds();
    this.labels = made.labels();
    this.targets = made.targets();
    this.dropped = made.dropped();
    this.rows = made.hasRows() ? made.rows(Ints.between(offsets)) : from.givenRows;
    this.masking = from.masking;
    this.notes = null;
    this.references = null;
    this.rowNumbers = null;
    this.maxLength = made.longest();
    this.maxId = Math.max(made.highestId(), masking == null ? 0 : masking.maxId());
    this.fingerprint = null;
  }

  private EncodedDataset(EncodedDataset from, Object notes, double[] references, int[] rowNumbers) {
    this.layout = from.layout;
    this.size = from.size;
    this.columns = from.columns;
    this.apart = from.apart;
    this.ids = from.ids;
    this.offsets = from.offsets;
    this.typeIds = from.typeIds;
    this.labels = from.labels;
    this.targets = from.targets;
    this.dropped = from.dropped;
    this.rows = from.rows;
    this.masking = from.masking;
    this.maxLength = from.maxLength;
    this.maxId = from.maxId;
    this.fingerprint = from.fingerprint;
    this.notes = notes;
    this.references = references;
    this.rowNumbers = rowNumbers;
  }

  private EncodedDataset(Store store, TargetLayout layout) {
    JsonNode facts = store.facts();
    this.layout = layout;
    this.ids = store.ints(ColumnSinks.IDS);
    this.offsets = store.ints(ColumnSinks.OFFSETS);
    this.size = offsets.size() - 1;
    this.columns = 1;
    this.apart = false;
    this.typeIds =
        store.hasInts(ColumnSinks.TYPE_IDS)
            ? store.ints(ColumnSinks.TYPE_IDS)
            : facts.path(ColumnSinks.TYPE_IDS).asBoolean() ? Ints.zeros(ids.size()) : null;
    this.labels = layout.hasLabels() ? store.ints(ColumnSinks.LABELS) : null;
    this.targets = layout.isReal() ? store.ints(ColumnSinks.TARGETS) : null;
    this.dropped = store.ints(ColumnSinks.DROPPED);
    this.rows = ColumnSinks.rows(store, Ints.between(offsets));
    this.masking = null;
    this.notes = null;
    this.references = null;
    this.rowNumbers = null;
    this.maxLength = facts.path("max-length").asInt();
    this.maxId = facts.path("max-id").asInt();
    this.fingerprint = facts.path("fingerprint").asText();
  }

  /**
   * A dataset that was written to a store before.
   *
   * @param layout of its targets, as then
   */
  static EncodedDataset stored(Store store, TargetLayout layout) {
    return new EncodedDataset(store, layout);
  }

  /**
   * What {@link #stored} has to know beside the columns.
   *
   * @return null where columns do not say all: masks, notes, rows of several sequences
   */
  ObjectNode facts() {
    if (masking != null
        || notes != null
        || references != null
        || columns > 1
        || apart
        || (rows != null && !rows.areInColumns())) {
      return null;
    }
    return JsonNodeFactory.instance
        .objectNode()
        .put(ColumnSinks.TYPE_IDS, typeIds != null)
        .put("max-length", maxLength)
        .put("max-id", maxId)
        .put("fingerprint", fingerprint());
  }

  /** Collects examples by hand; {@link Encoder} does it from a dataset. */
  public static Builder builder(TargetLayout layout, boolean withTypeIds) {
    return builder(layout, withTypeIds, Storage.MEMORY);
  }

  /** The same in columns that lie elsewhere. */
  public static Builder builder(TargetLayout layout, boolean withTypeIds, Storage storage) {
    return new Builder(layout, withTypeIds, storage);
  }

  /** How the targets lie in {@link #labels} or {@link #targets}. */
  public TargetLayout layout() {
    return layout;
  }

  /** Number of sequences. */
  public int size() {
    return size;
  }

  /** Number of examples: what batches and epochs are counted in. */
  public int examples() {
    return size / columns;
  }

  /** Sequences of an example: 1, or more where texts are compared. */
  public int columns() {
    return columns;
  }

  /** Whether no batch of training may have a sequence twice. */
  boolean keepsApart() {
    return apart;
  }

  /** Number of tokens of all examples. */
  public int tokens() {
    return ids.size();
  }

  /** Tokens of one example. */
  public int length(int example) {
    return offsets.get(example + 1) - offsets.get(example);
  }

  /** Tokens of the longest example. */
  int maxSequenceLength() {
    return maxLength;
  }

  /** What becomes of tokens when they are packed; null: nothing. */
  Masking masking() {
    return masking;
  }

  /** The highest token id, to be held against the model's vocabulary. */
  public int maxId() {
    return maxId;
  }

  /** Token ids of all examples (total tokens). */
  public Ints ids() {
    return ids;
  }

  /** Where each example begins in {@link #ids}, and the end (size + 1). */
  public Ints offsets() {
    return offsets;
  }

  /** Type ids (total tokens), or null where the model has none. */
  public Ints typeIds() {
    return typeIds;
  }

  /** Targets of whole numbers (size,width) or (total tokens), or {@link #IGNORED}; else null. */
  public Ints labels() {
    return labels;
  }

  /** A copy of the targets of real numbers (size,width); null where there are none. */
  public float[] targets() {
    float[] out = targets == null ? null : new float[targets.size()];
    for (int i = 0; out != null && i < out.length; i++) {
      out[i] = target(i);
    }
    return out;
  }

  /** A target of real numbers, counted through all examples. */
  float target(int index) {
    return Float.intBitsToFloat(targets.get(index));
  }

  /** Index in the dataset of the row that an example is of. */
  public int source(int example) {
    return rows == null ? example : rows.sources().get(example);
  }

  /** Tokens that truncation took away, over all examples. */
  public long droppedTokens() {
    return (rows == null ? dropped : rows.lengths().dropped()).sum();
  }

  /** Targets that are trained on in one example. */
  public int supervised(int example) {
    if (layout.isPerRow()) {
      return supervised(labels, offsets.get(example), offsets.get(example + 1));
    }
    if (layout.isReal()) {
      return 1;
    }
    int width = layout.width();
    return supervised(labels, example * width, (example + 1) * width);
  }

  private static int supervised(Ints labels, int begin, int end) {
    int count = 0;
    for (int i = begin; i < end; i++) {
      count += labels.get(i) == IGNORED ? 0 : 1;
    }
    return count;
  }

  /** The dataset, with something that its task keeps beside it. */
  public EncodedDataset withNotes(Object kept) {
    return new EncodedDataset(this, kept, references, rowNumbers);
  }

  /**
   * The dataset, with what its sequences are compared with in training: their log-probabilities by
   * another model. They are no part of the {@link #fingerprint}, which is that of the data.
   *
   * @param ofSequences (size)
   */
  public EncodedDataset withReferences(double[] ofSequences) {
    Check.argument(
        ofSequences.length == size, "%d references of %d sequences", ofSequences.length, size);
    return new EncodedDataset(this, notes, ofSequences, rowNumbers);
  }

  /** What sequences are compared with (size); null: nothing. */
  double[] references() {
    return references;
  }

  /** The dataset, as the rows of a stream that have these numbers in a pass over it. */
  EncodedDataset numbered(int[] rows) {
    return new EncodedDataset(this, notes, references, rows);
  }

  /** What tells the first token of a sequence from others of a pass over the data. */
  long key(int sequence) {
    int begin = offsets.get(sequence);
    if (rowNumbers == null) {
      return begin;
    }
    int first = sequence;
    while (first > 0 && source(first - 1) == source(sequence)) {
      first--;
    }
    return ((long) rowNumbers[source(sequence)] << Integer.SIZE) + begin - offsets.get(first);
  }

  /**
   * What the task that made this dataset keeps beside it, such as where tokens stand in their text.
   *
   * @throws IllegalStateException if it keeps nothing of the kind
   */
  public <T> T notes(Class<T> type) {
    Check.state(
        type.isInstance(notes), "this dataset was encoded without %s", type.getSimpleName());
    return type.cast(notes);
  }

  /** Lengths, losses and targets of each row, for the data report. */
  public TokenLengths lengths() {
    if (rows != null) {
      return rows.lengths();
    }
    boolean isOneEach = !layout.isPerRow() && !layout.isReal() && layout.width() == 1;
    return new TokenLengths(
        Ints.between(offsets),
        dropped,
        isOneEach
            ? Ints.mapped(labels, label -> label == IGNORED ? 0 : 1)
            : Ints.computed(size, this::supervised));
  }

  /** Eight hex digits over tokens and targets: a resumed run checks that its data is the same. */
  public String fingerprint() {
    if (fingerprint != null) {
      return fingerprint;
    }
    return Fingerprint.of(columns, Arrays.asList(offsets, ids, typeIds, labels, targets));
  }

  /** Grows the columns. */
  public static final class Builder {
    private final TargetLayout layout;
    private final ColumnSinks made;
    private SequenceRows givenRows; // null: every row is one sequence
    private Ints built; // offsets, once they are whole
    private Masking masking;
    private boolean apart;
    private int columns = 1;

    private Builder(TargetLayout layout, boolean withTypeIds, Storage storage) {
      this.layout = layout;
      this.made = new ColumnSinks(layout, withTypeIds, storage);
    }

    /** Adds an example without target. */
    public Builder add(int[] exampleIds, int[] exampleTypeIds) {
      Check.argument(layout.equals(TargetLayout.NONE), "an example needs its target: %s", layout);
      made.append(exampleIds, exampleTypeIds);
      return this;
    }

    /** Adds an example with its label. */
    public Builder add(int[] exampleIds, int[] exampleTypeIds, int label) {
      return addLabels(exampleIds, exampleTypeIds, new int[] {label}, TargetLayout.Per.SEQUENCE);
    }

    /** Adds an example with its number. */
    public Builder add(int[] exampleIds, int[] exampleTypeIds, float target) {
      return add(exampleIds, exampleTypeIds, new float[] {target});
    }

    /** Adds an example with its numbers (width). */
    public Builder add(int[] exampleIds, int[] exampleTypeIds, float[] numbers) {
      Check.argument(
          layout.isReal() && numbers.length == layout.width(),
          "%d numbers for a target of %s",
          numbers.length,
          layout);
      made.append(exampleIds, exampleTypeIds);
      made.addTargets(numbers);
      return this;
    }

    /**
     * Adds an example with its labels: {@code width} of them, or one a token; {@link #IGNORED}
     * where there is none.
     */
    public Builder add(int[] exampleIds, int[] exampleTypeIds, int[] exampleLabels) {
      TargetLayout.Per per = layout.isPerRow() ? layout.per() : TargetLayout.Per.SEQUENCE;
      return addLabels(exampleIds, exampleTypeIds, exampleLabels, per);
    }

    private Builder addLabels(
        int[] exampleIds, int[] exampleTypeIds, int[] exampleLabels, TargetLayout.Per per) {
      Check.argument(
          layout.per() == per && !layout.isReal(), "labels given to a dataset of %s", layout);
      int wanted = layout.isPerRow() ? exampleIds.length : layout.width();
      Check.argument(
          exampleLabels.length == wanted,
          "%d labels for a target of %d",
          exampleLabels.length,
          wanted);
      made.append(exampleIds, exampleTypeIds);
      made.addLabels(exampleLabels);
      return this;
    }

    /**
     * Adds the tokens {@code from .. from+count-1} of a text as one sequence.
     *
     * @param supervised which tokens are learned, each from those before it; null: all. The first
     *     token of the sequence has none before it and is never learned
     */
    public Builder addNextTokens(int[] textIds, boolean[] supervised, int from, int count) {
      Check.argument(
          layout.equals(TargetLayout.LEARNED_ROWS), "next tokens given to a dataset of %s", layout);
      made.append(Arrays.copyOfRange(textIds, from, from + count), null);
      int[] next = new int[count];
      for (int t = 0; t < count; t++) {
        boolean learned = t + 1 < count && (supervised == null || supervised[from + t + 1]);
        next[t] = learned ? textIds[from + t + 1] : IGNORED;
      }
      made.addLabels(next);
      return this;
    }

    /**
     * States which rows the sequences are of, where that is not one to one.
     *
     * @param rowOfSequence (size)
     * @param lengths of the rows
     */
    public Builder rows(int[] rowOfSequence, TokenLengths lengths) {
      Check.argument(rowOfSequence.length == made.size(), "%d sources", rowOfSequence.length);
      this.givenRows = new SequenceRows(Ints.of(rowOfSequence), lengths, false);
      return this;
    }

    /**
     * States which row the sequence is of that was added last, where that is not one to one; then
     * every sequence needs it, and every row {@link #row}.
     */
    public Builder source(int row) {
      made.addSource(row);
      return this;
    }

    /**
     * States what became of the next row: see {@link TokenLengths}.
     *
     * @param marks see {@link TokenLengths.Texts}
     */
    public Builder row(int length, int lost, int supervised, int marks) {
      made.addRow(length, lost, supervised, marks);
      return this;
    }

    /** States that batches are masked: labels say which tokens may be, and what they are. */
    public Builder masking(Masking ofBatches) {
      Check.argument(layout.isPerRow(), "masking of targets of %s", layout);
      this.masking = ofBatches;
      return this;
    }

    /** States how many sequences make an example. */
    public Builder columns(int sequencesOfExample) {
      this.columns = sequencesOfExample;
      return this;
    }

    /** States that no batch of training may have a sequence twice. */
    public Builder apart(boolean keepsApart) {
      this.apart = keepsApart;
      return this;
    }

    /** Tokens of each sequence (size), to be read once the dataset is built. */
    public Ints lengths() {
      return Ints.computed(made.size(), i -> built.get(i + 1) - built.get(i));
    }

    /** States how many tokens truncation took from the example added last. */
    public Builder dropped(int count) {
      made.dropped(count);
      return this;
    }

    /** The dataset. */
    public EncodedDataset build() {
      EncodedDataset dataset = new EncodedDataset(this);
      built = dataset.offsets;
      return dataset;
    }
  }
}
