package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;

/** Brings files of one commit into its snapshot, several at a time. */
final class FileFetch {
  private final HubHttp http;
  private final HubCache cache;
  private final HubName name;
  private final String commit;
  private final RepositoryFiles listing;
  private final FileOps files;
  private final Progress progress;
  private final Meter meter = new Meter();

  /**
   * @param listing has every file that is asked for
   */
  FileFetch(
      HubHttp http,
      HubCache cache,
      HubName name,
      String commit,
      RepositoryFiles listing,
      FileOps files,
      Progress progress) {
    this.http = http;
    this.cache = cache;
    this.name = name;
    this.commit = commit;
    this.listing = listing;
    this.files = files;
    this.progress = progress;
  }

  /** Those of the files that are not here. */
  List<String> missing(Collection<String> wanted) throws IOException {
    List<String> out = new ArrayList<>();
    for (String file : wanted) {
      if (!listing.has(file) || !cache.has(commit, file, listing.entry(file).sizeBytes())) {
        out.add(file);
      }
    }
    return out;
  }

  /** Brings those that are not here; all are when this returns. */
  void all(Collection<String> wanted) throws IOException {
    List<String> missing = missing(wanted);
    if (missing.isEmpty()) {
      return;
    }
    cache.tag();
    cache.makeFolder(cache.blob("any").getParent());
    checkRoom(missing);
    Transfers transfers =
        new Transfers(
            http,
            meter,
            progress,
            "interrupted while fetching " + name + "; what has arrived is kept");
    List<HubHttp.Attempt<Void>> tasks = new ArrayList<>();
    for (String file : missing) {
      meter.expect(Math.max(0, listing.entry(file).sizeBytes()));
      tasks.add(
          () -> {
            one(file, transfers);
            return null;
          });
    }
    transfers.all(tasks);
  }

  /** Before anything is fetched for nothing. */
  private void checkRoom(List<String> missing) throws IOException {
    long needed = 0;
    for (String file : missing) {
      RepositoryFiles.Entry entry = listing.entry(file);
      Path partial = entry.etag() == null ? null : cache.partial(entry.etag());
      long there = partial != null && Files.exists(partial) ? Files.size(partial) : 0;
      boolean isHere = entry.etag() != null && Files.exists(cache.blob(entry.etag()));
      needed += isHere ? 0 : Math.max(0, entry.sizeBytes() - there);
    }
    long free = Files.getFileStore(cache.folder()).getUsableSpace();
    if (needed > free) {
      throw new StorageFailure(
          Meter.size(needed) + " are to be fetched, " + Meter.size(free) + " are free there", null);
    }
  }

  private void one(String file, Transfers transfers) throws IOException {
    RepositoryFiles.Entry listed = listing.entry(file);
    if (listed.etag() != null && isWhole(listed.etag(), listed.sizeBytes())) {
      meter.found(Math.max(0, listed.sizeBytes()));
      place(file, listed.etag(), listed.sizeBytes(), transfers);
      return;
    }
    FileFacts facts = FileFacts.ask(http, name, commit, file);
    long sizeBytes = facts.sizeBytes() >= 0 ? facts.sizeBytes() : listed.sizeBytes();
    check(file, listed, facts);
    if (listed.sizeBytes() < 0) {
      meter.expect(Math.max(0, sizeBytes));
    }
    place(file, facts.etag(), sizeBytes, transfers);
  }

  /** The hub says the same of a file in two places, or something is wrong on the way. */
  private void check(String file, RepositoryFiles.Entry listed, FileFacts facts) throws HubFailure {
    boolean etags = listed.etag() == null || listed.etag().equals(facts.etag());
    boolean sizes =
        listed.sizeBytes() < 0 || facts.sizeBytes() < 0 || listed.sizeBytes() == facts.sizeBytes();
    if (!etags || !sizes || !commit.equals(facts.commit())) {
      throw new HubFailure(
          HubFailure.Kind.BROKEN,
          String.format(
              "the hub says two things of %s: %s with %d bytes in its list, %s with %d bytes"
                  + " where it is fetched",
              file, listed.etag(), listed.sizeBytes(), facts.etag(), facts.sizeBytes()));
    }
  }

  private boolean isWhole(String etag, long sizeBytes) throws IOException {
    Path blob = cache.blob(etag);
    return Files.isRegularFile(blob) && (sizeBytes < 0 || Files.size(blob) == sizeBytes);
  }

  /** Under the lock of the content: fetched, unless it is here by now, and linked. */
  private void place(String file, String etag, long sizeBytes, Transfers transfers)
      throws IOException {
    Cache.locked(
        cache.lockFile(etag),
        () -> transfers.note("Waiting for another process that is fetching " + file + "."),
        () -> {
          boolean isHere = isWhole(etag, sizeBytes);
          if (!isHere && !cache.has(commit, file, sizeBytes)) {
            new BlobDownload(
                    http,
                    files,
                    meter,
                    http.at(name.filePath(commit, file)),
                    etag,
                    sizeBytes,
                    cache.partial(etag))
                .to(cache.blob(etag));
          }
          if (!cache.has(commit, file, sizeBytes) || isHere) {
            cache.link(etag, commit, file, !isHere);
          }
          return null;
        });
  }
}
