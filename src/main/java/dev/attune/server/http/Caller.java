package dev.attune.server.http;

import java.util.Set;

/**
 * Who makes a request.
 *
 * @param tenant whose files, jobs and models it sees; those of others do not exist for it
 * @param keyId of the API key; null: none is needed here
 * @param scopes what it may do
 */
public record Caller(String tenant, String keyId, Set<Scope> scopes) {
  /** Who calls where no keys are needed. */
  public static final Caller LOCAL = new Caller("local", null, Set.of(Scope.values()));

  /** What a key allows. */
  public enum Scope {
    /** Answers of models: chat, completions, embeddings, classifications; and to list models. */
    INFERENCE,
    /** Files, jobs and what they make; corrections. */
    TRAINING,
    /** All else: keys, other tenants' states. */
    ADMIN
  }

  /** Refuses what the key does not allow. */
  void require(Scope scope) {
    if (!scopes.contains(scope)) {
      throw ApiException.forbidden(
          "This API key lacks the scope '"
              + scope.name().toLowerCase(java.util.Locale.ROOT)
              + "', which the request needs");
    }
  }
}
