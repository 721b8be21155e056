package dev.attune.batch;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Cache;
import dev.attune.core.CodeIdentity;
import dev.attune.data.ContentKey;
import dev.attune.data.Dataset;
import dev.attune.data.mapped.Store;
import dev.attune.data.mapped.StoreException;
import dev.attune.data.mapped.StoreWriter;
import dev.attune.data.mapped.Stores;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.List;

/**
 * Large data, tokenised once: their columns are kept in a store, under a key over the rows, the
 * tokenizer and what rows become. Data in memory are encoded in memory.
 */
public final class EncodedCache {
  /** To be raised whenever rows are encoded or columns written otherwise than before. */
  private static final int FORMAT = 1;

  private final Stores stores;

  /** A cache in these stores. */
  public EncodedCache(Stores stores) {
    this.stores = stores;
  }

  /**
   * As {@link Encoder#encode(Dataset, Encoder.Progress)}.
   *
   * @param tokenizer all that its encodings depend on
   */
  public EncodedDataset encode(
      Encoder encoder, Dataset dataset, List<String> tokenizer, Encoder.Progress progress) {
    if (!dataset.isStored()) {
      return encoder.encode(dataset, progress);
    }
    try {
      String key = key(encoder.rows(), dataset, tokenizer);
      Store store = key == null ? null : stores.find(key);
      return store != null
          ? EncodedDataset.stored(store, encoder.rows().layout())
          : encode(encoder, dataset, key, progress);
    } catch (StoreException e) {
      throw new UncheckedIOException(
          e.getMessage() + ". Large data are kept there while they are used; " + Cache.ADVICE,
          new IOException(e));
    }
  }

  private EncodedDataset encode(
      Encoder encoder, Dataset dataset, String key, Encoder.Progress progress) {
    try (StoreWriter writer = stores.begin()) {
      EncodedDataset encoded = encoder.encode(dataset, writer, progress);
      ObjectNode facts = key == null ? null : encoded.facts();
      if (facts != null) {
        stores.publish(writer, key, facts);
      }
      return encoded;
    }
  }

  /** Null where it is not known what the columns depend on. */
  private static String key(RowEncoder<?> rows, Dataset dataset, List<String> tokenizer) {
    if (dataset.contentKey() == null || rows.described() == null) {
      return null;
    }
    ContentKey key =
        ContentKey.of("tokens " + FORMAT + CodeIdentity.text()).with(dataset.contentKey());
    key.with(rows.described());
    tokenizer.forEach(key::with);
    return "tokens-" + key.text();
  }
}
