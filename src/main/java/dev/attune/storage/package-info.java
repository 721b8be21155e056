/**
 * How files come to the disk, whole or not at all.
 *
 * <p>One rule for all that is written: under another name, synced, renamed, and the folder synced
 * too. Until the rename nothing that was there has changed; after it everything new is complete,
 * and it survives a loss of power.
 *
 * <ul>
 *   <li><b>A file</b> is an {@link dev.attune.storage.AtomicFile}. Its other name is its own, so
 *       that two processes that write the same file do not mix: the later one wins, whole. What a
 *       killed process left under such a name goes when the file is next written.
 *   <li><b>A folder</b> (a checkpoint, a model) is written as parts, which are synced one by one;
 *       what says that it is complete comes last, and then it gets its name. The rooms that know
 *       what is in it do that: {@code checkpoint}, {@code folder}, {@code hub}.
 *   <li><b>Every file operation</b> of these goes through {@link dev.attune.core.FileOps}, so that
 *       tests can make each fail; no other class of the product may write, which a test sees to.
 * </ul>
 */
package dev.attune.storage;
