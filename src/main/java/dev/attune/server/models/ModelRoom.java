package dev.attune.server.models;

import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Function;
import java.util.function.ToLongBiFunction;
import java.util.stream.Stream;

/**
 * What there is room for beside the models that are kept: of a tenant's quotas, and of the disk, of
 * which some is left to the journal and to jobs. Any number of threads use it.
 */
public final class ModelRoom {
  /** Of the disk, that models and states do not take. */
  private static final long KEPT_FREE_BYTES = 256L << 20;

  private final ModelCatalog models;
  private final Path folder;
  private final Function<String, Limits> limits;
  private final List<ToLongBiFunction<Journal.Session, String>> coming =
      new CopyOnWriteArrayList<>();
  private final List<Function<String, List<Path>>> others = new CopyOnWriteArrayList<>();

  /**
   * @param folder on the disk that is meant; it need not be there yet
   * @param limits of a tenant
   */
  public ModelRoom(ModelCatalog models, Path folder, Function<String, Limits> limits) {
    this.models = models;
    this.folder = folder;
    this.limits = limits;
  }

  /** Counts also those that a tenant is going to have, such as by its jobs. */
  public void expect(ToLongBiFunction<Journal.Session, String> count) {
    coming.add(count);
  }

  /** Counts also the bytes of other folders of a tenant. */
  public void include(Function<String, List<Path>> folders) {
    others.add(folders);
  }

  /**
   * Refuses one more model of a tenant where it has as many as it may, within a change.
   *
   * @throws ApiException if there is none more
   */
  public void checkCount(Journal.Session session, String tenant) {
    long most = limits.apply(tenant).models();
    long has = ModelCatalog.count(session, tenant);
    long expected = coming.stream().mapToLong(count -> count.applyAsLong(session, tenant)).sum();
    if (has + expected >= most) {
      throw ApiException.overQuota(
          "This tenant has "
              + has
              + " tuned models"
              + (expected == 0 ? "" : ", and jobs that will make " + expected + " more")
              + ", of "
              + most
              + " that it may have; delete one, or ask who runs this server for more");
    }
  }

  /**
   * Refuses what there is no room for.
   *
   * @param needed bytes
   * @throws ApiException if it is more than the tenant may have, or than the disk holds
   */
  public void checkBytes(String tenant, long needed) throws IOException {
    long most = limits.apply(tenant).modelBytes();
    long has = most == Long.MAX_VALUE ? 0 : bytes(tenant);
    if (needed > most - has) {
      throw ApiException.overQuota(
          "There is no room for "
              + needed
              + " bytes more: "
              + has
              + " of "
              + most
              + " are used, by tuned models, their checkpoints and versions, and states of"
              + " sessions. Delete some, or ask who runs this server for more");
    }
    Path place = folder;
    while (!Files.exists(place)) {
      place = place.toAbsolutePath().getParent();
    }
    long usable = Files.getFileStore(place).getUsableSpace();
    if (needed > usable - KEPT_FREE_BYTES) {
      throw ApiException.noRoom(
          "The server's disk is full: "
              + usable
              + " bytes are left, of which "
              + KEPT_FREE_BYTES
              + " are kept free, and this takes "
              + needed
              + ". Delete states, files or models, or ask who runs this server for room",
          null);
    }
  }

  private long bytes(String tenant) throws IOException {
    List<Path> folders = new ArrayList<>(models.folders(tenant));
    others.forEach(more -> folders.addAll(more.apply(tenant)));
    long bytes = 0;
    for (Path one : folders) {
      bytes += bytes(one);
    }
    return bytes;
  }

  /** What is removed meanwhile takes nothing. */
  private static long bytes(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      long bytes = 0;
      for (Path file : (Iterable<Path>) files.filter(Files::isRegularFile)::iterator) {
        bytes += Files.size(file);
      }
      return bytes;
    } catch (NoSuchFileException | UncheckedIOException e) {
      return 0;
    }
  }
}
