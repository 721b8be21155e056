package dev.attune.batch;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import java.util.List;

/**
 * How the rows of a file become sequences with targets.
 *
 * @param <R> what the tokenizer makes of one row
 */
public interface RowEncoder<R> {
  /**
   * Tokenises one row; called on several threads.
   *
   * @throws dev.attune.core.InputException with the row, where it cannot be used
   */
  R encode(Dataset dataset, Example example);

  /**
   * Packs what {@link #encode} returned, in the order of the file.
   *
   * @param rows may be emptied on the way, so that no row is held twice
   */
  EncodedDataset pack(Dataset dataset, List<R> rows);
}
