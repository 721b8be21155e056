package dev.attune.core;

/** A checkpoint is of another version of Attune, and nothing can go on from it here. */
public final class OtherVersionException extends InputException {
  private static final long serialVersionUID = 1L;

  public OtherVersionException(String message) {
    super(message);
  }
}
