/**
 * Jobs: asked for over OpenAI's fine-tuning API, worked off by a scheduler that loses nothing.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A job's status is what the journal says</b>, and nothing else. Who wants another one (a
 *       client that cancels, the scheduler that starts it, a run that ends) changes it there first,
 *       from the statuses that it may come from; who is at work looks, and leaves.
 *   <li><b>A job is a run of the room "run"</b>, with the options that {@code attune train} has:
 *       the same data, seed and options give the same bytes. It always resumes: a job that was
 *       paused, has made way, or whose process was killed goes on from its last checkpoint.
 *   <li><b>What a job makes appears with its success</b>: the model in the catalog, the results
 *       file and the status are one change. A kill before it finds the finished model in its
 *       folder, and makes that change then.
 *   <li><b>A job is not queued before it is known to fit</b>: its largest step is rehearsed on a
 *       backend that computes nothing.
 *   <li><b>A fault of the machine costs nobody a job</b>: where the disk fails, the job is paused
 *       and says why. One that is itself to blame fails, in plain words.
 * </ul>
 */
package dev.attune.server.jobs;
