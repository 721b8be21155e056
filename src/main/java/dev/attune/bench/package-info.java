/**
 * Times what users wait for: fine-tuning steps and generation, of real models or of random weights
 * of a known shape, as {@code attune bench} prints it.
 */
package dev.attune.bench;
