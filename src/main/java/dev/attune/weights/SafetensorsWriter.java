package dev.attune.weights;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import dev.attune.core.Chunk;
import dev.attune.core.FileOps;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.WritableByteChannel;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/**
 * Writes safetensors files: add the tensors, then write them once or more. Data is asked for only
 * while it is written, in chunks, so nothing is held twice. The bytes depend on nothing but what
 * was added, in the order it was added.
 */
public final class SafetensorsWriter {
  private static final int CHUNK_ELEMENTS = Chunk.BYTES / Float.BYTES;

  /** Delivers the data of a tensor, f32, in row-major order. */
  @FunctionalInterface
  public interface Chunks {
    /** Some elements, at least one and none beyond the tensor, beginning with {@code first}. */
    FloatBuffer from(long first) throws IOException;
  }

  /** Creates the files of a sharded model. */
  @FunctionalInterface
  public interface Files {
    WritableByteChannel create(String fileName) throws IOException;
  }

  private record Entry(String name, ElementType type, long[] shape, long elements, Chunks data) {
    long sizeBytes() {
      return elements * type.bytes();
    }
  }

  private final List<Entry> entries = new ArrayList<>();
  private final Set<String> names = new HashSet<>();

  /**
   * Adds a tensor.
   *
   * @param dtype {@code F32}, {@code BF16} or {@code F16}; rounding is to nearest, ties to even,
   *     and writing throws InputException for a finite value that would become infinite
   */
  public SafetensorsWriter add(String name, String dtype, long[] shape, Chunks data) {
    ElementType type = ElementType.of(dtype);
    Check.argument(
        type == ElementType.F32 || type == ElementType.BF16 || type == ElementType.F16,
        "cannot write %s as %s; use F32, BF16 or F16",
        name,
        dtype);
    Check.argument(names.add(name), "tensor %s was added twice", name);
    Check.argument(!name.equals("__metadata__"), "%s is not a tensor name", name);
    long elements = 1;
    for (long dim : shape) {
      Check.argument(dim >= 0, "%s has the shape %s", name, Arrays.toString(shape));
      elements = Math.multiplyExact(elements, dim);
    }
    Math.multiplyExact(elements, 8);
    entries.add(new Entry(name, type, shape.clone(), elements, data));
    return this;
  }

  /** Adds a tensor whose elements are exactly the remaining ones of {@code data}. */
  public SafetensorsWriter add(String name, String dtype, long[] shape, FloatBuffer data) {
    FloatBuffer view = data.slice();
    add(name, dtype, shape, first -> view.slice((int) first, view.capacity() - (int) first));
    long elements = entries.get(entries.size() - 1).elements();
    Check.argument(
        view.capacity() == elements,
        "%s of shape %s has %d elements, the buffer holds %d",
        name,
        Arrays.toString(shape),
        elements,
        view.capacity());
    return this;
  }

  /** Writes one file, replacing what is there. Not atomic: see the checkpoint room for that. */
  public void write(Path file) throws IOException {
    try (FileChannel channel = FileOps.SYSTEM.overwrite(file)) {
      write(channel);
    }
  }

  /** Writes one file's bytes to a channel, which stays open. */
  public void write(WritableByteChannel channel) throws IOException {
    write(entries, channel);
  }

  /**
   * Writes {@code <stem>.safetensors}, or where the tensors exceed {@code maxShardBytes} the shards
   * {@code <stem>-00001-of-0000N.safetensors} and {@code <stem>.safetensors.index.json}. A tensor
   * is never split: one larger than the limit gets a shard of its own.
   *
   * @return the names of the files, in the order they were created
   */
  public List<String> writeShards(Files files, String stem, long maxShardBytes) throws IOException {
    Check.argument(maxShardBytes > 0, "maxShardBytes is %d, must be positive", maxShardBytes);
    List<List<Entry>> shards = shards(maxShardBytes);
    List<String> created = new ArrayList<>();
    Map<String, String> weightMap = new LinkedHashMap<>();
    for (int i = 0; i < shards.size(); i++) {
      String name =
          shards.size() == 1
              ? stem + ".safetensors"
              : String.format(
                  Locale.ROOT, "%s-%05d-of-%05d.safetensors", stem, i + 1, shards.size());
      try (WritableByteChannel channel = files.create(name)) {
        write(shards.get(i), channel);
      }
      shards.get(i).forEach(e -> weightMap.put(e.name(), name));
      created.add(name);
    }
    if (shards.size() > 1) {
      String name = stem + ".safetensors.index.json";
      try (WritableByteChannel channel = files.create(name)) {
        writeFully(channel, ByteBuffer.wrap(index(weightMap)));
      }
      created.add(name);
    }
    return created;
  }

