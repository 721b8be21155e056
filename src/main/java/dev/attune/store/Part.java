package dev.attune.store;

/**
 * One Hugging Face tensor of a declaration, or one module before its tensors are named.
 *
 * @param rows of a matrix; entries of a vector
 */
public record Part(String name, long rows) {
  /** The module that a tensor belongs to: its name without the last part. */
  String module() {
    return name.substring(0, Math.max(0, name.lastIndexOf('.')));
  }
}
