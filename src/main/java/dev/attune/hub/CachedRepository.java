package dev.attune.hub;

import java.nio.file.Path;
import java.time.Instant;
import java.util.List;

/**
 * What the hub's cache has of one repository.
 *
 * @param kind "model", "dataset" …
 * @param id {@code ORG/NAME}
 * @param sizeBytes on disk: what commits share counts once
 * @param incompleteBytes of that, what was not fetched to its end
 * @param lastUsed when one of its files was last read, as well as the file system knows
 */
public record CachedRepository(
    String kind,
    String id,
    Path folder,
    long sizeBytes,
    long incompleteBytes,
    Instant lastUsed,
    List<Revision> revisions) {

  /**
   * A commit.
   *
   * @param names branches and tags that were it when last looked up; empty: none is
   * @param sizeBytes of its files, shared with others or not
   */
  public record Revision(String commit, List<String> names, int files, long sizeBytes) {}
}
