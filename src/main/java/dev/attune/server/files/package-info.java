/**
 * Files of tenants: what they upload, and what jobs leave.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>Whole or absent.</b> Bytes go to a file of their own in the folder {@code incoming}, are
 *       synced and renamed, and then the journal is told; what has no row in it when the server
 *       starts had been answered to nobody, and goes. A row without its file is damage, which only
 *       a check of the data folder reports.
 *   <li><b>A name on the disk is ours</b>: the id, and of the client's name what tells the format,
 *       as {@code .jsonl}. The client's name is a text in the journal.
 *   <li><b>Nothing is held in memory</b>: a piece of a body is written when it comes, by whichever
 *       thread brings it, so that a slow client holds none.
 * </ul>
 */
package dev.attune.server.files;
