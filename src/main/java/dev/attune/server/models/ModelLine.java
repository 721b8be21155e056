package dev.attune.server.models;

/**
 * A model as one tenant has it: what that tenant's corrections change, and nobody else sees. A
 * base, which is everybody's, has a line for each tenant.
 *
 * @param tenant whose it is
 * @param original the model as it came, its first version
 */
public record ModelLine(String tenant, ServedModel original) {
  /** The model's name to clients. */
  public String model() {
    return original.id();
  }
}
