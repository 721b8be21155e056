/**
 * Benchmarks of the kernels, one class per op, each a JMH benchmark whose parameters are spelled as
 * dimensions. {@link dev.attune.bench.BenchMain} runs the same classes with the backends in turn
 * and writes {@code benchmarks/results/ops.csv}; JMH's own main runs them one at a time.
 *
 * <p>Decisions:
 *
 * <ul>
 *   <li>Calls are timed with cold caches: what a kernel reads in a training step was written long
 *       before, or is a weight that the whole model has since pushed out. The threads are awake: in
 *       a step the previous kernel ended a moment ago.
 *   <li>Every result is held against libtorch's before anything is timed.
 *   <li>BenchMain takes one sample of each backend in turn, so that a slow spell of the machine
 *       falls on all of them; it reports percentiles, never means.
 *   <li>Bytes and FLOPs are those that the op cannot avoid: each tensor once, each multiply-add as
 *       two. A share above one therefore means that something stayed in a cache.
 * </ul>
 */
package dev.attune.bench;
