package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * Removes from the hub's cache what no branch or tag leads to: commits that have been replaced, the
 * contents that only they had, and what was not fetched to its end.
 */
final class CachePrune {
  private final Path cache;
  private final boolean dryRun;
  private final Progress progress;
  private final List<String> revisions = new ArrayList<>();
  private int files;
  private long bytes;

  private CachePrune(Path cache, boolean dryRun, Progress progress) {
    this.cache = cache;
    this.dryRun = dryRun;
    this.progress = progress;
  }

  /**
   * Removes.
   *
   * @param ids of repositories; empty: all
   * @param dryRun whether only to tell
   */
  static PruneResult run(Path cache, List<String> ids, boolean dryRun, Progress progress) {
    List<CachedRepository> all = CacheScan.of(cache);
    for (String id : ids) {
      if (all.stream().noneMatch(repository -> repository.id().equals(id))) {
        throw new InputException(
            "the cache "
                + cache
                + " has no repository "
                + id
                + "; it has "
                + (all.isEmpty()
                    ? "none"
                    : String.join(", ", all.stream().map(CachedRepository::id).toList())));
      }
    }
    CachePrune prune = new CachePrune(cache, dryRun, progress);
    for (CachedRepository repository : all) {
      if (ids.isEmpty() || ids.contains(repository.id())) {
        prune.alone(repository);
      }
    }
    return new PruneResult(List.copyOf(prune.revisions), prune.files, prune.bytes);
  }

  private void alone(CachedRepository repository) {
    try {
      if (dryRun) {
        repository(repository);
        return;
      }
      Cache.locked(
          HubCache.lockFileOf(cache, repository.folder().getFileName().toString()),
          () -> progress.report("Waiting for a process that is fetching " + repository.id() + "."),
          () -> {
            repository(repository);
            return null;
          });
    } catch (IOException e) {
      throw new UncheckedIOException(repository.folder() + " cannot be pruned: " + e, e);
    }
  }

  private void repository(CachedRepository repository) throws IOException {
    Path folder = repository.folder();
    Set<String> named = CacheScan.names(folder.resolve("refs")).keySet();
    Set<Path> kept = new HashSet<>();
    boolean anyKept = false;
    for (Path snapshot : CacheScan.list(folder.resolve("snapshots"))) {
      String commit = snapshot.getFileName().toString();
      if (named.contains(commit)) {
        anyKept = true;
        for (Path file : CacheScan.files(snapshot)) {
          if (Files.isSymbolicLink(file)) {
            kept.add(file.getParent().resolve(Files.readSymbolicLink(file)).normalize());
          }
        }
      } else {
        revisions.add(repository.id() + "@" + commit);
        tree(snapshot);
        remove(folder.resolve("trees").resolve(commit + ".json"));
        tree(folder.resolve(".no_exist").resolve(commit));
      }
    }
    for (Path blob : CacheScan.list(folder.resolve("blobs"))) {
      if (!kept.contains(blob.normalize())) {
        remove(blob);
      }
    }
    if (!anyKept && named.isEmpty() && !dryRun) {
      Trees.delete(folder);
    }
  }

  private void tree(Path folder) throws IOException {
    for (Path file : CacheScan.files(folder)) {
      remove(file);
    }
    if (!dryRun) {
      Trees.delete(folder);
    }
  }

  private void remove(Path file) throws IOException {
    if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
      return;
    }
    if (!Files.isSymbolicLink(file)) {
      files++;
      bytes += Files.size(file);
    }
    if (!dryRun) {
      Files.delete(file);
    }
  }
}
