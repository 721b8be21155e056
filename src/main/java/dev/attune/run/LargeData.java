package dev.attune.run;

import dev.attune.batch.EncodedCache;
import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.data.RowCache;
import dev.attune.data.mapped.Stores;
import java.util.function.Consumer;

/** Where training data go that are too large to be read and tokenised at every start. */
final class LargeData {
  /** Files of fewer bytes are read and tokenised in a second or two. */
  private static final long LEAST_BYTES = 4L << 20;

  private final RunConfig config;
  private final Stores stores;

  LargeData(RunConfig config, Consumer<String> notes) {
    this.config = config;
    this.stores = new Stores(() -> Cache.user().writable().resolve("data"), FileOps.SYSTEM, notes);
  }

  RowCache rows() {
    int threads = Backends.threads(config.smallInteger(RunOption.THREADS));
    return new RowCache(stores, LEAST_BYTES, threads);
  }

  EncodedCache tokens() {
    return new EncodedCache(stores);
  }
}
