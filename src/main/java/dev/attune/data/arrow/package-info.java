/**
 * Reads Apache Arrow's stream and file formats, as Hugging Face's datasets saves data sets: record
 * batch after record batch, from the first byte to the last. Read-only; knows nothing of examples.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Our own reader rather than arrow-vector: since Java 16 that works only in a process that
 *       was started with {@code --add-opens=java.base/java.nio}, which an embedding application
 *       cannot be asked for, and it brings an allocator of its own. What training data has of the
 *       format is texts, numbers, lists, records, dates and dictionaries.
 *   <li>Types beyond those, and batches that are compressed, are refused by name.
 *   <li>Where a file has a footer it is not looked at: it says again where the batches are.
 *   <li>A batch at a time is in memory: writers bound its size.
 *   <li>Anything that does not fit together is an error that names the file.
 * </ul>
 */
package dev.attune.data.arrow;
