/**
 * Reads Apache Parquet: footer, pages, encodings, and the assembly of rows from columns of values
 * with levels (Dremel). Read-only; knows nothing of examples.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Our own reader of about a thousand lines rather than parquet-java: that is eleven megabytes
 *       in eight JARs, wants Hadoop's classes (or stand-ins for them), and its JARs share packages,
 *       so that no module can require them. An embedding application would get none of the formats
 *       that it asks for by default. The format is specified to the byte, and the tests compare
 *       with what pyarrow wrote.
 *   <li>A row group at a time is in memory, whose values are boxed: writers bound its size.
 *   <li>Anything that does not fit together, down to a level or a length, is an error that names
 *       the file: a damaged file never gives rows.
 *   <li>Statistics, indexes and checksums are not looked at: they say nothing about the rows.
 * </ul>
 */
package dev.attune.data.parquet;
