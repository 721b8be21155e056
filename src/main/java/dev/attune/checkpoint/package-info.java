/**
 * What survives a crash: the checkpoints of a run.
 *
 * <p>Every save follows one rule: write under another name, sync, then rename. Until the rename
 * nothing that was there has changed; after it everything new is complete. File operations pass
 * through {@link dev.attune.core.FileOps}, so that tests can make each of them fail in turn.
 */
package dev.attune.checkpoint;
