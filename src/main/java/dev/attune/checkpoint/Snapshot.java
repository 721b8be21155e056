package dev.attune.checkpoint;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.memory.Buffer;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.LongBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Map;
import java.util.zip.CRC32C;

/**
 * One saved state: {@code state.json}, one {@code .bin} file a buffer, and {@code manifest.json}
 * with the size and CRC-32C of each. The manifest is written last, the folder gets its name after
 * that, so a folder with a sound manifest is complete. CRC-32C guards against torn and flipped
 * bytes, not against forgery, and runs at memory speed.
 */
public final class Snapshot {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String MANIFEST = "manifest.json";
  private static final String STATE = "state.json";
  private static final int CHUNK_BYTES = 1 << 20;

  private final Path folder;

  private Snapshot(Path folder) {
    this.folder = folder;
  }

  /** Writes and syncs a snapshot into a new folder. */
  static void write(Path folder, JsonNode state, Map<String, Buffer> buffers, FileOps files)
      throws IOException {
    files.createFolder(folder);
    ObjectNode manifest = JsonNodeFactory.instance.objectNode();
    ObjectNode entries = manifest.putObject("files");
    byte[] stateBytes = JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(state);
    put(entries, STATE, writeFile(folder.resolve(STATE), ByteBuffer.wrap(stateBytes), files));
    for (Map.Entry<String, Buffer> entry : buffers.entrySet()) {
      String name = entry.getKey() + ".bin";
      put(entries, name, writeBuffer(folder.resolve(name), entry.getValue(), files));
    }
    byte[] manifestBytes = JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(manifest);
    writeFile(folder.resolve(MANIFEST), ByteBuffer.wrap(manifestBytes), files);
    files.syncFolder(folder);
  }

  private record Written(long sizeBytes, long crc) {}

  private static void put(ObjectNode entries, String name, Written written) {
    entries.putObject(name).put("size", written.sizeBytes).put("crc32c", written.crc);
  }

  private static Written writeFile(Path file, ByteBuffer bytes, FileOps files) throws IOException {
    CRC32C crc = new CRC32C();
    crc.update(bytes.duplicate());
    long size = bytes.remaining();
    try (FileChannel channel = files.create(file)) {
      files.write(channel, bytes);
      files.sync(channel);
    }
    return new Written(size, crc.getValue());
  }

  private static Written writeBuffer(Path file, Buffer buffer, FileOps files) throws IOException {
    CRC32C crc = new CRC32C();
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    try (FileChannel channel = files.create(file)) {
      for (long at = 0; at < buffer.sizeBytes(); at += CHUNK_BYTES) {
        chunk.clear().limit((int) Math.min(CHUNK_BYTES, buffer.sizeBytes() - at));
        buffer.read(at, chunk);
        crc.update(chunk.flip().duplicate());
        files.write(channel, chunk);
      }
      files.sync(channel);
    }
    return new Written(buffer.sizeBytes(), crc.getValue());
  }

  /**
   * Opens a folder after checking every byte of it.
   *
   * @throws IOException saying what is wrong with it
   */
  static Snapshot verify(Path folder) throws IOException {
    Path manifestFile = folder.resolve(MANIFEST);
    if (!Files.exists(manifestFile)) {
      throw new IOException("it has no " + MANIFEST);
    }
    JsonNode entries = JSON.readTree(Files.readAllBytes(manifestFile)).path("files");
    if (!entries.has(STATE)) {
      throw new IOException("its manifest names no " + STATE);
    }
    ByteBuffer chunk = ByteBuffer.allocateDirect(CHUNK_BYTES);
    for (Map.Entry<String, JsonNode> entry : entries.properties()) {
      Path file = folder.resolve(entry.getKey());
      long wanted = entry.getValue().path("size").asLong();
      if (!Files.exists(file) || Files.size(file) != wanted) {
        throw new IOException(entry.getKey() + " is missing or not " + wanted + " bytes long");
      }
      CRC32C crc = new CRC32C();
      try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
        while (channel.read(chunk.clear()) >= 0) {
          crc.update(chunk.flip());
        }
      }
      if (crc.getValue() != entry.getValue().path("crc32c").asLong()) {
        throw new IOException("the checksum of " + entry.getKey() + " does not match");
      }
    }
    return new Snapshot(folder);
  }

  /** What {@code state.json} in a folder holds, whatever else is there. */
  static JsonNode peek(Path folder) throws IOException {
    return JSON.readTree(Files.readAllBytes(folder.resolve(STATE)));
  }

  /** What {@code state.json} holds. */
  public JsonNode state() {
    try {
      return peek(folder);
    } catch (IOException e) {
      throw new UncheckedIOException(folder.resolve(STATE) + " cannot be read", e);
    }
  }

  /**
   * Reads the buffers back. They must be those of the same model; parts that are zero on both sides
   * are not touched, so that memory that was never used stays unallocated.
   */
  public void load(Map<String, Buffer> buffers) {
    ByteBuffer chunk = ByteBuffer.allocateDirect(1 << 16);
    ByteBuffer current = ByteBuffer.allocateDirect(chunk.capacity());
    for (Map.Entry<String, Buffer> entry : buffers.entrySet()) {
      Path file = folder.resolve(entry.getKey() + ".bin");
      Buffer buffer = entry.getValue();
      try {
        if (!Files.exists(file) || Files.size(file) != buffer.sizeBytes()) {
          throw new InputException(
              file
                  + " is missing or not "
                  + buffer.sizeBytes()
                  + " bytes long: the checkpoint is another model's");
        }
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
          for (long at = 0; at < buffer.sizeBytes(); ) {
            chunk.clear();
            while (chunk.hasRemaining() && channel.read(chunk) >= 0) {}
            chunk.flip();
            int size = chunk.remaining();
            if (!isZero(chunk) || !isZero(content(buffer, at, current.clear().limit(size)))) {
              buffer.write(at, chunk);
            }
            at += size;
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
  }

  private static ByteBuffer content(Buffer buffer, long offset, ByteBuffer target) {
    buffer.read(offset, target);
    return target.flip();
  }

  private static boolean isZero(ByteBuffer bytes) {
    LongBuffer longs = bytes.duplicate().order(ByteOrder.nativeOrder()).asLongBuffer();
    while (longs.hasRemaining()) {
      if (longs.get() != 0) {
        return false;
      }
    }
    for (int i = bytes.limit() - bytes.remaining() % Long.BYTES; i < bytes.limit(); i++) {
      if (bytes.get(i) != 0) {
        return false;
      }
    }
    return true;
  }
}
