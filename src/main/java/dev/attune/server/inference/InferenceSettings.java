package dev.attune.server.inference;

import dev.attune.core.Check;
import dev.attune.run.Compute;

/**
 * How models answer.
 *
 * @param compute where and in which precision
 * @param modelBytes of all models that are open, their keys and values included
 * @param adapterBytes of all adapters that are open beside their bases
 * @param cacheBytes of keys and values of one language model
 * @param concurrency texts that a language model writes at a time
 * @param waiting requests that wait for a model, before more are refused
 * @param windowMillis how long a text waits for others to be read with it
 */
public record InferenceSettings(
    Compute compute,
    long modelBytes,
    long adapterBytes,
    long cacheBytes,
    int concurrency,
    int waiting,
    int windowMillis) {
  public InferenceSettings {
    Check.input(concurrency >= 1, "%d texts at a time; there must be at least 1", concurrency);
    Check.input(waiting >= 0, "%d waiting requests; there must be at least 0", waiting);
    Check.input(windowMillis >= 0, "a window of %d ms; it must be at least 0", windowMillis);
  }
}
