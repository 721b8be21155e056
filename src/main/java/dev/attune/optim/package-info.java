/** Optimizers over the flat store, learning-rate schedules, the gradient norm. */
package dev.attune.optim;
