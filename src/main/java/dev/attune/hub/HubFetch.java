package dev.attune.hub;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Cache;
import dev.attune.core.Count;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.stream.Stream;

/**
 * From a name of the hub to files on this machine: asks the hub which commit a branch is now, and
 * fetches what the cache lacks of it. Where the hub cannot be asked, what was fetched before
 * counts, and a note says so.
 */
final class HubFetch {
  private static final int MOST_ANSWER_BYTES = 64 << 20;
  private static final int SHORT_COMMIT = 12;

  private final HubSettings settings;
  private final FileOps files;
  private final HubHttp.Pause pause;
  private final Progress progress;
  private final HubMessages messages;

  /**
   * @param files how files are written
   * @param pause how to wait between tries
   */
  HubFetch(HubSettings settings, FileOps files, HubHttp.Pause pause, Progress progress) {
    this.settings = settings;
    this.files = files;
    this.pause = pause;
    this.progress = progress;
    this.messages = new HubMessages(settings);
  }

  private HubCache cache(HubName name) {
    return new HubCache(settings.cache(), name, !settings.avoidsLinks(), files);
  }

  /**
   * The folder of a model, with all files that a model is opened from.
   *
   * @param check hears the folder as soon as it has config.json, before weights are fetched; may
   *     refuse the model
   * @throws InputException if there is no such model, or none that can be read
   * @throws java.io.UncheckedIOException if it is not here and cannot be fetched now
   */
  Path model(HubName name, Consumer<Path> check) {
    HubCache cache = cache(name);
    try {
      Optional<Path> pinned = pinned(name, cache);
      return pinned.isPresent() ? pinned.get() : lookUp(name, cache, check);
    } catch (HubFailure e) {
      throw messages.of(name, e, "");
    } catch (IOException e) {
      throw messages.ofStorage(name, e);
    }
  }

  /** A commit that is here with all of its files: nothing to ask. */
  private Optional<Path> pinned(HubName name, HubCache cache) throws IOException {
    if (name.isPinned() && cache.listing(name.revision()).isPresent()) {
      Cached cached = cached(name, cache);
      return cached.missing().isEmpty() ? Optional.of(cached.folder()) : Optional.empty();
    }
    return Optional.empty();
  }

  private Path lookUp(HubName name, HubCache cache, Consumer<Path> check) throws IOException {
    Cached cached = cached(name, cache);
    if (settings.isOffline()) {
      return fromCache(
          name,
          cached,
          new HubFailure(HubFailure.Kind.OFFLINE, "networking is switched off by HF_HUB_OFFLINE"));
    }
    try (HubHttp http = new HubHttp(settings, pause)) {
      Revision revision;
      try {
        revision = revision(http, name, cached.isWhole());
      } catch (HubFailure e) {
        if (e.kind() == HubFailure.Kind.REVISION) {
          throw e;
        }
        return fromCache(name, cached, e);
      }
      return fetch(http, name, cache, revision, check);
    }
  }

  /** One process at a time: the others find all of it when their turn comes. */
  private <T> T alone(HubName name, HubCache cache, Cache.Work<T> work) throws IOException {
    return Cache.locked(
        cache.lockFile(),
        () -> progress.report("Waiting for another process that is fetching " + name + "."),
        work);
  }

  /** A commit with all of its files. */
  private record Revision(String commit, RepositoryFiles listing) {}

  private Revision revision(HubHttp http, HubName name, boolean once) throws IOException {
    String path = name.apiPath() + "/revision/" + HubName.encoded(name.revision()) + "?blobs=true";
    // No connection at all is no matter of patience; nor is anything if the cache will do.
    byte[] answer = http.get(http.at(path), MOST_ANSWER_BYTES, once);
    JsonNode info;
    try {
      info = new ObjectMapper().readTree(answer);
    } catch (JsonProcessingException e) {
      throw noHub("what answers is no JSON");
    }
    String commit = info.path("sha").asText();
    if (!HubName.isCommit(commit) || !info.path("siblings").isArray()) {
      throw noHub("the answer names no commit with files");
    }
    try {
      return new Revision(commit, RepositoryFiles.ofAnswer(info));
    } catch (HubFailure e) {
      throw noHub(e.getMessage());
    }
  }

  private HubFailure noHub(String reason) {
    return new HubFailure(
        HubFailure.Kind.BROKEN,
        settings.endpoint()
            + " does not answer as a hub does: "
            + reason
            + "; is HF_ENDPOINT right, and does no proxy or login page stand between?");
  }

