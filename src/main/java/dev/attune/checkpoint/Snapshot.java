package dev.attune.checkpoint;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Chunk;
import dev.attune.core.FileOps;
import dev.attune.core.JsonProblem;
import dev.attune.core.OtherVersionException;
import dev.attune.core.Term;
import dev.attune.core.WholeJson;
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
import java.util.ArrayList;
import java.util.List;
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
  private static final String BEST_STEP = "best_step";

  private final Path folder;
  private final long bestStep;

  private Snapshot(Path folder, long bestStep) {
    this.folder = folder;
    this.bestStep = bestStep;
  }

  /**
   * Writes and syncs a snapshot into a new folder.
   *
   * @param bestStep whose weights are the best so far, kept elsewhere; 0: none are kept
   */
  static void write(
      Path folder, long bestStep, JsonNode state, Map<String, Buffer> buffers, FileOps files)
      throws IOException {
    files.createFolder(folder);
    ObjectNode manifest = JsonNodeFactory.instance.objectNode();
    manifest.put(BEST_STEP, bestStep);
    ObjectNode entries = manifest.putObject("files");
    byte[] stateBytes = JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(state);
    put(entries, STATE, writeFile(folder.resolve(STATE), ByteBuffer.wrap(stateBytes), files));
    for (Map.Entry<String, Buffer> entry : buffers.entrySet()) {
      String name = entry.getKey() + ".bin";
      put(entries, name, BufferFile.write(folder.resolve(name), entry.getValue(), files));
    }
    byte[] manifestBytes = JSON.writerWithDefaultPrettyPrinter().writeValueAsBytes(manifest);
    writeFile(folder.resolve(MANIFEST), ByteBuffer.wrap(manifestBytes), files);
    files.syncFolder(folder);
  }

  /** Writes and syncs the same snapshot into a new folder; what is copied must be verified. */
  void copyTo(Path copy, FileOps files) throws IOException {
    files.createFolder(copy);
    List<String> names = new ArrayList<>();
    entries(manifest(folder)).properties().forEach(entry -> names.add(entry.getKey()));
    names.add(MANIFEST);
    for (String name : names) {
      try (FileChannel from = FileChannel.open(folder.resolve(name), StandardOpenOption.READ);
          FileChannel to = files.create(copy.resolve(name));
          Chunk lent = Chunk.borrow()) {
        ByteBuffer chunk = lent.bytes();
        while (from.read(chunk.clear()) >= 0) {
          files.write(to, chunk.flip());
        }
        files.sync(to);
      }
    }
    files.syncFolder(copy);
  }

  private static void put(ObjectNode entries, String name, BufferFile.Written written) {
    entries.putObject(name).put("size", written.sizeBytes()).put("crc32c", written.crc());
  }

  private static BufferFile.Written writeFile(Path file, ByteBuffer bytes, FileOps files)
      throws IOException {
    CRC32C crc = new CRC32C();
    crc.update(bytes.duplicate());
    long size = bytes.remaining();
    try (FileChannel channel = files.create(file)) {
      files.write(channel, bytes);
      files.sync(channel);
    }
    return new BufferFile.Written(size, crc.getValue());
  }

  /** Whether a folder is complete, as far as its manifest says; nothing is read. */
  static boolean isComplete(Path folder) {
    return Files.exists(folder.resolve(MANIFEST));
  }

  /** The step whose weights were the best when a folder was written; 0 if none were kept. */
  static long bestStep(Path folder) throws IOException {
    return manifest(folder).path(BEST_STEP).asLong();
  }

  private static JsonNode manifest(Path folder) throws IOException {
    if (!isComplete(folder)) {
      throw new IOException("it has no " + MANIFEST);
    }
    return read(folder, MANIFEST);
  }

  private static JsonNode entries(JsonNode manifest) throws IOException {
    JsonNode entries = manifest.path("files");
    if (!entries.has(STATE)) {
      throw new IOException("its manifest names no " + STATE);
    }
    return entries;
  }

  private interface Sums {
    List<Long> of(List<Path> files) throws IOException;
  }

  /**
   * Opens a folder after checking every byte of it.
   *
   * @throws IOException saying what is wrong with it
   */
  static Snapshot verify(Path folder) throws IOException {
    return verify(folder, BufferFile::checksums);
  }

  /** The same of one that was just written: what the disk has of it is read, where that can be. */
  static void verifyWritten(Path folder, FileOps files) throws IOException {
    verify(folder, written -> BufferFile.checksumsOnDisk(written, files));
  }

  private static Snapshot verify(Path folder, Sums sums) throws IOException {
    JsonNode manifest = manifest(folder);
    List<Path> files = new ArrayList<>();
    List<Long> wanted = new ArrayList<>();
    for (Map.Entry<String, JsonNode> entry : entries(manifest).properties()) {
      Path file = folder.resolve(entry.getKey());
      long size = entry.getValue().path("size").asLong();
      if (!Files.exists(file) || Files.size(file) != size) {
        throw new IOException(entry.getKey() + " is missing or not " + size + " bytes long");
      }
      files.add(file);
      wanted.add(entry.getValue().path("crc32c").asLong());
    }
    List<Long> found = sums.of(files);
    for (int i = 0; i < files.size(); i++) {
      if (!found.get(i).equals(wanted.get(i))) {
        throw new IOException("the checksum of " + files.get(i).getFileName() + " does not match");
      }
    }
    return new Snapshot(folder, manifest.path(BEST_STEP).asLong());
  }

  /** The step whose weights were the best when this was written; 0 if none were kept. */
  public long bestStep() {
    return bestStep;
  }

  Path folder() {
    return folder;
  }

  /** What {@code state.json} in a folder holds, whatever else is there. */
  static JsonNode peek(Path folder) throws IOException {
    return read(folder, STATE);
  }

  private static JsonNode read(Path folder, String name) throws IOException {
    try {
      return WholeJson.read(folder.resolve(name));
    } catch (JsonProcessingException e) {
      throw new IOException("its " + name + " is not valid JSON: " + JsonProblem.of(e), e);
    }
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
    try (Chunk lent = Chunk.borrow();
        Chunk other = Chunk.borrow()) {
      load(buffers, lent.bytes(), other.bytes());
    }
  }

  private void load(Map<String, Buffer> buffers, ByteBuffer read, ByteBuffer current) {
    buffers.forEach((name, buffer) -> check(file(name), buffer)); // before any is changed
    for (Map.Entry<String, Buffer> entry : buffers.entrySet()) {
      Path file = file(entry.getKey());
      Buffer buffer = entry.getValue();
      try {
        try (FileChannel channel = FileChannel.open(file, StandardOpenOption.READ)) {
          for (long at = 0; at < buffer.sizeBytes(); ) {
            read.clear();
            while (read.hasRemaining() && channel.read(read) >= 0) {}
            read.flip();
            int size = read.remaining();
            if (size == 0) {
              throw new IOException("it became shorter while it was read");
            }
            if (!isZero(read) || !isZero(content(buffer, at, current.clear().limit(size)))) {
              buffer.write(at, read);
            }
            at += size;
          }
        }
      } catch (IOException e) {
        throw new UncheckedIOException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
  }

  private Path file(String name) {
    return folder.resolve(name + ".bin");
  }

  private static void check(Path file, Buffer buffer) {
    try {
      if (!Files.exists(file) || Files.size(file) != buffer.sizeBytes()) {
        Path name = file.getParent().getFileName().resolve(file.getFileName());
        throw new OtherVersionException(
            name
                + " is missing or not "
                + buffer.sizeBytes()
                + " bytes long: the checkpoint is another model's, or was begun with another"
                + " version of Attune. Go on with that one, or begin again without "
                + Term.RESUME);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be read: " + e.getMessage(), e);
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
