package dev.attune.batch;

import dev.attune.core.Check;
import dev.attune.data.mapped.Ints;
import java.util.Arrays;

/**
 * A packed batch in host memory: the real tokens of {@code B} sequences one after the other, {@code
 * N} rows in all, never padded.
 *
 * <p>The container is reused. Its arrays grow and never shrink, so their lengths say nothing:
 * {@link #sequences} and {@link #rows} do. A batch from a {@link BatchStream} belongs to the caller
 * until the next call of {@link BatchStream#next}.
 */
public final class Batch {
  private TargetLayout layout = TargetLayout.NONE;
  private int sequences;
  private int examples;
  private int rows;
  private int maxSequenceLength;
  private int supervisedTargets;
  private int uniqueCount;
  private boolean hasTypeIds;
  private Cursor after = Cursor.START;
  private int epoch;
  private int[] inputIds; // (N)
  private int[] positions; // (N)
  private int[] typeIds; // (N)
  private int[] cuSeqlens; // (B+1)
  private int[] labels; // (B,width) or (N)
  private int[] draws = new int[0]; // (N)
  private float[] targets; // (B,width) or (N)
  private double[] references = new double[0]; // (B)
  private boolean hasReferences;
  private int[] firstRows; // (B)
  private int[] exampleIndex; // (B)
  private int[] uniqueIds; // (uniqueCount), ascending
  private final int[] randomWords = new int[4];
  private long[] seen = new long[0]; // one bit a token id; all zero between batches

  /** An empty batch that grows as needed. */
  public Batch() {
    this(0, 0);
  }

  /** A batch that holds so many sequences and rows without growing. */
  public Batch(int sequenceCapacity, int rowCapacity) {
    inputIds = new int[rowCapacity];
    positions = new int[rowCapacity];
    typeIds = new int[0];
    cuSeqlens = new int[sequenceCapacity + 1];
    labels = new int[0];
    targets = new float[0];
    firstRows = new int[sequenceCapacity];
    exampleIndex = new int[sequenceCapacity];
    uniqueIds = new int[rowCapacity];
  }

  /** B. */
  public int sequences() {
    return sequences;
  }

  /**
   * Examples: as many as sequences, unless an example has several. Then all the first ones come
   * first, in the examples' order, then all the second ones, and so on.
   */
  public int examples() {
    return examples;
  }

  /** N, the number of real tokens. */
  public int rows() {
    return rows;
  }

  /** Tokens of the longest sequence. */
  int maxSequenceLength() {
    return maxSequenceLength;
  }

  /** How the targets lie in {@link #labels} or {@link #targets}. */
  public TargetLayout layout() {
    return layout;
  }

  /** Token ids (N). */
  public int[] inputIds() {
    return inputIds;
  }

  /**
   * Position of each row in its sequence, plus the position offset asked for (N); padding tokens in
   * a text of a model with an offset all have the one below it.
   */
  public int[] positions() {
    return positions;
  }

  /** Type ids (N), or null where the model has none. */
  public int[] typeIds() {
    return hasTypeIds ? typeIds : null;
  }

  /** First row of each sequence, and N (B+1). */
  public int[] cuSeqlens() {
    return cuSeqlens;
  }

  /** Targets of whole numbers, (B,width) or (N); -100 is not trained on. Else of no meaning. */
  public int[] labels() {
    return labels;
  }

  /** Targets of real numbers, (B,width) or (N); else of no meaning. */
  public float[] targets() {
    return targets;
  }

  /**
   * A random word for each row whose token was masked (N), which says what another model writes
   * there; of other rows, and of data that are not masked, of no meaning.
   */
  public int[] draws() {
    return draws;
  }

  /** What each sequence is compared with (B); null: nothing. See {@link EncodedDataset}. */
  public double[] references() {
    return hasReferences ? references : null;
  }

  /** {@code cuSeqlens[0..B-1]} as an array of its own: where poolers read (B). */
  public int[] firstRows() {
    return firstRows;
  }

  /**
   * Index in the encoded dataset of each sequence (B); {@link EncodedDataset#source} has its row.
   */
  public int[] exampleIndex() {
    return exampleIndex;
  }

  /**
   * What a mean loss divides by: labels that are not -100, or sequences with real targets; where an
   * example has several sequences, the examples.
   */
  public int supervisedTargets() {
    return supervisedTargets;
  }

