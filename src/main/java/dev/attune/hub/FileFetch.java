package dev.attune.hub;

import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.InterruptedCallException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/** Brings files of one commit into its snapshot, several at a time. */
final class FileFetch {
  private static final int AT_A_TIME = 4;
  private static final long TELL_MILLIS = 200;

  private final HubHttp http;
  private final HubCache cache;
  private final HubName name;
  private final String commit;
  private final RepositoryFiles listing;
  private final FileOps files;
  private final Progress progress;
  private final Meter meter = new Meter();
  private final Queue<String> notes = new ConcurrentLinkedQueue<>();

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
    ExecutorService workers =
        Executors.newFixedThreadPool(
            Math.min(AT_A_TIME, missing.size()),
            work -> {
              Thread thread = new Thread(work, "attune-hub-fetch");
              thread.setDaemon(true);
              return thread;
            });
    try {
      List<Future<?>> tasks = new ArrayList<>();
      for (String file : missing) {
        meter.expect(Math.max(0, listing.entry(file).sizeBytes()));
        tasks.add(
            workers.submit(
                () -> {
                  one(file);
                  return null;
                }));
      }
      await(tasks);
    } catch (IOException | RuntimeException e) {
      http.stop();
      throw e;
    } finally {
      end(workers);
    }
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

  /** Tells how far they are, here where the caller waits, until all are done or one fails. */
  private void await(List<Future<?>> tasks) throws IOException {
    List<Future<?>> open = new ArrayList<>(tasks);
    while (!open.isEmpty()) {
      try {
        open.get(0).get(TELL_MILLIS, TimeUnit.MILLISECONDS);
      } catch (TimeoutException e) {
        // Time to tell.
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new InterruptedCallException(
            "interrupted while fetching " + name + "; what has arrived is kept");
      } catch (ExecutionException e) {
        throw failure(e);
      }
      for (Future<?> task : open) {
        if (task.isDone()) {
          rethrow(task);
        }
      }
      open.removeIf(Future::isDone);
      for (String note = notes.poll(); note != null; note = notes.poll()) {
        progress.report(note);
      }
      meter.tell(progress);
    }
  }

  private static void rethrow(Future<?> done) throws IOException {
    try {
      done.get();
    } catch (ExecutionException e) {
      throw failure(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException("it is done", e);
    }
  }

  private static IOException failure(ExecutionException e) throws IOException {
    if (e.getCause() instanceof IOException cause) {
      return cause;
    }
    if (e.getCause() instanceof RuntimeException cause) {
      throw cause;
    }
    throw new IllegalStateException(e.getCause());
  }

  /** No thread goes on writing when this returns. */
  private static void end(ExecutorService workers) {
    workers.shutdownNow();
    boolean interrupted = Thread.interrupted();
    try {
      workers.awaitTermination(10, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      interrupted = true;
    }
    if (interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void one(String file) throws IOException {
    RepositoryFiles.Entry listed = listing.entry(file);
    if (listed.etag() != null && isWhole(listed.etag(), listed.sizeBytes())) {
      meter.found(Math.max(0, listed.sizeBytes()));
      place(file, listed.etag(), listed.sizeBytes());
      return;
    }
    FileFacts facts = FileFacts.ask(http, name, commit, file);
    long sizeBytes = facts.sizeBytes() >= 0 ? facts.sizeBytes() : listed.sizeBytes();
    check(file, listed, facts);
    if (listed.sizeBytes() < 0) {
      meter.expect(Math.max(0, sizeBytes));
    }
    place(file, facts.etag(), sizeBytes);
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
  private void place(String file, String etag, long sizeBytes) throws IOException {
    Cache.locked(
        cache.lockFile(etag),
        () -> notes.add("Waiting for another process that is fetching " + file + "."),
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
