package dev.attune.bench;

/**
 * Time of one kernel.
 *
 * @param seconds of all calls
 */
public record KernelTime(String kernel, double seconds, long calls) {}
