/**
 * What survives a crash: the checkpoints of a run.
 *
 * <p>Every save follows one rule: write under another name, sync, then rename. Until the rename
 * nothing that was there has changed; after it everything new is complete. File operations pass
 * through {@link dev.attune.core.FileOps}, so that tests can make each of them fail in turn.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A checkpoint names its best weights</b>, by their step, and those stay for as long as it
 *       does: a resume from an older one finds its own, not those of a future that is done again.
 *   <li><b>The newest best weights are kept twice</b>, for the run is to end with them; they are
 *       checked at a resume, where an older checkpoint is taken for want of them.
 *   <li><b>One buffer for all transfers of a store</b>: direct memory is given back when the
 *       collector happens to run.
 *   <li><b>All checkpoints go by one rename</b>, so that a removal cut short leaves none to go on
 *       from.
 * </ul>
 */
package dev.attune.checkpoint;