  private Path fetch(
      HubHttp http, HubName name, HubCache cache, Revision revision, Consumer<Path> check)
      throws IOException {
    RepositoryFiles listing = revision.listing();
    Path folder = cache.snapshot(revision.commit());
    Set<String> first = ModelChoice.first(name.toString(), listing.names());
    FileFetch fetch = new FileFetch(http, cache, name, revision.commit(), listing, files, progress);
    if (isWhole(fetch, folder, first)) {
      note(cache, revision, false);
      return folder;
    }
    return alone(
        name,
        cache,
        () -> {
          bring(name, revision, folder, first, fetch, check);
          note(cache, revision, true);
          return folder;
        });
  }

  private static boolean isWhole(FileFetch fetch, Path folder, Set<String> first)
      throws IOException {
    return fetch.missing(first).isEmpty()
        && fetch.missing(ModelChoice.shards(folder, first)).isEmpty();
  }

  private void bring(
      HubName name,
      Revision revision,
      Path folder,
      Set<String> first,
      FileFetch fetch,
      Consumer<Path> check)
      throws IOException {
    if (!fetch.missing(first).isEmpty()) {
      progress.report(
          String.format(
              "Fetching the model %s from %s (%s).",
              name, settings.endpoint(), size(first, revision.listing())));
    }
    long begin = System.nanoTime();
    fetch.all(
        Set.of(
            first.contains(ModelChoice.ADAPTER_CONFIG)
                ? ModelChoice.ADAPTER_CONFIG
                : ModelChoice.CONFIG));
    check.accept(folder);
    fetch.all(first);
    Set<String> shards = ModelChoice.shards(folder, first);
    for (String shard : shards) {
      if (!revision.listing().has(shard)) {
        throw new InputException(
            name + ": the index of its weights names " + shard + ", which the repository lacks");
      }
    }
    if (!fetch.missing(shards).isEmpty()) {
      progress.report("Its weights are in shards (" + size(shards, revision.listing()) + ").");
    }
    fetch.all(shards);
    progress.report(
        String.format(
            Locale.ROOT,
            "Fetched %s at commit %s in %.0f s; it is in %s.",
            name,
            shortened(revision.commit()),
            (System.nanoTime() - begin) * 1e-9,
            folder));
  }

  private static String size(Set<String> names, RepositoryFiles listing) {
    long bytes = 0;
    for (String name : names) {
      bytes += Math.max(0, listing.entry(name).sizeBytes());
    }
    return Count.many(names.size(), "file") + (bytes > 0 ? ", " + Meter.size(bytes) : "");
  }

  /** Last of all: from here on the branch is this commit for those who do not ask. */
  private static void note(HubCache cache, Revision revision, boolean isNew) throws IOException {
    try {
      cache.setListing(revision.commit(), revision.listing());
      cache.setCommit(revision.commit());
    } catch (IOException e) {
      if (isNew) {
        throw e;
      }
      // A cache that cannot be written, and has all that is needed.
    }
  }

  private static String shortened(String commit) {
    return commit.substring(0, SHORT_COMMIT);
  }

  /**
   * What the cache has of a model.
   *
   * @param commit null: nothing
   * @param missing files that the model cannot be opened without
   */
  private record Cached(String commit, Path folder, List<String> missing) {
    boolean isWhole() {
      return commit != null && missing.isEmpty();
    }
  }

  private static Cached cached(HubName name, HubCache cache) throws IOException {
    Optional<String> commit = cache.commit();
    if (commit.isEmpty() || !Files.isDirectory(cache.snapshot(commit.get()))) {
      return new Cached(null, null, List.of());
    }
    Path folder = cache.snapshot(commit.get());
    Optional<RepositoryFiles> listing = cache.listing(commit.get());
    if (listing.isEmpty()) {
      return new Cached(commit.get(), folder, ModelChoice.missing(folder));
    }
    List<String> missing = new ArrayList<>();
    Set<String> wanted = new TreeSet<>(ModelChoice.first(name.toString(), listing.get().names()));
    for (String file : wanted) {
      if (!cache.has(commit.get(), file, listing.get().entry(file).sizeBytes())) {
        missing.add(file);
      }
    }
    if (missing.isEmpty()) {
      for (String shard : ModelChoice.shards(folder, wanted)) {
        RepositoryFiles.Entry entry = listing.get().entry(shard);
        if (!cache.has(commit.get(), shard, entry == null ? -1 : entry.sizeBytes())) {
          missing.add(shard);
        }
      }
    }
    return new Cached(commit.get(), folder, missing);
  }