  /** What the supervised labels count together, by what each of them does, (K). */
  public double supervisedWeight(float[] weights) {
    double sum = 0;
    int count = layout.values(sequences, rows);
    for (int i = 0; i < count; i++) {
      sum += labels[i] == EncodedDataset.IGNORED ? 0 : weights[labels[i]];
    }
    return sum;
  }

  /** Distinct token ids, ascending ({@link #uniqueCount}). */
  public int[] uniqueIds() {
    return uniqueIds;
  }

  /** How many distinct token ids the batch has. */
  public int uniqueCount() {
    return uniqueCount;
  }

  /** The epoch that the batch belongs to, counted from 0. */
  public int epoch() {
    return epoch;
  }

  /** Where training goes on after this batch: what a checkpoint taken now stores. */
  public Cursor after() {
    return after;
  }

  /** Whether no batch of this epoch follows. */
  public boolean endsEpoch() {
    return after.epoch() > epoch;
  }

  /**
   * Packs the examples {@code order[from .. from+count-1]} of a dataset.
   *
   * @param order indices of examples, or null for the order of the dataset
   * @param positionOffset added to every position: padding_idx + 1 for RoBERTa, else 0
   */
  void pack(
      EncodedDataset data,
      int[] order,
      int from,
      int count,
      int positionOffset,
      int epoch,
      Cursor after) {
    int columns = data.columns();
    int needed = 0;
    for (int b = 0; b < count * columns; b++) {
      needed += data.length(sequence(columns, order, from, count, b));
    }
    this.layout = data.layout();
    this.sequences = count * columns;
    this.examples = count;
    this.rows = needed;
    this.epoch = epoch;
    this.after = after;
    this.hasTypeIds = data.typeIds() != null;
    this.hasReferences = data.references() != null;
    this.maxSequenceLength = 0;
    ensure(data, sequences, needed);
    Ints ids = data.ids();
    Ints offsets = data.offsets();
    int row = 0;
    for (int b = 0; b < sequences; b++) {
      int example = sequence(columns, order, from, count, b);
      int begin = offsets.get(example);
      int length = offsets.get(example + 1) - begin;
      ids.copy(begin, inputIds, row, length);
      if (hasTypeIds) {
        data.typeIds().copy(begin, typeIds, row, length);
      }
      if (layout.isPerRow()) {
        data.labels().copy(begin, labels, row, length);
      } else if (layout.per() == TargetLayout.Per.SEQUENCE) {
        int width = layout.width();
        if (layout.isReal()) {
          for (int i = 0; i < width; i++) {
            targets[b * width + i] = data.target(example * width + i);
          }
        } else {
          data.labels().copy(example * width, labels, b * width, width);
        }
      }
      if (hasReferences) {
        references[b] = data.references()[example];
      }
      if (data.masking() != null) {
        data.masking()
            .apply(
                epoch, begin, data.key(example), length, inputIds, labels, draws, row, randomWords);
      }
      place(row, length, positionOffset);
      cuSeqlens[b] = row;
      firstRows[b] = row;
      exampleIndex[b] = example;
      maxSequenceLength = Math.max(maxSequenceLength, length);
      row += length;
    }
    cuSeqlens[sequences] = row;
    countSupervised();
    collectUniqueIds();
  }

  /**
   * Puts tokens in the place of those that were to be found again. From now on every row has a
   * target: 1 where another token stands than in the text, else 0.
   *
   * @param tokens of the rows that have labels, in their order
   */
  public void replaceLearned(int[] tokens) {
    Check.state(layout.per() == TargetLayout.Per.LEARNED_ROW, "tokens put into %s", layout);
    layout = TargetLayout.NUMBERS_OF_ROWS;
    targets = targets.length >= rows ? targets : new float[inputIds.length];
    int at = 0;
    int highest = 0;
    for (int row = 0; row < rows; row++) {
      targets[row] = 0;
      if (labels[row] != EncodedDataset.IGNORED) {
        inputIds[row] = tokens[at++];
        targets[row] = inputIds[row] == labels[row] ? 0 : 1;
      }
      highest = Math.max(highest, inputIds[row]);
    }
    supervisedTargets = rows;
    seeUpTo(highest);
    collectUniqueIds();
  }

