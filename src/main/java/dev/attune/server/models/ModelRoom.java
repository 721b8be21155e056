package dev.attune.server.models;

import dev.attune.server.access.Limits;
import dev.attune.server.database.Journal;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Function;
import java.util.function.ToLongBiFunction;

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

  /** Bytes of folders, by tenant, as they were measured last. */
  private final Map<String, Map<Path, Long>> measured = new ConcurrentHashMap<>();

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

  private boolean isBounded(String tenant) {
    return limits.apply(tenant).modelBytes() < Long.MAX_VALUE;
  }

  private List<Path> folders(String tenant) {
    List<Path> folders = new ArrayList<>(models.folders(tenant));
    others.forEach(more -> folders.addAll(more.apply(tenant)));
    return folders;
  }

  /**
   * Refuses what is more than a tenant may have, and more than what goes for it: a tenant that has
   * too much may still put something smaller in the place of what it has.
   *
   * @param needed bytes
   * @param replaced folders of the tenant that go when these bytes have come
   * @throws ApiException if it is more
   */
  public void checkQuota(String tenant, long needed, List<Path> replaced) throws IOException {
    if (isBounded(tenant) && needed > bytes(replaced)) {
      checkBeside(tenant, needed, replaced);
    }
  }

  /**
   * Refuses what is more than a tenant may have beside all else.
   *
   * @param needed bytes
   * @param uncounted folders of the tenant in which these bytes are, or will be
   * @throws ApiException if it is more
   */
  public void checkBeside(String tenant, long needed, List<Path> uncounted) throws IOException {
    if (isBounded(tenant)) {
      check(tenant, needed, bytes(folders(tenant)) - bytes(uncounted));
    }
  }

  private void check(String tenant, long needed, long has) {
    long most = limits.apply(tenant).modelBytes();
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
  }

  /**
   * What was made and is not counted yet.
   *
   * @param bytes that it takes; 0 where nobody counts them
   */
  public record Made(String tenant, Path folder, long bytes) {}

  /**
   * Measures what was made, and all else that its tenant has, for {@link #checkMade}: before the
   * change that tells of it, for which all others wait.
   *
   * @param folder that stays as it is from now on
   */
  public Made measure(String tenant, Path folder) {
    if (!isBounded(tenant)) {
      return new Made(tenant, folder, 0);
    }
    Map<Path, Long> all = new ConcurrentHashMap<>();
    folders(tenant).forEach(each -> all.put(each, walked(each)));
    Made made = new Made(tenant, folder, walked(folder));
    all.put(folder, made.bytes());
    measured.put(tenant, all);
    return made;
  }

  private static long walked(Path folder) {
    try {
      return bytes(List.of(folder));
    } catch (IOException e) {
      throw new UncheckedIOException("the server's disk: " + e.getMessage(), e);
    }
  }

  /**
   * Refuses what was made where it is more than a tenant may have, and more than what goes for it:
   * within the change that tells of it, so that of two that come at a time one is counted when the
   * other is looked at. Only a folder that has come since all were measured is measured here.
   *
   * @param replaced folders of the tenant that go with the change, or were written over
   * @throws ApiException if it is more
   */
  public void checkMade(Made made, List<Path> replaced) {
    String tenant = made.tenant();
    if (!isBounded(tenant)) {
      return;
    }
    Map<Path, Long> known = measured.computeIfAbsent(tenant, key -> new ConcurrentHashMap<>());
    long has = 0;
    long goes = 0;
    for (Path each : folders(tenant)) {
      long bytes = known.computeIfAbsent(each, ModelRoom::walked);
      if (replaced.contains(each)) {
        goes += bytes;
      } else {
        has += bytes;
      }
    }
    if (made.bytes() > goes) {
      check(tenant, made.bytes(), has);
    }
  }

  /**
   * Refuses what the disk does not hold beside that which is kept free on it.
   *
   * @param needed bytes
   * @throws ApiException if it is more
   */
  public void checkDisk(long needed) throws IOException {
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

  /** What folders take; what is removed meanwhile takes nothing. */
  public static long bytes(List<Path> folders) throws IOException {
    AtomicLong bytes = new AtomicLong();
    SimpleFileVisitor<Path> count =
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes) {
            bytes.addAndGet(attributes.size());
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFileFailed(Path file, IOException e) {
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult postVisitDirectory(Path folder, IOException e) {
            return FileVisitResult.CONTINUE;
          }
        };
    for (Path folder : folders) {
      Files.walkFileTree(folder, count);
    }
    return bytes.get();
  }
}
