/**
 * Training step by step for clients who write the loop themselves: what {@code AdapterTrainer} is
 * in a process, over HTTP.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li><b>A call is answered before it is done</b>, with an id by which its result is asked for,
 *       so that a client makes the next calls meanwhile. That it has come is durable, its result is
 *       not: that is in the model, or in a state.
 *   <li><b>One thread a session</b> opens, uses and closes its model, and does the calls one after
 *       another; of all sessions one computes at a time, so that none of them slows down the other
 *       by more than its turn. The bytes are those of the same calls in one process.
 *   <li><b>A session is more than its model</b>: the model is closed when nobody has used it for a
 *       while, after a state was saved, and opened again by the next call.
 *   <li><b>No loss is passed over</b>: where a kill, or a fault of the machine, has cost calls that
 *       no state has seen, the session takes no more of them until its client has said that it
 *       knows.
 * </ul>
 */
package dev.attune.server.training;