  /** As {@link #writeShards(Files, String, long)}, into a folder. */
  public List<String> writeShards(Path folder, String stem, long maxShardBytes) throws IOException {
    return writeShards(name -> FileOps.SYSTEM.overwrite(folder.resolve(name)), stem, maxShardBytes);
  }

  private List<List<Entry>> shards(long maxShardBytes) {
    List<List<Entry>> shards = new ArrayList<>();
    long room = -1;
    for (Entry entry : entries) {
      if (room < entry.sizeBytes()) {
        shards.add(new ArrayList<>());
        room = maxShardBytes;
      }
      shards.get(shards.size() - 1).add(entry);
      room -= entry.sizeBytes();
    }
    if (shards.isEmpty()) {
      shards.add(entries);
    }
    return shards;
  }

  private byte[] index(Map<String, String> weightMap) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = mapper.createObjectNode();
    long total = entries.stream().mapToLong(Entry::sizeBytes).sum();
    root.putObject("metadata").put("total_size", total);
    ObjectNode map = root.putObject("weight_map");
    weightMap.forEach(map::put);
    return mapper.writerWithDefaultPrettyPrinter().writeValueAsBytes(root);
  }

  private static void write(List<Entry> entries, WritableByteChannel channel) throws IOException {
    writeFully(channel, ByteBuffer.wrap(header(entries)));
    try (Chunk lent = Chunk.borrow()) {
      ByteBuffer out = lent.bytes().order(ByteOrder.LITTLE_ENDIAN);
      for (Entry entry : entries) {
        write(entry, out, channel);
      }
    }
  }

  private static void write(Entry entry, ByteBuffer out, WritableByteChannel channel)
      throws IOException {
    long done = 0;
    while (done < entry.elements()) {
      FloatBuffer chunk = entry.data().from(done);
      int count = chunk.remaining();
      Check.state(
          count > 0 && count <= entry.elements() - done,
          "the data of %s came as %d elements from %d of %d",
          entry.name(),
          count,
          done,
          entry.elements());
      for (int from = 0; from < count; from += CHUNK_ELEMENTS) {
        int part = Math.min(CHUNK_ELEMENTS, count - from);
        out.clear();
        entry.type().fromFloats(chunk.slice(chunk.position() + from, part), out, entry.name());
        writeFully(channel, out.flip());
      }
      done += count;
    }
  }

  private static byte[] header(List<Entry> entries) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    bytes.write(new byte[8]);
    try (JsonGenerator json = new JsonFactory().createGenerator(bytes)) {
      json.writeStartObject();
      json.writeObjectFieldStart("__metadata__");
      json.writeStringField("format", "pt"); // Transformers refuses files without it
      json.writeEndObject();
      long offset = 0;
      for (Entry entry : entries) {
        json.writeObjectFieldStart(entry.name());
        json.writeStringField("dtype", entry.type().name());
        json.writeFieldName("shape");
        json.writeArray(entry.shape(), 0, entry.shape().length);
        json.writeFieldName("data_offsets");
        long end = Math.addExact(offset, entry.sizeBytes());
        json.writeArray(new long[] {offset, end}, 0, 2);
        json.writeEndObject();
        offset = end;
      }
      json.writeEndObject();
    }
    while (bytes.size() % 8 != 0) {
      bytes.write(' ');
    }
    byte[] header = bytes.toByteArray();
    Check.argument(
        header.length - 8 <= SafetensorsHeader.MAX_BYTES, "the header has %d bytes", header.length);
    ByteBuffer.wrap(header).order(ByteOrder.LITTLE_ENDIAN).putLong(0, header.length - 8);
    return header;
  }

  private static void writeFully(WritableByteChannel channel, ByteBuffer bytes) throws IOException {
    while (bytes.hasRemaining()) {
      channel.write(bytes);
    }
  }
}
