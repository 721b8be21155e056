/**
 * The CPU backend over {@code libattune_cpu}. Only this package declares natives of that library.
 */
package dev.attune.kernels.cpu;
