package dev.attune.store;

import dev.attune.kernels.Backend;
import dev.attune.memory.Buffer;
import dev.attune.store.ParameterBuilder.DeclaredDecomposition;
import java.util.ArrayList;
import java.util.List;

/** The weights of a store whose adapters are weight-decomposed, and the buffer of their factors. */
final class Decompositions implements AutoCloseable {
  private final List<Decomposition> all = new ArrayList<>();
  private final Buffer factors; // null where there are none

  /**
   * @param store whose parameters the handles of {@code declared} stand for
   */
  Decompositions(Backend backend, Parameters store, List<DeclaredDecomposition> declared) {
    long factorBytes =
        declared.stream()
            .mapToLong(d -> Decomposition.sizeBytes(store.get(d.weight()).rows()))
            .sum();
    this.factors =
        factorBytes == 0
            ? null
            : Buffer.allocate(backend, factorBytes, false, "the factors of the adapters");
    long offset = 0;
    for (DeclaredDecomposition d : declared) {
      List<Decomposition.Module> modules =
          d.modules().stream()
              .map(
                  m ->
                      new Decomposition.Module(
                          store.get(m.down()),
                          store.get(m.up()),
                          store.get(m.magnitude()),
                          m.firstRow()))
              .toList();
      Parameter weight = store.get(d.weight());
      all.add(new Decomposition(store, weight, modules, d.scale(), factors, offset));
      offset += Decomposition.sizeBytes(weight.rows());
    }
  }

  /** The decomposition that a declaration's handle stands for. */
  Decomposition get(int handle) {
    return all.get(handle);
  }

  /** See {@link Parameters#initializeMagnitudes}. */
  void initialize() {
    all.forEach(Decomposition::initialize);
  }

  @Override
  public void close() {
    if (factors != null) {
      factors.close();
    }
  }
}
