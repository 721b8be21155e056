package dev.attune.batch;

/** What a run learns from, as batches. */
public interface TrainingData {
  /** How targets lie in a batch. */
  TargetLayout layout();

  /** Sequences of an example: 1, or more where texts are compared. */
  int columns();

  /** The sequences that no batch of so many examples exceeds. */
  int sequenceCapacity(int batchSize);

  /** The rows that no batch of so many examples exceeds. */
  int rowCapacity(int batchSize);

  /** Batches in an epoch; 0: not known before its end. */
  long batchesPerEpoch(int batchSize);

  /**
   * The batches that follow a cursor.
   *
   * @param epochs the stream ends after this many epochs, counted from the first of the run, if it
   *     does not end before
   * @param from {@link Cursor#START}, or where a checkpoint stopped
   * @param positionOffset added to every position: padding_idx + 1 for RoBERTa, else 0
   */
  BatchStream batches(Order order, int batchSize, int epochs, Cursor from, int positionOffset);

  /** The next thing that was found while data were read, for people; null: there is none. */
  default String finding() {
    return null;
  }
}
