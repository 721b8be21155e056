/**
 * One class per fused op: its forward (a static {@code apply}), its backward, its shape rule and
 * its FLOP count. Shapes are checked here, so backends need not check them again.
 */
package dev.attune.ops;
