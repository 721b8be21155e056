package dev.attune.data.parquet;

import com.fasterxml.jackson.annotation.JsonValue;

/** Bytes that are no text, such as images: they are carried along, in JSON as base64. */
public record BinaryValue(@JsonValue byte[] bytes) {
  /** What a message shows. */
  @Override
  public String toString() {
    return bytes.length + " bytes that are no text";
  }
}
