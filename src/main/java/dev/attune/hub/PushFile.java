package dev.attune.hub;

import dev.attune.core.InputException;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.Channels;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileTime;
import java.util.Objects;

/** A file to be pushed: one of this machine, or a few bytes that stand for one. */
public final class PushFile {
  private final String name;
  private final Path path; // null: content
  private final byte[] content;
  private final String mark;
  private final long sizeBytes;
  private final FileTime changed;

  private PushFile(String name, Path path, byte[] content, String mark) {
    this.name = name;
    this.path = path;
    this.content = content;
    this.mark = mark;
    try {
      this.sizeBytes = path == null ? content.length : Files.size(path);
      this.changed = path == null ? null : Files.getLastModifiedTime(path);
    } catch (IOException e) {
      throw new InputException(path + " cannot be read: " + e.getMessage(), e);
    }
  }

  /**
   * A file, which must not change while it is pushed.
   *
   * @param name below the repository's root
   */
  public static PushFile of(String name, Path path) {
    return new PushFile(name, path, null, null);
  }

  /** A content. */
  public static PushFile of(String name, byte[] content) {
    return new PushFile(name, null, content.clone(), null);
  }

  /**
   * A content that is left out where the hub has a file of that name which somebody else wrote:
   * which does not hold the mark.
   */
  public static PushFile ours(String name, byte[] content, String mark) {
    return new PushFile(name, null, content.clone(), mark);
  }

  public String name() {
    return name;
  }

  public long sizeBytes() {
    return sizeBytes;
  }

  /** What a file of the hub must hold to be replaced; null: any is. */
  String mark() {
    return mark;
  }

  /** All of it. */
  byte[] bytes() throws IOException {
    return path == null ? content.clone() : Files.readAllBytes(path);
  }

  /** It, from a byte on. */
  InputStream open(long from) throws IOException {
    if (path == null) {
      return new ByteArrayInputStream(content, (int) from, (int) (sizeBytes - from));
    }
    FileChannel channel = FileChannel.open(path, StandardOpenOption.READ);
    return Channels.newInputStream(channel.position(from));
  }

  /** The hash by which the hub's store of large files names it. */
  String sha256() throws IOException {
    try (InputStream in = open(0)) {
      return BlobDownload.sha256(in);
    }
  }

  /** The hash by which git names it. */
  String gitHash() throws IOException {
    try (InputStream in = open(0)) {
      return BlobDownload.gitHash(in, sizeBytes);
    }
  }

  /**
   * Refuses a file that is no longer what it was.
   *
   * @throws InputException if its size or its time has changed
   */
  void checkUnchanged() throws IOException {
    if (path != null
        && (Files.size(path) != sizeBytes
            || !Objects.equals(Files.getLastModifiedTime(path), changed))) {
      throw new InputException(
          path + " was written to while it was being pushed; push it once it is finished");
    }
  }
}
