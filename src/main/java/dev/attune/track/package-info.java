/**
 * Runs, recorded and seen: the store of runs, where else their numbers go, what a colleague would
 * say of the curves, charts and reports.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>Training waits for nothing here.</b> The training thread puts an object into a queue
 *       ({@link dev.attune.track.Tracker}); a thread for each place that hears of the run ({@link
 *       dev.attune.track.RunSink}) empties its queue once a second. A place that fails is told of
 *       once and tried again; it never ends a run, and what it misses is counted.
 *   <li><b>One file, {@code runs.db}</b>, an SQLite database in WAL mode: several runs write to it
 *       at a time while others read, and a process that is killed leaves what it had committed. A
 *       power failure may cost the last seconds, never the file.
 *   <li><b>Series have names</b> as in TensorBoard ({@code train/loss}, {@code eval/accuracy}), and
 *       one value for a step: what a resumed run does again replaces what the killed one had noted.
 *   <li><b>What a run is now, its reader says.</b> A killed process cannot write that it was
 *       killed: a run that is noted as running is shown as interrupted once its process is gone.
 * </ul>
 */
package dev.attune.track;
