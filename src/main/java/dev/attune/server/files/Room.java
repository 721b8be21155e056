package dev.attune.server.files;

import dev.attune.server.access.Limits;
import dev.attune.server.http.ApiException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.function.Function;

/**
 * What there is room for: of a tenant's quota, and of the disk, of which some is left to the
 * journal and to jobs. What is on its way counts as if it were there.
 */
final class Room {
  /** Of the disk, that uploads do not take. */
  static final long KEPT_FREE_BYTES = 256L << 20;

  /** The disk is asked again after so much. */
  private static final long STEP_BYTES = 1L << 20;

  private final Path folder;
  private final Function<String, Limits> limits;
  private final Map<String, Long> used = new HashMap<>();
  private long unwritten; // reserved and not on the disk yet

  Room(Path folder, Function<String, Limits> limits) {
    this.folder = folder;
    this.limits = limits;
  }

  /** Room of one file, which grows as it does. Closed before it is kept, it is given back. */
  final class Reservation implements AutoCloseable {
    private final String tenant;
    private long bytes;
    private long written;
    private long askedAt;

    private Reservation(String tenant) {
      this.tenant = tenant;
    }

    /**
     * Sees to it that there is room for so many bytes in all.
     *
     * @throws ApiException if there is not
     */
    void grow(long wanted) throws IOException {
      if (wanted > bytes) {
        boolean asksDisk = bytes == 0 || wanted - askedAt >= STEP_BYTES;
        take(tenant, wanted - bytes, asksDisk);
        askedAt = asksDisk ? wanted : askedAt;
        bytes = wanted;
      }
    }

    /** So many more are on the disk. */
    void wrote(long more) {
      written += more;
      settle(tenant, 0, more);
    }

    /** What a write that failed means: that the disk is full, where it is. */
    RuntimeException failure(IOException reason) throws IOException {
      long usable = Files.getFileStore(folder).getUsableSpace();
      if (usable >= KEPT_FREE_BYTES) {
        throw reason;
      }
      return full(usable, reason);
    }

    /** What was written stays. */
    void keep() {
      settle(tenant, bytes - written, bytes - written);
      bytes = 0;
      written = 0;
    }

    @Override
    public void close() {
      settle(tenant, bytes, bytes - written);
      bytes = 0;
      written = 0;
    }
  }

  Reservation reserve(String tenant, long expectedBytes) throws IOException {
    Reservation reservation = new Reservation(tenant);
    reservation.grow(expectedBytes);
    return reservation;
  }

  /** Bytes that a tenant has, files on their way included. */
  synchronized long used(String tenant) {
    return used.getOrDefault(tenant, 0L);
  }

  /** Notes a file that is there. */
  synchronized void hold(String tenant, long bytes) {
    used.merge(tenant, bytes, Long::sum);
  }

  /** Notes that a file has gone. */
  synchronized void free(String tenant, long bytes) {
    used.merge(tenant, -bytes, Long::sum);
  }

  /**
   * Refuses what there is no room for now, and reserves nothing.
   *
   * @throws ApiException if there is none
   */
  synchronized void check(String tenant, long needed) throws IOException {
    checkQuota(tenant, needed);
    checkDisk(needed);
  }

  private synchronized void take(String tenant, long needed, boolean asksDisk) throws IOException {
    checkQuota(tenant, needed);
    if (asksDisk) {
      checkDisk(needed);
    }
    hold(tenant, needed);
    unwritten += needed;
  }

  private void checkQuota(String tenant, long needed) {
    long has = used(tenant);
    long most = limits.apply(tenant).fileBytes();
    if (needed > most - has) {
      throw ApiException.overQuota(
          "There is no room for this file: "
              + has
              + " bytes of "
              + most
              + " are used, by files and by what is being uploaded. Delete files, or ask who runs"
              + " this server for more");
    }
  }

  private void checkDisk(long needed) throws IOException {
    long usable = Files.getFileStore(folder).getUsableSpace();
    if (needed > usable - KEPT_FREE_BYTES - unwritten) {
      throw full(usable, null);
    }
  }

  private synchronized void settle(String tenant, long freed, long noLongerUnwritten) {
    free(tenant, freed);
    unwritten -= noLongerUnwritten;
  }

  private static ApiException full(long usable, IOException reason) {
    return ApiException.noRoom(
        "The server's disk is full: "
            + usable
            + " bytes are left, of which "
            + KEPT_FREE_BYTES
            + " are kept free. Delete files or models, or ask who runs this server for room",
        reason);
  }
}
