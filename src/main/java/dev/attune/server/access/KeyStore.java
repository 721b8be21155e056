package dev.attune.server.access;

import dev.attune.core.InputException;
import dev.attune.server.database.Journal;
import dev.attune.server.http.Caller.Scope;
import java.security.MessageDigest;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * API keys. Of a key a salted hash is kept: a key of 256 random bits cannot be guessed from it, so
 * a slow hash would only be a burden on each request. Several processes may use the store at once.
 */
public final class KeyStore {
  /** Its table. */
  public static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE api_keys(
            id TEXT PRIMARY KEY, name TEXT NOT NULL, tenant TEXT NOT NULL, scopes TEXT NOT NULL,
            salt BLOB NOT NULL, hash BLOB NOT NULL, created INTEGER NOT NULL, expires INTEGER,
            revoked INTEGER, used INTEGER) WITHOUT ROWID
          """);

  private static final Pattern TENANT = Pattern.compile("[a-z0-9][a-z0-9-]{0,31}");
  private static final int MOST_NAME_LETTERS = 100;

  /** What a key is compared with that is not known, so that this takes as long. */
  private static final byte[] NOBODYS_SALT = KeyText.salt();

  private static final byte[] NOBODYS_HASH = KeyText.create().hash(NOBODYS_SALT);

  private final Journal journal;
  private final Map<String, Instant> used = new ConcurrentHashMap<>();

  public KeyStore(Journal journal) {
    this.journal = journal;
  }

  /**
   * A new key, which is told this once.
   *
   * @param text for its owner
   */
  public record Created(ApiKey key, String text) {
    /** Never shown with the key. */
    @Override
    public String toString() {
      return key.toString();
    }
  }

  /** A row, with what is kept of the key. */
  private record Row(ApiKey key, byte[] salt, byte[] hash) {}

  private static Instant time(ResultSet row, String column) throws SQLException {
    long seconds = row.getLong(column);
    return row.wasNull() ? null : Instant.ofEpochSecond(seconds);
  }

  private static Row read(ResultSet row) throws SQLException {
    return new Row(
        new ApiKey(
            row.getString("id"),
            row.getString("name"),
            row.getString("tenant"),
            Stream.of(row.getString("scopes").split(","))
                .map(Scope::valueOf)
                .collect(Collectors.toSet()),
            time(row, "created"),
            time(row, "expires"),
            time(row, "revoked"),
            time(row, "used")),
        row.getBytes("salt"),
        row.getBytes("hash"));
  }

  /**
   * The scopes of such names.
   *
   * @throws InputException if there are none, or one is not known
   */
  public static Set<Scope> scopes(List<String> names) {
    List<String> known =
        Stream.of(Scope.values()).map(scope -> scope.name().toLowerCase(Locale.ROOT)).toList();
    for (String name : names) {
      if (!known.contains(name)) {
        throw new InputException(
            "there is no scope '" + name + "'; it is one of " + String.join(", ", known));
      }
    }
    if (names.isEmpty()) {
      throw new InputException("a key needs a scope: one or more of " + String.join(", ", known));
    }
    return names.stream()
        .map(name -> Scope.valueOf(name.toUpperCase(Locale.ROOT)))
        .collect(Collectors.toSet());
  }

  /**
   * Makes a key; it is durable when this returns.
   *
   * @param lifetime null: it does not expire
   * @throws InputException if the name or the tenant's is none
   */
  public Created create(String name, String tenant, Set<Scope> scopes, Duration lifetime) {
    if (!TENANT.matcher(tenant).matches()) {
      throw new InputException(
          "the tenant is '"
              + tenant
              + "'; its name has 1 to 32 lower-case letters, digits and hyphens");
    }
    if (name.length() > MOST_NAME_LETTERS || name.chars().anyMatch(Character::isISOControl)) {
      throw new InputException(
          "a key's name has at most " + MOST_NAME_LETTERS + " letters, and no control characters");
    }
    KeyText text = KeyText.create();
    byte[] salt = KeyText.salt();
    Instant now = Instant.ofEpochSecond(Instant.now().getEpochSecond());
    Instant expires = lifetime == null ? null : now.plus(lifetime);
    ApiKey key = new ApiKey(text.id(), name, tenant, scopes, now, expires, null, null);
    journal.change(
        session ->
            session.update(
                "INSERT INTO api_keys VALUES(?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL)",
                key.id(),
                name,
                tenant,
                scopes.stream().map(Scope::name).sorted().collect(Collectors.joining(",")),
                salt,
                text.hash(salt),
                now.getEpochSecond(),
                expires == null ? null : expires.getEpochSecond()));
    return new Created(key, text.text());
  }

  /** All keys, also those that open nothing any more; the newest first. */
  public List<ApiKey> list() {
    return journal.read(
        session ->
            session.list(
                "SELECT * FROM api_keys ORDER BY created DESC, id", row -> read(row).key()));
  }

  /** Whether there was ever one: from then on the server is closed to who has none. */
  boolean isUsed() {
    return journal.read(
        session ->
            session.first("SELECT 1 FROM api_keys LIMIT 1", row -> row.getInt(1)).isPresent());
  }

  /**
   * Revokes a key, at once.
   *
   * @return whether there is one of that id which was not revoked
   */
  public boolean revoke(String id) {
    return journal.change(
            session ->
                session.update(
                    "UPDATE api_keys SET revoked = ? WHERE id = ? AND revoked IS NULL",
                    Instant.now().getEpochSecond(),
                    id))
        > 0;
  }

  /**
   * The key that a client sent, if it opens anything. That takes as long whether its id is known or
   * not, and wherever its secret is wrong.
   */
  Optional<ApiKey> find(String sent) {
    Optional<KeyText> text = KeyText.of(sent);
    if (text.isEmpty()) {
      return Optional.empty();
    }
    Optional<Row> row =
        journal.read(
            session ->
                session.first(
                    "SELECT * FROM api_keys WHERE id = ?", KeyStore::read, text.get().id()));
    byte[] hash = text.get().hash(row.map(Row::salt).orElse(NOBODYS_SALT));
    boolean isEqual = MessageDigest.isEqual(row.map(Row::hash).orElse(NOBODYS_HASH), hash);
    Instant now = Instant.now();
    Optional<ApiKey> key = row.map(Row::key).filter(k -> isEqual && k.isValid(now));
    key.ifPresent(k -> used.put(k.id(), now));
    return key;
  }

  /** Whether a key, which a client has shown, still opens anything. */
  boolean opens(String id) {
    return journal
        .read(session -> session.first("SELECT * FROM api_keys WHERE id = ?", KeyStore::read, id))
        .filter(row -> row.key().isValid(Instant.now()))
        .isPresent();
  }

  /** Notes when keys were used last. */
  public void noteUse() {
    Map<String, Instant> noted = Map.copyOf(used);
    if (!noted.isEmpty()) {
      journal.change(
          session -> {
            noted.forEach(
                (id, time) ->
                    session.update(
                        "UPDATE api_keys SET used = ? WHERE id = ?", time.getEpochSecond(), id));
            return null;
          });
      noted.forEach(used::remove);
    }
  }
}
