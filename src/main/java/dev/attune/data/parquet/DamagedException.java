package dev.attune.data.parquet;

/** What a Parquet file says does not fit together. */
final class DamagedException extends RuntimeException {
  private static final long serialVersionUID = 1;

  DamagedException(String message) {
    super(message);
  }
}
