package dev.attune.batch;

/**
 * Training data all of which are tokenised before the first step.
 *
 * @param data the rows
 */
public record WholeDataset(EncodedDataset data) implements TrainingData {
  @Override
  public TargetLayout layout() {
    return data.layout();
  }

  @Override
  public int columns() {
    return data.columns();
  }

  @Override
  public int sequenceCapacity(int batchSize) {
    return BatchStream.sequenceCapacity(data, batchSize);
  }

  @Override
  public int rowCapacity(int batchSize) {
    return BatchStream.rowCapacity(data, sequenceCapacity(batchSize));
  }

  @Override
  public long batchesPerEpoch(int batchSize) {
    return BatchStream.batchesPerEpoch(data.examples(), batchSize);
  }

  @Override
  public BatchStream batches(
      Order order, int batchSize, int epochs, Cursor from, int positionOffset) {
    return BatchStream.training(data, order, batchSize, epochs, from, positionOffset);
  }
}
