package dev.attune.server.files;

import dev.attune.core.Check;
import dev.attune.core.FileOps;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A file that is being written. Closed before it is put in its place, it leaves nothing. One thread
 * at a time uses it.
 */
public final class IncomingFile implements AutoCloseable {
  private final String id;
  private final String tenant;
  private final Path path;
  private final FileOps files;
  private final Room.Reservation room;
  private final FileChannel channel;
  private final MessageDigest digest = sha256Digest();
  private long bytes;
  private boolean placed;
  private boolean closed;

  IncomingFile(String id, String tenant, Path folder, FileOps files, Room.Reservation room)
      throws IOException {
    this.id = id;
    this.tenant = tenant;
    this.path = folder.resolve(id);
    this.files = files;
    this.room = room;
    try {
      this.channel = files.create(path);
    } catch (IOException e) {
      room.close();
      throw e;
    }
  }

  static MessageDigest sha256Digest() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every JDK has it
    }
  }

  String id() {
    return id;
  }

  String tenant() {
    return tenant;
  }

  /** How many there are so far. */
  public long bytes() {
    return bytes;
  }

  /**
   * Writes the next piece.
   *
   * @throws dev.attune.server.http.ApiException if there is no room for it
   */
  public void write(ByteBuffer piece) throws IOException {
    int length = piece.remaining();
    room.grow(bytes + length);
    digest.update(piece.duplicate());
    try {
      files.write(channel, piece);
    } catch (IOException e) {
      throw room.failure(e);
    }
    bytes += length;
    room.wrote(length);
  }

  String sha256() {
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Puts it in its place, for good. */
  void moveTo(Path place) throws IOException {
    Check.state(!placed && !closed, "%s is closed", path);
    try {
      files.sync(channel);
      files.replace(path, place);
      files.syncFolder(place.getParent());
    } catch (IOException e) {
      throw room.failure(e);
    }
    placed = true;
    room.keep();
  }

  @Override
  public void close() throws IOException {
    if (closed) {
      return;
    }
    closed = true;
    try {
      channel.close();
      if (!placed) {
        files.delete(path);
      }
    } finally {
      room.close();
    }
  }
}
