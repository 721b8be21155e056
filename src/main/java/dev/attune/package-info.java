/**
 * Fine-tunes transformer language models, and uses them: the public API.
 *
 * <p>{@link dev.attune.Trainer} makes a model folder from examples in memory or in files; {@link
 * dev.attune.Classifier}, {@link dev.attune.Regressor}, {@link dev.attune.Tagger}, {@link
 * dev.attune.Embedder} and {@link dev.attune.Generator} open one. Open models are safe for any
 * number of threads. What goes wrong is an {@link dev.attune.AttuneException}. Logs go to the
 * {@link System.Logger} "dev.attune".
 *
 * <p>This package alone is public. The packages below it are rooms with an order: a room imports
 * only rooms below it, and nothing of theirs stands in a public signature here.
 */
package dev.attune;
