package dev.attune.store;

import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import java.util.List;

/** The weights of a store whose adapters are weight-decomposed, and the buffer of their factors. */
final class Decompositions implements AutoCloseable {
  private final List<Decomposition> all;
  private final Buffer factors; // null where there are none

  /** Allocates the factors and gives each decomposition its place among them. */
  Decompositions(Backend backend, Parameters store, List<Decomposition> declared) {
    this.all = List.copyOf(declared);
    long factorBytes = all.stream().mapToLong(Decomposition::sizeBytes).sum();
    this.factors =
        factorBytes == 0
            ? null
            : Buffer.allocate(backend, factorBytes, false, "the factors of the adapters");
    long offset = 0;
    for (Decomposition decomposition : all) {
      decomposition.place(backend, store::version, factors, offset);
      offset += decomposition.sizeBytes();
    }
  }

  /** See {@link Parameters#initializeMagnitudes}. */
  void initialize() {
    all.forEach(Decomposition::initialize);
  }

  /** Brings all factors up to date. */
  void refresh() {
    all.forEach(Decomposition::refresh);
  }

  @Override
  public void close() {
    if (factors != null) {
      factors.close();
    }
  }
}
