/**
 * Fine-tunes transformer language models, and uses them: the public API.
 *
 * <p>{@link dev.attune.Trainer} makes a model folder from examples in memory or in files; {@link
 * dev.attune.Classifier}, {@link dev.attune.MultiLabelClassifier}, {@link dev.attune.Regressor},
 * {@link dev.attune.Tagger}, {@link dev.attune.QuestionAnswerer}, {@link dev.attune.Embedder},
 * {@link dev.attune.MaskFiller} and {@link dev.attune.Generator} open one; {@link
 * dev.attune.ZeroShotClassifier} opens one of several kinds for labels that it has not learned.
 * Open models are safe for any number of threads. What goes wrong is an {@link
 * dev.attune.AttuneException}, whose message names the methods of this package. Logs go to the
 * {@link System.Logger} "dev.attune".
 *
 * <p>This package is public, and {@code dev.attune.server}, which starts a server within an
 * application. The other packages below it are rooms with an order: a room imports only rooms below
 * it, and nothing of theirs stands in a public signature here. What a model's outputs mean is the
 * business of the room "task" alone: the classes here make records of its predictions. What the
 * rooms say carries the terms of "core", in whose place the names of methods are put.
 */
package dev.attune;
