package dev.attune.model;

/**
 * Learned numbers that scores get by the distance of key and query, the same in all layers (Raffel
 * et al., 2020).
 *
 * @param rows of their table
 * @param buckets of distances, which are no more than the rows; they grow with the distance
 * @param maxDistance from which on all distances are one
 */
public record RelativePositions(int rows, int buckets, int maxDistance) {}
