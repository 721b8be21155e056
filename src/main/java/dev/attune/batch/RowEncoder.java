package dev.attune.batch;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.mapped.Storage;
import java.util.ArrayList;
import java.util.List;

/**
 * How the rows of a file become sequences with targets.
 *
 * @param <R> what the tokenizer makes of one row
 */
public interface RowEncoder<R> {
  /**
   * Takes what {@link #encode} returned, in the order of the file.
   *
   * @param <R> what the tokenizer makes of one row
   */
  interface Packing<R> {
    /** Takes the next row. */
    void add(R row);

    /** The dataset of all rows. */
    EncodedDataset done();
  }

  /**
   * Tokenises one row; called on several threads.
   *
   * @throws dev.attune.core.InputException with the row, where it cannot be used
   */
  R encode(Dataset dataset, Example example);

  /** The same by the row's index, where the rows beside it count too. */
  default R encodeAt(Dataset dataset, int index) {
    return encode(dataset, dataset.get(index));
  }

  /**
   * Packs what {@link #encode} returned, in the order of the file.
   *
   * @param rows may be emptied on the way, so that no row is held twice
   */
  default EncodedDataset pack(Dataset dataset, List<R> rows) {
    Packing<R> packing = packing(dataset, Storage.MEMORY);
    for (int i = 0; i < rows.size(); i++) {
      packing.add(rows.set(i, null));
    }
    return packing.done();
  }

  /**
   * Begins to pack rows as they come. Unless an encoder does better, it holds them all.
   *
   * @param storage where columns lie
   */
  default Packing<R> packing(Dataset dataset, Storage storage) {
    List<R> rows = new ArrayList<>();
    return new Packing<>() {
      @Override
      public void add(R row) {
        rows.add(row);
      }

      @Override
      public EncodedDataset done() {
        return pack(dataset, rows);
      }
    };
  }

  /** How targets lie in what is packed; null where that is not known before. */
  default TargetLayout layout() {
    return null;
  }

  /**
   * All that columns depend on beside the rows and the tokenizer, as a text: of two encoders that
   * pack otherwise it differs; null: what they pack cannot be kept.
   */
  default String described() {
    return null;
  }
}
