package dev.attune.server.inference;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.data.Example;
import dev.attune.run.GenerationService;
import dev.attune.run.HeadModel;
import dev.attune.run.TextEncoder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Metrics;
import dev.attune.server.inference.ModelOpener.Key;
import dev.attune.server.inference.ModelOpener.Labels;
import dev.attune.server.inference.ModelOpener.Opened;
import dev.attune.server.inference.ModelOpener.Texts;
import dev.attune.server.inference.ModelOpener.Use;
import dev.attune.server.inference.ModelOpener.VectorText;
import dev.attune.server.inference.ModelOpener.Vectors;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import dev.attune.task.CausalLm;
import dev.attune.task.Classification;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.Prediction;
import dev.attune.task.Regression;
import dev.attune.task.TaskType;
import dev.attune.task.TokenClassification;
import java.io.IOException;
import java.lang.System.Logger.Level;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.Consumer;
import java.util.function.Supplier;

/** The models that are open to answer requests, and the adapters beside them. */
public final class ModelPool implements AutoCloseable {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");

  private static final List<TaskType> LABEL_KINDS =
      List.of(
          Classification.TYPE,
          MultiLabelClassification.TYPE,
          Regression.TYPE,
          TokenClassification.TYPE);

  /** An adapter beside the base that it is used with. */
  private record AdapterKey(Path folder, Key base) {}

  /** An adapter that is open beside its base, which stays open for it. */
  private record Beside(GenerationService.Voice voice, Pool<Key, Opened>.Lease base) {}

  /** A language model in use. */
  public static final class TextLease implements AutoCloseable {
    private final GenerationService.Voice voice;
    private final List<AutoCloseable> leases;

    private TextLease(GenerationService.Voice voice, AutoCloseable... leases) {
      this.voice = voice;
      this.leases = List.of(leases);
    }

    /** Who speaks. */
    public GenerationService.Voice voice() {
      return voice;
    }

    @Override
    public void close() {
      leases.forEach(ModelPool::closed);
    }
  }

  /** A model that gives labels or numbers, in use. */
  static final class LabelLease implements AutoCloseable {
    private final Pool<Key, Opened>.Lease lease;
    private final Labels labels;

    private LabelLease(Pool<Key, Opened>.Lease lease) {
      this.lease = lease;
      this.labels = (Labels) lease.value();
    }

    HeadModel model() {
      return labels.model();
    }

    RowBatcher<Example, Prediction> batcher() {
      return labels.batcher();
    }

    @Override
    public void close() {
      lease.close();
    }
  }

  /** A model that makes vectors, in use. */
  static final class VectorLease implements AutoCloseable {
    private final Pool<Key, Opened>.Lease lease;
    private final Vectors vectors;

    private VectorLease(Pool<Key, Opened>.Lease lease) {
      this.lease = lease;
      this.vectors = (Vectors) lease.value();
    }

    TextEncoder model() {
      return vectors.model().model();
    }

    RowBatcher<VectorText, float[]> batcher() {
      return vectors.batcher();
    }

    @Override
    public void close() {
      lease.close();
    }
  }

  private final ModelCatalog catalog;
  private final ModelOpener opener;
  private final Pool<Key, Opened> models;
  private final Pool<AdapterKey, Beside> adapters;
  private final Map<Path, TaskType> types = new ConcurrentHashMap<>();
  private final Set<Path> alone = ConcurrentHashMap.newKeySet(); // adapters with their own base

  public ModelPool(ModelCatalog catalog, InferenceSettings settings) {
    this.catalog = catalog;
    this.opener = new ModelOpener(settings, catalog.contents());
    this.models =
        new Pool<>(
            settings.modelBytes(),
            opener::estimate,
            opener::open,
            Opened::sizeBytes,
            Opened::close);
    this.adapters =
        new Pool<>(
            settings.adapterBytes(),
            key -> ModelOpener.fileBytes(key.folder),
            this::openBeside,
            beside -> beside.voice.sizeBytes(),
            beside -> {
              beside.voice.close();
              beside.base.close();
            });
    catalog.onRemoved(this::forget);
    catalog.onOpening(this::open);
  }

