/**
 * Attune fine-tunes transformer language models from Java.
 *
 * <p>Rooms, bottom up; a room imports only rooms named before it, and a test enforces that: core,
 * text, data, memory, batch, kernels, tape, ops, model, optim, weights, hub, metrics, checkpoint,
 * train, run, cli and server.
 */
package dev.attune;
