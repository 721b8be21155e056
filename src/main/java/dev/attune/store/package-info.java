/**
 * The flat parameter store: trained weights with their gradients and optimizer state, frozen and
 * quantised ones, low-rank adapters and their decomposition.
 *
 * <p>Parameters come about in one direction: a model declares them to a {@link
 * dev.attune.store.ParameterBuilder}, a layout places them, {@link dev.attune.store.Parameters}
 * holds them.
 */
package dev.attune.store;