  private static void closed(AutoCloseable lease) {
    try {
      lease.close();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private Beside openBeside(AdapterKey key) {
    Pool<Key, Opened>.Lease base = take(key.base);
    try {
      GenerationService.Voice voice = ((Texts) base.value()).service().openBeside(key.folder);
      if (voice == null) {
        alone.add(key.folder);
        throw new NeedsOwnBase();
      }
      try {
        opener.check(key.base);
      } catch (RuntimeException e) {
        voice.close();
        throw e;
      }
      return new Beside(voice, base);
    } catch (RuntimeException | Error e) {
      base.close();
      throw e;
    }
  }

  /** Says that an adapter is not one for a base that others use. */
  private static final class NeedsOwnBase extends RuntimeException {
    private static final long serialVersionUID = 1;

    NeedsOwnBase() {
      super("the adapter changes its base", null, false, false);
    }
  }

  /** A model's task, or why it has none. */
  private TaskType type(ServedModel model) {
    TaskType known = types.get(model.folder());
    if (known != null) {
      return known;
    }
    try {
      TaskType type = ModelOpener.type(model.folder(), catalog.baseOf(model));
      types.put(model.folder(), type);
      return type;
    } catch (InputException e) {
      LOG.log(Level.WARNING, "the model " + model.id() + " cannot be used: " + e.getMessage());
      throw ApiException.badRequest(
          "model", "'" + model.id() + "' cannot be used: the server's log says why");
    }
  }

  private static ApiException otherKind(ServedModel model, TaskType type, String wanted) {
    return ApiException.badRequest(
        "model",
        "'"
            + model.id()
            + "' is a model for "
            + type.name()
            + "; this request needs "
            + wanted
            + (type.generates()
                ? ", /v1/chat/completions and /v1/completions are for this one"
                : type.readsPairs()
                    ? ", /v1/embeddings is for this one"
                    : LABEL_KINDS.stream().anyMatch(type::isKindOf)
                        ? ", /v1/classifications is for this one"
                        : ""));
  }

  /**
   * Takes a language model into use.
   *
   * @throws ApiException if it is none, or there is no room for it now
   */
  public TextLease texts(ServedModel model) {
    TaskType type = type(model);
    if (!type.generates()) {
      throw otherKind(model, type, "a language model");
    }
    TextLease lease = guarded(model, () -> taken(model));
    if (lease.voice.service().hasEnded()) {
      LOG.log(
          Level.WARNING,
          "{0} has ended, for which the log has the reason further above; it is opened again",
          model.id());
      lease.close();
      discardEnded();
      return guarded(model, () -> taken(model));
    }
    return lease;
  }

  /** What is to be open for a model. */
  private Key key(ServedModel model, Use use) {
    ModelCatalog.Source source = catalog.source(model);
    return new Key(model.folder(), source.base(), use, source.content());
  }

  private TextLease taken(ServedModel model) {
    Key key = key(model, Use.TEXTS);
    if (key.base() != null && !alone.contains(model.folder())) {
      try {
        Pool<AdapterKey, Beside>.Lease adapter =
            adapters.take(
                new AdapterKey(
                    model.folder(), new Key(key.base(), null, Use.TEXTS, key.content())));
        return new TextLease(adapter.value().voice, adapter);
      } catch (NeedsOwnBase e) {
        // opened with its base below
      }
    }
    Pool<Key, Opened>.Lease lease = take(key);
    return new TextLease(((Texts) lease.value()).service().base(), lease);
  }

  /** Adapters keep their bases open, and go with them. */
  private void discardEnded() {
    adapters.discard(beside -> beside.voice.service().hasEnded());
    models.discard(opened -> opened instanceof Texts texts && texts.service().hasEnded());
  }

  /**
   * Opens a model before it is asked for.
   *
   * @throws ApiException if it cannot be opened, or there is no room for it now
   */
  public void open(ServedModel model) {
    if (type(model).generates()) {
      texts(model).close();
    } else {
      labels(model).close();
    }
  }

  LabelLease labels(ServedModel model) {
    TaskType type = type(model);
    if (LABEL_KINDS.stream().noneMatch(type::isKindOf)) {
      throw otherKind(model, type, "a model that gives labels to a text or its words, or a number");
    }
    return guarded(model, () -> new LabelLease(take(key(model, Use.LABELS))));
  }

  VectorLease vectors(ServedModel model) {
    if (continuesTexts(model)) {
      throw otherKind(model, CausalLm.TYPE, "a model that makes vectors");
    }
    return guarded(model, () -> new VectorLease(take(key(model, Use.VECTORS))));
  }

  /** Any encoder makes vectors, of which not all have a task. */
  private boolean continuesTexts(ServedModel model) {
    TaskType known = types.get(model.folder());
    try {
      return (known == null ? ModelOpener.type(model.folder(), catalog.baseOf(model)) : known)
          .generates();
    } catch (InputException e) {
      return false;
    }
  }

  /** Idle adapters keep their bases open: where others need the room, they go first. */
  private Pool<Key, Opened>.Lease take(Key key) {
    try {
      return models.take(key);
    } catch (Pool.NoRoomException e) {
      adapters.closeIdle();
      return models.take(key);
    }
  }

  private static <T> T guarded(ServedModel model, Supplier<T> opening) {
    try {
      return opening.get();
    } catch (Pool.NoRoomException e) {
      String message = "There is no room to open '" + model.id() + "': " + e.getMessage();
      throw e.isForEver() ? ApiException.unavailable(message, e) : ApiException.busy(message, 5);
    } catch (InputException e) {
      LOG.log(Level.WARNING, "the model " + model.id() + " cannot be opened: " + e.getMessage());
      throw ApiException.badRequest(
          "model",
          "'" + model.id() + "' cannot be opened for this request: the server's log says why");
    }
  }

  /** Closes what was deleted once nobody uses it, then removes its files. */
  private void forget(ServedModel model) {
    List<Consumer<Runnable>> steps = new ArrayList<>();
    adapters
        .keys(key -> key.folder.equals(model.folder()))
        .forEach(key -> steps.add(next -> adapters.remove(key, next)));
    models
        .keys(key -> key.folder().equals(model.folder()))
        .forEach(key -> steps.add(next -> models.remove(key, next)));
    types.remove(model.folder());
    run(steps, 0, () -> deleteFiles(model));
  }

  private static void run(List<Consumer<Runnable>> steps, int first, Runnable last) {
    if (first == steps.size()) {
      last.run();
    } else {
      steps.get(first).accept(() -> run(steps, first + 1, last));
    }
  }

  private static void deleteFiles(ServedModel model) {
    try {
      FileOps.SYSTEM.deleteTree(model.folder()); // versions go with their line
      if (model.job() != null) {
        FileOps.SYSTEM.delete(model.folder().getParent());
      }
    } catch (DirectoryNotEmptyException e) {
      LOG.log(Level.DEBUG, "others of the job of {0} are still there", model.id());
    } catch (IOException e) {
      LOG.log(Level.ERROR, "the files of " + model.id() + " cannot be removed", e);
    }
  }

  /**
   * What is open of a folder.
   *
   * @param bytes that it takes
   * @param users what uses it now: requests, or adapters that are open beside it
   */
  public record Open(Path folder, long bytes, int users) {}

  /** All that is open: models and adapters. */
  public List<Open> open() {
    List<Open> open = new ArrayList<>();
    models.forEach((key, bytes, users) -> open.add(new Open(key.folder(), bytes, users)));
    adapters.forEach((key, bytes, users) -> open.add(new Open(key.folder, bytes, users)));
    return open;
  }

  /** Registers what there is to tell of it. */
  public void tell(Metrics metrics) {
    metrics.gauge(
        "attune_models_open",
        "Models that are open, and adapters beside them",
        "kind",
        () -> Map.of("model", openModels(), "adapter", openAdapters()));
    metrics.gauge("attune_models_open_bytes", "Memory of all of them", this::openBytes);
    metrics.gauge(
        "attune_texts", "Texts that language models write, or are to write", "state", this::texts);
  }

  private Map<String, Integer> texts() {
    int running = 0;
    int unfinished = 0;
    for (Opened opened : models.values()) {
      if (opened instanceof Texts texts) {
        running += texts.service().running();
        unfinished += texts.service().unfinished();
      }
    }
    return Map.of("running", running, "waiting", Math.max(0, unfinished - running));
  }

  /** Models that are open. */
  public int openModels() {
    return models.count();
  }

  /** Adapters that are open beside their bases. */
  public int openAdapters() {
    return adapters.count();
  }

  /** Bytes of all of them. */
  public long openBytes() {
    return models.bytes() + adapters.bytes();
  }

  /** Waits for requests that use any, then closes all. */
  @Override
  public void close() {
    adapters.close();
    models.close();
  }
}
