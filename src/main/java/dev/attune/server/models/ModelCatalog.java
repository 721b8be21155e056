package dev.attune.server.models;

import dev.attune.core.Check;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.stream.Stream;

/** All models: bases by their names, and tuned ones, which the journal holds. */
public final class ModelCatalog {
  /** Its table. */
  public static final List<String> LAYOUT =
      List.of(
          """
          CREATE TABLE models(
            id TEXT PRIMARY KEY, tenant TEXT NOT NULL, created INTEGER NOT NULL, base TEXT NOT NULL,
            folder TEXT NOT NULL, job TEXT) WITHOUT ROWID
          """);

  private final Journal journal;
  private final Map<String, Path> bases;
  private final Path folder;
  private final Instant started = Instant.now();
  private final List<Consumer<ServedModel>> onRemoved = new CopyOnWriteArrayList<>();

  /**
   * @param bases folders by names
   * @param folder below which tuned models lie: a server's data may be moved
   */
  public ModelCatalog(Journal journal, Map<String, Path> bases, Path folder) {
    this.journal = journal;
    this.bases = Map.copyOf(bases);
    this.folder = folder;
  }

  private ServedModel read(ResultSet row) throws SQLException {
    return new ServedModel(
        row.getString("id"),
        row.getString("tenant"),
        Instant.ofEpochSecond(row.getLong("created")),
        row.getString("base"),
        folder.resolve(row.getString("folder")),
        row.getString("job"));
  }

  private ServedModel base(String name) {
    return new ServedModel(name, null, started, null, bases.get(name), null);
  }

  /** All that a tenant may use: bases by name, then its own, the newest first. */
  public List<ServedModel> list(String tenant) {
    List<ServedModel> own =
        journal.read(
            session ->
                session.list(
                    "SELECT * FROM models WHERE tenant = ? ORDER BY created DESC, id",
                    this::read,
                    tenant));
    return Stream.concat(bases.keySet().stream().sorted().map(this::base), own.stream()).toList();
  }

  /** The folder of a base; null where there is none of the name. */
  public Path baseFolder(String name) {
    return bases.get(name);
  }

  /**
   * The one that a request names.
   *
   * @throws ApiException if the tenant has none of that name
   */
  public ServedModel find(String tenant, String id) {
    if (bases.containsKey(id)) {
      return base(id);
    }
    return journal
        .read(
            session ->
                session.first(
                    "SELECT * FROM models WHERE id = ? AND tenant = ?", this::read, id, tenant))
        .orElseThrow(() -> ApiException.noModel(id));
  }

  /** Tuned ones of all tenants, for what looks after the whole server. */
  public List<ServedModel> tuned() {
    return journal.read(session -> session.list("SELECT * FROM models ORDER BY id", this::read));
  }

  /**
   * Notes a tuned model within a change: it is there when that is committed.
   *
   * @param model whose folder lies below the catalog's
   */
  public void add(Journal.Session session, ServedModel model) {
    Check.argument(model.folder().startsWith(folder), "%s is not below %s", model.folder(), folder);
    session.update(
        "INSERT INTO models VALUES(?, ?, ?, ?, ?, ?)",
        model.id(),
        model.tenant(),
        model.created().getEpochSecond(),
        model.base(),
        folder.relativize(model.folder()).toString(),
        model.job());
  }

  /**
   * Takes a tuned model out. Requests that have begun are answered; who listens removes its files.
   *
   * @throws ApiException if it is a base, or not the tenant's
   */
  public void remove(String tenant, String id) {
    ServedModel model = find(tenant, id);
    if (model.base() == null) {
      throw ApiException.forbidden("'" + id + "' is a base of this server; it cannot be deleted");
    }
    journal.change(
        session -> {
          remove(session, id);
          return null;
        });
    tellRemoved(model);
  }

  /**
   * Takes a model out within a change, of which {@link #tellRemoved} tells once it is committed.
   */
  public void remove(Journal.Session session, String id) {
    session.update("DELETE FROM models WHERE id = ?", id);
  }

  /** Tells who listens that a model was taken out. */
  public void tellRemoved(ServedModel model) {
    onRemoved.forEach(listener -> listener.accept(model));
  }

  /** Hears of models that were taken out. */
  public void onRemoved(Consumer<ServedModel> listener) {
    onRemoved.add(listener);
  }
}
