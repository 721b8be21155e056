package dev.attune.hub;

import java.util.List;

/**
 * What pruning removed, or would remove.
 *
 * @param revisions {@code ORG/NAME@COMMIT}
 * @param files contents among others, links not counted
 * @param bytes that these took
 * @param spared what no branch or tag leads to either, and was left
 */
public record PruneResult(List<String> revisions, int files, long bytes, List<Spared> spared) {
  /**
   * Something that was left.
   *
   * @param name {@code ORG/NAME@COMMIT}, or {@code ORG/NAME/blobs/FILE}, or {@code ORG/NAME} where
   *     all of it was left
   * @param bytes of a file; 0 of a commit, whose files may be another's too
   */
  public record Spared(String name, Reason reason, long bytes) {}

  /** Why something was left. */
  public enum Reason {
    /** It changed within the last hour: a download may be at work on it. */
    CHANGED_WITHIN_AN_HOUR,
    /** A branch of its repository names no commit, so that all may be wanted. */
    BROKEN_BRANCH
  }
}
