package dev.attune.server.models;

import dev.attune.core.Check;
import dev.attune.folder.ModelFolder;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import java.nio.file.Path;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.ToLongFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * All models: bases by their names, and tuned ones, which the journal holds. A model that learns
 * while it serves has versions: its name stands for the one that is live, which changes between two
 * calls of {@link #find}, and {@code MODEL@v3} for that one.
 */
public final class ModelCatalog {
  /** Its table, and those of versions. */
  public static final List<String> LAYOUT =
      Stream.concat(
              Stream.of(
                  """
                  CREATE TABLE models(
                    id TEXT PRIMARY KEY, tenant TEXT NOT NULL, created INTEGER NOT NULL,
                    base TEXT NOT NULL, folder TEXT NOT NULL, job TEXT) WITHOUT ROWID
                  """),
              ModelVersions.LAYOUT.stream())
          .toList();

  private static final Pattern VERSION = Pattern.compile("(.+)@v([1-9]\\d{0,8})");

  private final Journal journal;
  private final Map<String, Path> bases;
  private final Path folder;
  private final ModelVersions versions;
  private final Instant started = Instant.now();
  private final BaseContents contents = new BaseContents();
  private final List<Holder> holders = new CopyOnWriteArrayList<>();
  private final List<Consumer<ServedModel>> onRemoved = new CopyOnWriteArrayList<>();
  private final List<Consumer<ServedModel>> onOpening = new CopyOnWriteArrayList<>();

  /**
   * @param bases folders by names
   * @param folder below which tuned models lie: a server's data may be moved
   */
  public ModelCatalog(Journal journal, Map<String, Path> bases, Path folder) {
    this.journal = journal;
    this.bases = Map.copyOf(bases);
    this.folder = folder;
    this.versions = new ModelVersions(journal, folder);
    holders.add(this::adapterOn);
  }

  /** Something that needs a model for as long as it is there. */
  @FunctionalInterface
  public interface Holder {
    /**
     * Why a model must stay, as a sentence; empty: it need not.
     *
     * @param session of the change that takes the model out, so that nobody comes to need it
     *     meanwhile: see {@link ModelCatalog#checkThere}
     * @param tenant who uses it
     * @param id of the model, which stands for all its versions too, or of one version
     */
    Optional<String> reason(Journal.Session session, String tenant, String id);
  }

  /** The versions of models. */
  public ModelVersions versions() {
    return versions;
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
    return Stream.concat(bases.keySet().stream().sorted().map(this::base), own.stream())
        .map(model -> live(new ModelLine(tenant, model)))
        .toList();
  }

  /**
   * The folder of what a tuned model was made from: a base of the server, or a whole model, or a
   * version of one; null where that is not here, or the model is no tuned one.
   */
  public Path baseFolder(ServedModel model) {
    Path base = model.base() == null ? null : bases.get(model.base());
    if (base != null || model.base() == null || model.tenant() == null) {
      return base;
    }
    Optional<ServedModel> original = original(model.tenant(), model.base());
    Matcher named = VERSION.matcher(model.base());
    return original.isPresent() || !named.matches()
        ? original.map(ServedModel::folder).orElse(null)
        : original(model.tenant(), named.group(1))
            .flatMap(
                of ->
                    versions.find(
                        new ModelLine(model.tenant(), of), Integer.parseInt(named.group(2))))
            .filter(version -> version.state().isWhole())
            .map(ModelVersion::folder)
            .orElse(null);
  }

  /**
   * The base that an adapter is opened with; null of what is none, or whose base is not served.
   *
   * @throws ApiException if the base's files are not those that the adapter was made on
   */
  public Path baseOf(ServedModel model) {
    Path base = ModelFolder.isAdapter(model.folder()) ? baseFolder(model) : null;
    if (base != null) {
      contents.check(model, base);
    }
    return base;
  }

  /**
   * What the files are that a model is opened from, beside its own.
   *
   * @param base folder of an adapter's base; null: it is no adapter, or its base is not served
   * @param content of the base, or of the model's own folder where that holds a whole one; null of
   *     an adapter whose base is not served
   */
  public record Source(Path base, String content) {}

  /**
   * What a model is opened from.
   *
   * @throws ApiException if the base's files are not those that the adapter was made on
   */
  public Source source(ServedModel model) {
    if (!ModelFolder.isAdapter(model.folder())) {
      return new Source(null, contents.of(model.folder()));
    }
    Path base = baseFolder(model);
    return new Source(base, base == null ? null : contents.of(model, base));
  }

  /** What the models that others are opened with are, by content. */
  public BaseContents contents() {
    return contents;
  }

  /**
   * The one that a request names, with the folder of the version that is meant.
   *
   * @throws ApiException if the tenant has none of that name
   */
  public ServedModel find(String tenant, String id) {
    Optional<ServedModel> model = original(tenant, id);
    if (model.isPresent()) {
      return live(new ModelLine(tenant, model.get()));
    }
    Matcher named = VERSION.matcher(id);
    return (named.matches() ? original(tenant, named.group(1)) : model)
        .map(of -> version(new ModelLine(tenant, of), Integer.parseInt(named.group(2))))
        .orElseThrow(() -> ApiException.noModel(id));
  }

  /**
   * The name of what a name stands for now, which is the same model later too, whatever version of
   * it is live by then: see {@link #findPinned}.
   *
   * @throws ApiException if the tenant has none of that name
   */
  public String pin(String tenant, String id) {
    Optional<ServedModel> model = original(tenant, id);
    if (model.isEmpty()) {
      return find(tenant, id).id();
    }
    return versions
        .live(new ModelLine(tenant, model.get()))
        .filter(live -> live.number() > 1)
        .map(ModelVersion::name)
        .orElse(id);
  }

  /**
   * The names of a model's versions that have files, in the words of {@link #pin}: its own for the
   * first. None where the name is a version's, or nobody's.
   */
  public List<String> versionNames(String tenant, String id) {
    Optional<ServedModel> model = original(tenant, id);
    Stream<String> later =
        model.stream()
            .flatMap(original -> versions.list(new ModelLine(tenant, original)).stream())
            .filter(version -> version.number() > 1 && version.state().isWhole())
            .map(ModelVersion::name);
    return Stream.concat(model.stream().map(ServedModel::id), later).toList();
  }

  /**
   * The model of a name that {@link #pin} gave.
   *
   * @throws ApiException if the tenant has none of that name
   */
  public ServedModel findPinned(String tenant, String id) {
    return pinned(tenant, id).orElseThrow(() -> ApiException.noModel(id));
  }

  private Optional<ServedModel> pinned(String tenant, String id) {
    Optional<ServedModel> model = original(tenant, id);
    return model.isPresent() || !VERSION.matcher(id).matches()
        ? model
        : Optional.of(find(tenant, id));
  }

  /**
   * Refuses, within a change, a model that has gone since {@link #pin} gave its name: whoever notes
   * in the same change that it needs the model keeps it.
   *
   * @throws ApiException if the tenant has none of that name, or the version has no files
   */
  public void checkThere(Journal.Session session, String tenant, String id) {
    boolean isThere =
        bases.containsKey(id)
            || session
                .first("SELECT 1 FROM models WHERE id = ? AND tenant = ?", row -> true, id, tenant)
                .isPresent();
    Matcher named = VERSION.matcher(id);
    if (!isThere
        && !(named.matches()
            && versions.isWhole(
                session, tenant, named.group(1), Integer.parseInt(named.group(2))))) {
      throw ApiException.noModel(id);
    }
  }

  /** Tuned models of a tenant, without checkpoints. */
  static long count(Journal.Session session, String tenant) {
    return session
        .first(
            "SELECT count(*) FROM models WHERE tenant = ? AND instr(id, '"
                + ServedModel.CHECKPOINT
                + "') = 0",
            row -> row.getLong(1),
            tenant)
        .orElseThrow();
  }

  /** Where all that is a tenant's lies: its models, checkpoints, and versions. */
  List<Path> folders(String tenant) {
    List<Path> own =
        journal.read(
            session ->
                session.list(
                    "SELECT folder FROM models WHERE tenant = ?",
                    row -> folder.resolve(row.getString("folder")),
                    tenant));
    return Stream.concat(own.stream(), versions.folders(tenant).stream()).toList();
  }

  /** Tuned ones of all tenants, for what looks after the whole server. */
  public List<ServedModel> tuned() {
    return journal.read(session -> session.list("SELECT * FROM models ORDER BY id", this::read));
  }

  /**
   * The line of a model: what it was when it came, and has become for the tenant.
   *
   * @throws ApiException if the tenant has none of that name
   */
  public ModelLine line(String tenant, String id) {
    return new ModelLine(tenant, original(tenant, id).orElseThrow(() -> ApiException.noModel(id)));
  }

  private Optional<ServedModel> original(String tenant, String id) {
    if (bases.containsKey(id)) {
      return Optional.of(base(id));
    }
    return journal.read(
        session ->
            session.first(
                "SELECT * FROM models WHERE id = ? AND tenant = ?", this::read, id, tenant));
  }

  private ServedModel live(ModelLine line) {
    return versions
        .live(line)
        .map(version -> line.original().in(version.folder()))
        .orElse(line.original());
  }

  private ServedModel version(ModelLine line, int number) {
    ModelVersion version =
        versions
            .find(line, number)
            .orElseThrow(() -> ApiException.noModel(line.model() + "@v" + number));
    if (!version.state().isWhole()) {
      throw ApiException.badRequest(
          "model",
          "'"
              + version.name()
              + "' cannot be called: its state is '"
              + version.state().word()
              + "'");
    }
    return served(line, version);
  }

  /** A version as a model that requests call by its name. */
  public ServedModel served(ModelLine line, ModelVersion version) {
    return line.original().version(version.name(), version.folder());
  }

  /**
   * Makes a version the one that the model's name stands for: from one request to the next, when
   * the change is committed. Whoever listens has opened it by then.
   *
   * @param from the version that is live
   * @param also what else is changed with it; says the number of the last correction whose
   *     judgement is none of the version
   * @return false: another version is live by now, the model has gone, or the files of the new one
   *     have; nothing was changed
   */
  public boolean switchTo(
      ModelLine line, ModelVersion from, ModelVersion to, ToLongFunction<Journal.Session> also) {
    ServedModel next = line.original().in(to.folder());
    onOpening.forEach(listener -> listener.accept(next));
    return journal.change(
        session -> {
          boolean isMeant = versions.isLive(session, from) && versions.hasFiles(session, to);
          if (isMeant) {
            versions.makeLive(session, to, also.applyAsLong(session));
          }
          return isMeant;
        });
  }

  /**
   * Hears of a version before it becomes live, to open it: what cannot be opened, which is what the
   * listener throws, does not become live.
   */
  public void onOpening(Consumer<ServedModel> listener) {
    onOpening.add(listener);
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
   * @throws ApiException if it is a base, or not the tenant's, or is needed
   */
  public void remove(String tenant, String id) {
    ModelLine line = line(tenant, id);
    if (line.original().base() == null) {
      throw ApiException.forbidden("'" + id + "' is a base of this server; it cannot be deleted");
    }
    List<ModelVersion> made =
        journal.change(
            session -> {
              Optional<String> reason = held(session, tenant, id);
              if (reason.isPresent()) {
                throw ApiException.conflict(reason.get());
              }
              List<ModelVersion> all = versions.list(session, line);
              remove(session, id);
              return all;
            });
    made.stream()
        .filter(version -> version.parent() > 0)
        .forEach(version -> tellRemoved(served(line, version)));
    tellRemoved(line.original());
  }

  /**
   * Takes a model out within a change, of which {@link #tellRemoved} tells once it is committed.
   */
  public void remove(Journal.Session session, String id) {
    versions.remove(session, id);
    session.update("DELETE FROM models WHERE id = ?", id);
  }

  /** Tells who listens that a model, or a version of one, was taken out. */
  public void tellRemoved(ServedModel model) {
    contents.forget(model.folder());
    onRemoved.forEach(listener -> listener.accept(model));
  }

  /** Asks also this one before a model, or the files of a version, are removed. */
  public void heldBy(Holder holder) {
    holders.add(holder);
  }

  /** Why a model, or a version by its name, must stay: see {@link Holder}. */
  public Optional<String> held(Journal.Session session, String tenant, String id) {
    return holders.stream()
        .flatMap(holder -> holder.reason(session, tenant, id).stream())
        .findFirst();
  }

  /** Adapters that are opened with it. */
  private Optional<String> adapterOn(Journal.Session session, String tenant, String id) {
    return session
        .first(
            "SELECT id FROM models WHERE tenant = ?1 AND"
                + " (base = ?2 OR substr(base, 1, length(?2) + 2) = ?2 || '@v')",
            row -> row.getString("id"),
            tenant,
            id)
        .map(
            adapter ->
                "The model '"
                    + id
                    + "' is what '"
                    + adapter
                    + "' is opened with; delete that first");
  }

  /** Hears of models, and of versions by their names, that were taken out. */
  public void onRemoved(Consumer<ServedModel> listener) {
    onRemoved.add(listener);
  }
}
