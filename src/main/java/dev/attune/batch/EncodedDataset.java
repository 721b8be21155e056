package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.data.TokenLengths;
import java.util.Arrays;
import java.util.zip.CRC32C;

/**
 * A tokenised dataset in flat arrays: the tokens of all examples one after the other, no padding.
 * The arrays are shared, not copied; nobody writes to them after {@link Builder#build}.
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
  private final int[] ids; // (total tokens)
  private final int[] offsets; // (size + 1)
  private final int[] typeIds; // (total tokens) or null
  private final int[] labels; // (size,width) or (total tokens), as the layout says; or null
  private final float[] targets; // (size,width) or null
  private final int[] dropped; // (size)
  private final int[] sources; // (size) or null where every row is one sequence
  private final TokenLengths rowLengths; // null likewise
  private final Masking masking; // null: sequences and labels are as they are
  private final Object notes;
  private final int maxLength;
  private final int maxId;

  private EncodedDataset(Builder from) {
    this.layout = from.layout;
    this.size = from.size;
    this.columns = from.columns;
    this.apart = from.apart;
    Check.argument(size % columns == 0, "%d sequences are no rows of %d", size, columns);
    this.ids = Arrays.copyOf(from.ids, from.tokens);
    this.offsets = Arrays.copyOf(from.offsets, size + 1);
    this.typeIds = from.typeIds == null ? null : Arrays.copyOf(from.typeIds, from.tokens);
    int values = layout.values(size, from.tokens);
    this.labels = layout.hasLabels() ? Arrays.copyOf(from.labels, values) : null;
    this.targets = layout.isReal() ? Arrays.copyOf(from.targets, values) : null;
    this.dropped = Arrays.copyOf(from.dropped, size);
    this.sources = from.sources;
    this.rowLengths = from.rowLengths;
    this.masking = from.masking;
    this.notes = null;
    int longest = 0;
    for (int i = 0; i < size; i++) {
      longest = Math.max(longest, offsets[i + 1] - offsets[i]);
    }
    this.maxLength = longest;
    int highest = masking == null ? 0 : masking.maxId();
    for (int id : ids) {
      highest = Math.max(highest, id);
    }
    this.maxId = highest;
  }

  private EncodedDataset(EncodedDataset from, Object notes) {
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
    this.sources = from.sources;
    this.rowLengths = from.rowLengths;
    this.masking = from.masking;
    this.maxLength = from.maxLength;
    this.maxId = from.maxId;
    this.notes = notes;
  }

  /** Collects examples by hand; {@link Encoder} does it from a dataset. */
  public static Builder builder(TargetLayout layout, boolean withTypeIds) {
    return new Builder(layout, withTypeIds);
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
    return ids.length;
  }

  /** Tokens of one example. */
  public int length(int example) {
    return offsets[example + 1] - offsets[example];
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
  public int[] ids() {
    return ids;
  }

  /** Where each example begins in {@link #ids}, and the end (size + 1). */
  public int[] offsets() {
    return offsets;
  }

  /** Type ids (total tokens), or null where the model has none. */
  public int[] typeIds() {
    return typeIds;
  }

  /** Targets of whole numbers (size,width) or (total tokens), or {@link #IGNORED}; else null. */
  public int[] labels() {
    return labels;
  }

  /** Targets of real numbers (size,width); else null. */
  public float[] targets() {
    return targets;
  }

  /** Index in the dataset of the row that an example is of. */
  public int source(int example) {
    return sources == null ? example : sources[example];
  }

  /** Tokens that truncation took away, over all examples. */
  public long droppedTokens() {
    int[] all = rowLengths == null ? dropped : rowLengths.dropped();
    return Arrays.stream(all).asLongStream().sum();
  }

  /** Targets that are trained on in one example. */
  public int supervised(int example) {
    if (layout.isPerRow()) {
      return supervised(labels, offsets[example], offsets[example + 1]);
    }
    if (layout.isReal()) {
      return 1;
    }
    int width = layout.width();
    return supervised(labels, example * width, (example + 1) * width);
  }

  /** Labels of a range that are not {@link #IGNORED}. */
  static int supervised(int[] labels, int begin, int end) {
    int count = 0;
    for (int i = begin; i < end; i++) {
      count += labels[i] == IGNORED ? 0 : 1;
    }
    return count;
  }

  /** The dataset, with something that its task keeps beside it. */
  public EncodedDataset withNotes(Object kept) {
    return new EncodedDataset(this, kept);
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
    if (rowLengths != null) {
      return rowLengths;
    }
    int[] lengths = new int[size];
    int[] supervised = new int[size];
    for (int i = 0; i < size; i++) {
      lengths[i] = length(i);
      supervised[i] = supervised(i);
    }
    return new TokenLengths(lengths, dropped.clone(), supervised);
  }

  /** Eight hex digits over tokens and targets: a resumed run checks that its data is the same. */
  public String fingerprint() {
    CRC32C crc = new CRC32C();
    byte[] chunk = new byte[1 << 16];
    if (columns > 1) {
      crc.update(columns);
    }
    update(crc, chunk, offsets);
    update(crc, chunk, ids);
    if (typeIds != null) {
      update(crc, chunk, typeIds);
    }
    if (labels != null) {
      update(crc, chunk, labels);
    }
    if (targets != null) {
      int[] bits = new int[targets.length];
      for (int i = 0; i < bits.length; i++) {
        bits[i] = Float.floatToIntBits(targets[i]);
      }
      update(crc, chunk, bits);
    }
    return String.format("%08x", crc.getValue());
  }

  private static void update(CRC32C crc, byte[] chunk, int[] values) {
    int used = 0;
    for (int value : values) {
      chunk[used++] = (byte) value;
      chunk[used++] = (byte) (value >>> 8);
      chunk[used++] = (byte) (value >>> 16);
      chunk[used++] = (byte) (value >>> 24);
      if (used == chunk.length) {
        crc.update(chunk, 0, used);
        used = 0;
      }
    }
    crc.update(chunk, 0, used);
  }

  /** Grows the flat arrays. */
  public static final class Builder {
    private final TargetLayout layout;
    private int size;
    private int columns = 1;
    private boolean apart;
    private int tokens;
    private int[] ids = new int[1024];
    private int[] offsets = new int[65];
    private int[] typeIds;
    private int[] labels;
    private float[] targets;
    private int[] dropped = new int[64];
    private int[] sources;
    private TokenLengths rowLengths;
    private Masking masking;

    private Builder(TargetLayout layout, boolean withTypeIds) {
      this.layout = layout;
      this.typeIds = withTypeIds ? new int[1024] : null;
      this.labels = layout.hasLabels() ? new int[1024] : null;
      this.targets = layout.isReal() ? new float[64] : null;
    }

    /** Adds an example without target. */
    public Builder add(int[] exampleIds, int[] exampleTypeIds) {
      Check.argument(layout.equals(TargetLayout.NONE), "an example needs its target: %s", layout);
      return append(exampleIds, exampleTypeIds);
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
      append(exampleIds, exampleTypeIds);
      int end = Math.multiplyExact(size, numbers.length);
      if (targets.length < end) {
        targets = Arrays.copyOf(targets, end + (end >> 1));
      }
      System.arraycopy(numbers, 0, targets, end - numbers.length, numbers.length);
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
      append(exampleIds, exampleTypeIds);
      int end = layout.values(size, tokens);
      labels = grown(labels, end);
      System.arraycopy(exampleLabels, 0, labels, end - wanted, wanted);
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
      append(Arrays.copyOfRange(textIds, from, from + count), null);
      labels = grown(labels, tokens);
      int row = tokens - count;
      for (int t = 0; t < count; t++) {
        boolean learned = t + 1 < count && (supervised == null || supervised[from + t + 1]);
        labels[row + t] = learned ? textIds[from + t + 1] : IGNORED;
      }
      return this;
    }

    /**
     * States which rows the sequences are of, where that is not one to one.
     *
     * @param rowOfSequence (size)
     * @param lengths of the rows
     */
    public Builder rows(int[] rowOfSequence, TokenLengths lengths) {
      Check.argument(rowOfSequence.length == size, "%d sources", rowOfSequence.length);
      this.sources = rowOfSequence;
      this.rowLengths = lengths;
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

    /** Tokens of each sequence added so far (size). */
    public int[] lengths() {
      int[] lengths = new int[size];
      for (int i = 0; i < size; i++) {
        lengths[i] = offsets[i + 1] - offsets[i];
      }
      return lengths;
    }

    /** States how many tokens truncation took from the example added last. */
    public Builder dropped(int count) {
      dropped[size - 1] = count;
      return this;
    }

    /** The dataset. */
    public EncodedDataset build() {
      return new EncodedDataset(this);
    }

    private Builder append(int[] exampleIds, int[] exampleTypeIds) {
      Check.argument(exampleIds.length > 0, "example %d has no tokens", size);
      Check.state(
          tokens <= Integer.MAX_VALUE - 8 - exampleIds.length,
          "more than %d tokens in one dataset; split the file",
          Integer.MAX_VALUE - 8);
      int begin = tokens;
      tokens += exampleIds.length;
      size++;
      ids = grown(ids, tokens);
      System.arraycopy(exampleIds, 0, ids, begin, exampleIds.length);
      if (typeIds != null) {
        typeIds = grown(typeIds, tokens);
        if (exampleTypeIds != null) {
          System.arraycopy(exampleTypeIds, 0, typeIds, begin, exampleIds.length);
        }
      }
      offsets = grown(offsets, size + 1);
      offsets[size] = tokens;
      dropped = grown(dropped, size);
      return this;
    }

    private static int[] grown(int[] array, int needed) {
      if (array.length >= needed) {
        return array;
      }
      long wanted = Math.min(Integer.MAX_VALUE - 8, needed + (long) (needed >> 1));
      return Arrays.copyOf(array, (int) wanted);
    }
  }
}
