package dev.attune.hub;

import java.io.IOException;

/** What the hub, or the way to it, would not do. */
final class HubFailure extends IOException {
  private static final long serialVersionUID = 1L;

  /** What kind of refusal it is. */
  enum Kind {
    /** There is no such repository, or none that this user may know of. */
    REPOSITORY,
    /** The repository's owner wants to be asked first. */
    GATED,
    /** There is no such branch, tag or commit. */
    REVISION,
    /** There is no such file. */
    ENTRY,
    /** The token is wrong, or does not allow this. */
    FORBIDDEN,
    /** The part of a file that was asked for is none. */
    RANGE,
    /** The repository is not as it was: somebody else's commit came first. */
    CONFLICT,
    /** More than the hub takes. */
    TOO_LARGE,
    /** An address of the hub's store that is no longer good: the hub gives another. */
    EXPIRED,
    /** Too many requests, or a server in trouble: a later try may do. */
    BUSY,
    /** A connection that broke or went silent: another try may do. */
    CONNECTION,
    /** No connection to the hub at all: another try may do. */
    UNREACHABLE,
    /** Networking is switched off. */
    OFFLINE,
    /** An answer that no hub gives: another try will not help. */
    BROKEN
  }

  private final Kind kind;
  private final long retryAfterSeconds;
  private final String commit;
  private final int status;

  HubFailure(Kind kind, String message) {
    this(kind, message, null);
  }

  HubFailure(Kind kind, String message, Throwable cause) {
    this(kind, message, 0, -1, null, cause);
  }

  /**
   * @param status of the answer; 0: there was none
   * @param retryAfterSeconds how long the server asks to be left alone; negative: it does not say
   * @param commit at which it is so, as the hub says; null: it does not
   */
  HubFailure(
      Kind kind,
      String message,
      int status,
      long retryAfterSeconds,
      String commit,
      Throwable cause) {
    super(message, cause);
    this.status = status;
    this.commit = commit;
    this.kind = kind;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  Kind kind() {
    return kind;
  }

  /** The status of the answer; 0: there was none. */
  int status() {
    return status;
  }

  long retryAfterSeconds() {
    return retryAfterSeconds;
  }

  /** The commit at which the hub refuses; null where it does not say. */
  String commit() {
    return commit;
  }

  /** Whether the same request may succeed a little later. */
  boolean isPassing() {
    return switch (kind) {
      case BUSY, EXPIRED, CONNECTION, UNREACHABLE -> true;
      default -> false;
    };
  }

  /** Whether what the name stands for is wrong: not the network, the cache or the server. */
  boolean isAboutTheName() {
    return switch (kind) {
      case REPOSITORY, GATED, REVISION, ENTRY, FORBIDDEN -> true;
      default -> false;
    };
  }
}
