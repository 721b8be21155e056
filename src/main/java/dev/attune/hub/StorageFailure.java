package dev.attune.hub;

import java.io.IOException;

/** This machine's disk would not take what the network brought: no matter for another try. */
final class StorageFailure extends IOException {
  private static final long serialVersionUID = 1L;

  StorageFailure(String message, IOException cause) {
    super(message, cause);
  }
}
