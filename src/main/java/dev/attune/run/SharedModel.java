package dev.attune.run;

import dev.attune.core.DType;
import dev.attune.kernels.Backend;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.function.Supplier;

/**
 * An open model that any number of threads use at a time: what it is made of lies on one backend
 * and is read only; each call has a {@link Lane} to itself.
 *
 * @param <M> what is shared
 */
public final class SharedModel<M> implements AutoCloseable {
  private final Backend backend;
  private final DType precision;
  private final M model;
  private final Consumer<? super M> closer;
  private final Lanes lanes;

  private SharedModel(Backend backend, DType precision, M model, Consumer<? super M> closer) {
    this.backend = backend;
    this.precision = precision;
    this.model = model;
    this.closer = closer;
    this.lanes = new Lanes(backend, precision);
  }

  /**
   * Opens a model.
   *
   * @param opener makes it on the backend, for activations of the given type
   * @param closer frees it; the backend is closed after it
   */
  public static <M> SharedModel<M> open(
      Compute compute, BiFunction<Backend, DType, M> opener, Consumer<? super M> closer) {
    Backend backend = compute.open();
    try {
      DType precision = compute.precision().on(backend);
      return new SharedModel<>(backend, precision, opener.apply(backend, precision), closer);
    } catch (RuntimeException e) {
      backend.close();
      throw e;
    }
  }

  /** What is shared; to be used in {@link #use} and {@link #hold} only. */
  public M model() {
    return model;
  }

  /** What it lies on; to be asked what it is, not to compute. */
  Backend backend() {
    return backend;
  }

  /** The type of activations. */
  public DType precision() {
    return precision;
  }

  /** Whether several calls can be in work at a time. */
  boolean hasSiblings() {
    return backend.hasSiblings();
  }

  /** See {@link Lanes#use}. */
  public <T> T use(Function<Lane, T> work) {
    return lanes.use(work);
  }

  /** See {@link Lanes#hold}. */
  public <T> T hold(Supplier<T> work) {
    return lanes.hold(work);
  }

  /** Waits for the calls that have begun, then frees everything. Closing twice is fine. */
  @Override
  public void close() {
    if (lanes.shut()) {
      closer.accept(model);
      backend.close();
    }
  }
}
