package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.Count;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.hub.PruneResult.Reason;
import dev.attune.hub.PruneResult.Spared;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Removes from the hub's cache what no branch or tag leads to: commits that have been replaced, the
 * contents that only they had, and what was not fetched to its end.
 *
 * <p>What changed a short while ago is spared: Python's locks are not seen here, and no link leads
 * to what it is fetching, nor a branch to what it fetches by its commit.
 */
final class CachePrune {
  /** A download that is at work writes more often. */
  private static final Duration SPARED = Duration.ofHours(1);

  private final Instant since = Instant.now().minus(SPARED);
  private final Path cache;
  private final boolean dryRun;
  private final Progress progress;
  private final List<String> revisions = new ArrayList<>();
  private int files;
  private long bytes;
  private final List<Spared> spared = new ArrayList<>();

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
    prune.reportSpared();
    return new PruneResult(
        List.copyOf(prune.revisions), prune.files, prune.bytes, List.copyOf(prune.spared));
  }

  private void reportSpared() {
    List<Spared> fresh =
        spared.stream().filter(one -> one.reason() == Reason.CHANGED_WITHIN_AN_HOUR).toList();
    if (!fresh.isEmpty()) {
      long commits = fresh.stream().filter(one -> one.name().contains("@")).count();
      progress.report(
          String.format(
              "Spared %s and %s (%s) that changed within the last hour: they may be"
                  + " what a download is at work on.",
              Count.many(commits, "commit"),
              Count.many(fresh.size() - commits, "file"),
              Meter.size(fresh.stream().mapToLong(Spared::bytes).sum())));
    }
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
    if (!named.stream().allMatch(HubName::isCommit)) {
      // Which commit it stood for cannot be known, so all may be wanted.
      spared.add(new Spared(repository.id(), Reason.BROKEN_BRANCH, repository.sizeBytes()));
      progress.report(
          folder.resolve("refs")
              + " holds a branch that names no commit; "
              + repository.id()
              + " is left as it is. Fetch it again to mend it.");
      return;
    }
    Set<Path> kept = new HashSet<>();
    boolean anyKept = false;
    for (Path snapshot : CacheScan.list(folder.resolve("snapshots"))) {
      String commit = snapshot.getFileName().toString();
      boolean isNamed = named.contains(commit);
      if (isNamed || isFresh(snapshot)) {
        anyKept = true;
        if (!isNamed) {
          String name = repository.id() + "@" + commit;
          spared.add(new Spared(name, Reason.CHANGED_WITHIN_AN_HOUR, 0));
        }
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
      if (kept.contains(blob.normalize())) {
        continue;
      }
      if (isFresh(blob)) {
        anyKept = true;
        String name = repository.id() + "/blobs/" + blob.getFileName();
        spared.add(new Spared(name, Reason.CHANGED_WITHIN_AN_HOUR, Files.size(blob)));
      } else {
        remove(blob);
      }
    }
    if (!anyKept && named.isEmpty() && !dryRun) {
      FileOps.SYSTEM.deleteTree(folder);
    }
  }

  /** Whether a file, or a folder or anything in it, changed a short while ago. */
  private boolean isFresh(Path root) throws IOException {
    try (Stream<Path> all = Files.walk(root)) {
      for (Path file : (Iterable<Path>) all::iterator) {
        FileTime changed = Files.getLastModifiedTime(file, LinkOption.NOFOLLOW_LINKS);
        if (changed.toInstant().isAfter(since)) {
          return true;
        }
      }
    }
    return false;
  }

  private void tree(Path folder) throws IOException {
    for (Path file : CacheScan.files(folder)) {
      remove(file);
    }
    if (!dryRun) {
      FileOps.SYSTEM.deleteTree(folder);
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
      FileOps.SYSTEM.delete(file);
    }
  }
}