  private Path fromCache(HubName name, Cached cached, HubFailure failure) throws IOException {
    if (cached.isWhole()) {
      if (failure.kind() != HubFailure.Kind.OFFLINE) {
        progress.report(
            "The hub was not asked whether "
                + name
                + " has changed: "
                + failure.getMessage()
                + ". What was fetched before is used (commit "
                + shortened(cached.commit())
                + ").");
      }
      return cached.folder();
    }
    String here;
    if (cached.commit() == null) {
      here = " (it is not in the cache " + settings.cache() + ")";
    } else {
      List<String> missing = cached.missing();
      here =
          " (of commit "
              + shortened(cached.commit())
              + " the cache lacks "
              + String.join(", ", missing.subList(0, Math.min(4, missing.size())))
              + (missing.size() > 4 ? " and " + (missing.size() - 4) + " more" : "")
              + ")";
    }
    throw messages.of(name, failure, here + others(name));
  }

  /** Commits that are here whole, though the revision that was asked for is not. */
  private String others(HubName name) throws IOException {
    Path snapshots = cache(name).folder().resolve("snapshots");
    if (!Files.isDirectory(snapshots)) {
      return "";
    }
    List<String> whole = new ArrayList<>();
    try (Stream<Path> commits = Files.list(snapshots)) {
      for (Path folder : commits.sorted().toList()) {
        String commit = folder.getFileName().toString();
        if (HubName.isCommit(commit) && ModelChoice.missing(folder).isEmpty()) {
          whole.add(name.id() + "@" + commit);
        }
      }
    }
    return whole.isEmpty() ? "" : "; whole in the cache is " + String.join(", ", whole);
  }

  /**
   * A file of a dataset.
   *
   * @throws InputException if there is no such file
   * @throws java.io.UncheckedIOException if it is not here and cannot be fetched now
   */
  Path file(HubFile file) {
    HubName name = file.repository();
    HubCache cache = cache(name);
    try {
      Optional<String> commit = cache.commit();
      if (name.isPinned() && cache.has(name.revision(), file.path(), -1)) {
        return cache.snapshot(name.revision()).resolve(file.path());
      }
      try {
        return fetchFile(name, cache, file.path());
      } catch (HubFailure e) {
        boolean gone = e.kind() == HubFailure.Kind.REVISION || e.kind() == HubFailure.Kind.ENTRY;
        if (gone || commit.isEmpty() || !cache.has(commit.get(), file.path(), -1)) {
          throw e;
        }
        if (e.kind() != HubFailure.Kind.OFFLINE) {
          progress.report(
              "The hub was not asked whether "
                  + file
                  + " has changed: "
                  + e.getMessage()
                  + ". What was fetched before is used.");
        }
        return cache.snapshot(commit.get()).resolve(file.path());
      }
    } catch (HubFailure e) {
      throw messages.of(name, e, " (" + file + " is not in the cache " + settings.cache() + ")");
    } catch (IOException e) {
      throw messages.ofStorage(name, e);
    }
  }

  /** For Python, which asks its cache first; as it does, without a word where that fails. */
  private static void noteAbsent(HubCache cache, String commit, String path) {
    try {
      if (commit != null) {
        cache.setAbsent(commit, path);
        cache.setCommit(commit);
      }
    } catch (IOException e) {
      // The next time the hub is asked again.
    }
  }

  private Path fetchFile(HubName name, HubCache cache, String path) throws IOException {
    try (HubHttp http = new HubHttp(settings, pause)) {
      RepositoryFiles unknown =
          new RepositoryFiles(
              new TreeMap<>(Map.of(path, new RepositoryFiles.Entry(-1, null, null, null))));
      FileFacts facts;
      try {
        facts = FileFacts.ask(http, name, name.revision(), path);
      } catch (HubFailure e) {
        if (e.kind() != HubFailure.Kind.ENTRY) {
          throw e;
        }
        noteAbsent(cache, e.commit(), path);
        throw new HubFailure(
            HubFailure.Kind.ENTRY, "the dataset " + name + " has no file '" + path + "'", e);
      }
      FileFetch fetch = new FileFetch(http, cache, name, facts.commit(), unknown, files, progress);
      boolean isNew = !fetch.missing(Set.of(path)).isEmpty();
      if (isNew) {
        progress.report(
            "Fetching "
                + path
                + " of the dataset "
                + name
                + " from "
                + settings.endpoint()
                + (facts.sizeBytes() < 0 ? "." : " (" + Meter.size(facts.sizeBytes()) + ")."));
        alone(
            name,
            cache,
            () -> {
              fetch.all(Set.of(path));
              return null;
            });
      }
      try {
        cache.setCommit(facts.commit());
      } catch (IOException e) {
        if (isNew) {
          throw e;
        }
      }
      return cache.snapshot(facts.commit()).resolve(path);
    }
  }
}
