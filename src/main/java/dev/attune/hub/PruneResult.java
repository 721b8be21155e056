package dev.attune.hub;

import java.util.List;

/**
 * What pruning removed, or would remove.
 *
 * @param revisions {@code ORG/NAME@COMMIT}
 * @param files contents among others, links not counted
 * @param bytes that these took
 */
public record PruneResult(List<String> revisions, int files, long bytes) {}
