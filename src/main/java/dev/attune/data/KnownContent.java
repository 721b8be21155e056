package dev.attune.data;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import dev.attune.core.BlockChecksums;
import dev.attune.data.mapped.Store;
import dev.attune.data.mapped.StoreException;
import dev.attune.data.mapped.StoreWriter;
import dev.attune.data.mapped.Stores;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.time.Duration;
import java.time.Instant;
import java.util.HexFormat;
import java.util.Map;
import java.util.Set;

/**
 * What is in files, in a few digits over all of their bytes, which are read once. After that the
 * file system is asked whether a file has changed since: the time of its last change of any kind,
 * which no program can set, unlike that of its content, and its number, which another file under
 * the same name has not. A file system that is not known to keep both, here and at once (those of
 * other machines, for one), has its files read every time.
 */
final class KnownContent {
  /**
   * A file that was changed less long before it is read may change again unseen: within a tick of
   * the file system's clock, or through a mapping of it, whose pages tell of a first change alone
   * until they are written, after half a minute at the latest.
   */
  private static final Duration SETTLED = Duration.ofSeconds(40);

  /** File systems that keep the time of a change, and numbers that are not given twice at once. */
  private static final Set<String> KEEPING =
      Set.of("apfs", "btrfs", "ext2", "ext3", "ext4", "f2fs", "overlay", "tmpfs", "xfs", "zfs");

  private static final String CHANGED = "ctime";
  private static final String ASKED = "unix:size,lastModifiedTime,ino,dev," + CHANGED;
  private static final String CONTENT = "content";

  private final Stores stores;
  private final int threads;
  private final Duration settled;

  /**
   * @param threads that read a file at a time
   */
  KnownContent(Stores stores, int threads) {
    this(stores, threads, SETTLED);
  }

  /** The same with another span. */
  KnownContent(Stores stores, int threads, Duration settled) {
    this.stores = stores;
    this.threads = threads;
    this.settled = settled;
  }

  /** The digits of a file: of two that differ in one byte they differ. */
  String of(Path file) throws IOException {
    Map<String, Object> before = asked(file);
    String key = before == null ? null : key(file, before);
    Store known = key == null ? null : stores.find(key);
    if (known != null) {
      return known.facts().path(CONTENT).asText();
    }
    Instant begun = Instant.now();
    String content = read(file);
    if (key != null && isSettled(before, begun) && before.equals(asked(file))) {
      keep(key, content);
    }
    return content;
  }

  /** What the file system says of a file; null where it is not of the kind that knows. */
  private static Map<String, Object> asked(Path file) throws IOException {
    if (!KEEPING.contains(Files.getFileStore(file).type())) {
      return null;
    }
    try {
      return Files.readAttributes(file, ASKED);
    } catch (UnsupportedOperationException | IllegalArgumentException e) {
      return null;
    }
  }

  private boolean isSettled(Map<String, Object> asked, Instant begun) {
    return ((FileTime) asked.get(CHANGED)).toInstant().isBefore(begun.minus(settled));
  }

  private static String key(Path file, Map<String, Object> asked) throws IOException {
    ContentKey key = ContentKey.of(file.toRealPath().toString());
    asked.keySet().stream().sorted().forEach(name -> key.with(name + " " + asked.get(name)));
    return "file-" + key.text();
  }

  private String read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
      long size = channel.size();
      return ContentKey.of(size + " bytes")
          .with(HexFormat.of().formatHex(BlockChecksums.of(channel, size, threads).array()))
          .text();
    }
  }

  private void keep(String key, String content) {
    try (StoreWriter writer = stores.begin()) {
      stores.publish(writer, key, JsonNodeFactory.instance.objectNode().put(CONTENT, content));
    } catch (StoreException e) {
      // A full disk, or a folder that may only be read: the file is read again the next time.
    }
  }
}
