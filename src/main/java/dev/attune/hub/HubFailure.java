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

  HubFailure(Kind kind, String message) {
    this(kind, message, null);
  }

  HubFailure(Kind kind, String message, Throwable cause) {
    this(kind, message, -1, null, cause);
  }

  /**
   * @param retryAfterSeconds how long the server asks to be left alone; negative: it does not say
   * @param commit at which it is so, as the hub says; null: it does not
   */
  HubFailure(Kind kind, String message, long retryAfterSeconds, String commit, Throwable cause) {
    super(message, cause);
    this.commit = commit;
    this.kind = kind;
    this.retryAfterSeconds = retryAfterSeconds;
  }

  Kind kind() {
    return kind;
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
    return kind == Kind.BUSY || kind == Kind.CONNECTION || kind == Kind.UNREACHABLE;
  }

  /** Whether what the name stands for is wrong: not the network, the cache or the server. */
  boolean isAboutTheName() {
    return switch (kind) {
      case REPOSITORY, GATED, REVISION, ENTRY, FORBIDDEN -> true;
      default -> false;
    };
  }
}
