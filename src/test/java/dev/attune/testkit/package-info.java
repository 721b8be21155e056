/**
 * What the tests of kernels share: a kernel call as a table entry ({@link
 * dev.attune.testkit.KernelCase}), the claims that hold for every op ({@link
 * dev.attune.testkit.KernelContract}), guarded memory, the error budget, seeds, shapes.
 */
package dev.attune.testkit;
