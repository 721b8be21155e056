package dev.attune.model;

/** What positions sequences have that are longer than config.json speaks of. */
public enum Beyond {
  /** None: a table ends. */
  NOTHING,
  /** Rotary ones, which go on. */
  ROTARY,
  /** Distances alone, of which those beyond the largest are one. */
  DISTANCES
}