  /** Becomes some sequences of another batch, without their targets. */
  public void slice(Batch whole, int first, int count) {
    int begin = whole.cuSeqlens[first];
    int length = whole.cuSeqlens[first + count] - begin;
    layout = TargetLayout.NONE;
    sequences = count;
    examples = count;
    rows = length;
    supervisedTargets = 0;
    uniqueCount = 0;
    epoch = whole.epoch;
    after = whole.after;
    hasTypeIds = whole.hasTypeIds;
    hasReferences = false;
    maxSequenceLength = whole.maxSequenceLength;
    inputIds = copied(whole.inputIds, begin, length, inputIds);
    positions = copied(whole.positions, begin, length, positions);
    typeIds = hasTypeIds ? copied(whole.typeIds, begin, length, typeIds) : typeIds;
    exampleIndex = copied(whole.exampleIndex, first, count, exampleIndex);
    cuSeqlens = copied(whole.cuSeqlens, first, count + 1, cuSeqlens);
    for (int b = 0; b <= count; b++) {
      cuSeqlens[b] -= begin;
    }
    firstRows = copied(cuSeqlens, 0, count, firstRows);
  }

  private static int[] copied(int[] from, int begin, int count, int[] reuse) {
    int[] to = grown(reuse, count);
    System.arraycopy(from, begin, to, 0, count);
    return to;
  }

  /** Index in the dataset of sequence b of a batch: column by column, each in the order. */
  private static int sequence(int columns, int[] order, int from, int count, int b) {
    int at = from + b % count;
    return (order == null ? at : order[at]) * columns + b / count;
  }

  private void countSupervised() {
    if (examples < sequences) {
      supervisedTargets = examples;
      return;
    }
    supervisedTargets = layout.isReal() ? sequences : supervised(layout.values(sequences, rows));
  }

  private int supervised(int count) {
    int sum = 0;
    for (int i = 0; i < count; i++) {
      sum += labels[i] == EncodedDataset.IGNORED ? 0 : 1;
    }
    return sum;
  }

  /** One bit an id: sorted and distinct in O(N + V/64), without sorting and without allocation. */
  private void collectUniqueIds() {
    int lowest = seen.length;
    int highest = -1;
    for (int i = 0; i < rows; i++) {
      int word = inputIds[i] >>> 6;
      seen[word] |= 1L << inputIds[i];
      lowest = Math.min(lowest, word);
      highest = Math.max(highest, word);
    }
    uniqueCount = 0;
    for (int word = lowest; word <= highest; word++) {
      long bits = seen[word];
      seen[word] = 0;
      while (bits != 0) {
        uniqueIds[uniqueCount++] = (word << 6) + Long.numberOfTrailingZeros(bits);
        bits &= bits - 1;
      }
    }
  }

  /**
   * Counts the positions of a sequence. Where they begin behind that of the padding token, whose id
   * it is too, such a token in a text has that position and is not counted, as in Transformers'
   * create_position_ids_from_input_ids.
   */
  private void place(int row, int length, int positionOffset) {
    int padding = positionOffset - 1;
    int next = positionOffset;
    for (int r = row; r < row + length; r++) {
      positions[r] = padding >= 0 && inputIds[r] == padding ? padding : next++;
    }
  }

  private void ensure(EncodedDataset data, int count, int needed) {
    inputIds = grown(inputIds, needed);
    positions = grown(positions, needed);
    uniqueIds = grown(uniqueIds, needed);
    cuSeqlens = grown(cuSeqlens, count + 1);
    firstRows = grown(firstRows, count);
    exampleIndex = grown(exampleIndex, count);
    if (hasReferences && references.length < count) {
      references = new double[firstRows.length];
    }
    if (hasTypeIds) {
      typeIds = grown(typeIds, inputIds.length);
    }
    int values = layout.values(firstRows.length, inputIds.length);
    if (layout.isReal()) {
      targets = targets.length >= values ? targets : new float[values];
    } else {
      labels = grown(labels, values);
    }
    if (data.masking() != null) {
      draws = grown(draws, inputIds.length);
    }
    seeUpTo(data.maxId());
  }

  private void seeUpTo(int id) {
    if (seen.length <= id >>> 6) {
      seen = new long[(id >>> 6) + 1];
    }
  }

  private static int[] grown(int[] array, int needed) {
    return array.length >= needed ? array : Arrays.copyOf(array, needed + (needed >> 2));
  }
}
