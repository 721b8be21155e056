package dev.attune.testkit;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Assumptions;

/**
 * Reference numbers made with Transformers: our own, which are part of the sources (tools/make_*),
 * and larger ones beside the checkout, see the README there.
 */
public final class Goldens {
  private static final Path RESOURCES = Path.of("src/test/resources");
  private static final String GZIPPED = ".gz";

  /** Folders of resources that were unpacked by this process. */
  private static final Map<String, Path> UNPACKED = new ConcurrentHashMap<>();

  private static final ObjectMapper JSON = new ObjectMapper();

  private Goldens() {}

  /** A tiny model of our own goldens: a Hugging Face folder with the reference numbers in it. */
  public static Path own(String name) {
    return unpacked("goldens/" + name);
  }

  /** A folder of resources, in a place of its own, with what is gzipped there as it was. */
  public static Path unpacked(String path) {
    return UNPACKED.computeIfAbsent(path, Goldens::unpack);
  }

  private static Path unpack(String path) {
    Path from = RESOURCES.resolve(path);
    try {
      Path parent = Files.createTempDirectory("goldens");
      parent.toFile().deleteOnExit(); // behind what is in it: the last that is said goes first
      Path to = Files.createDirectory(parent.resolve(from.getFileName()));
      to.toFile().deleteOnExit();
      try (Stream<Path> files = Files.list(from)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          String name = file.getFileName().toString();
          boolean isGzipped = name.endsWith(GZIPPED);
          Path copy =
              to.resolve(isGzipped ? name.substring(0, name.length() - GZIPPED.length()) : name);
          copy.toFile().deleteOnExit();
          try (InputStream in = open(from.resolve(copy.getFileName()))) {
            Files.copy(in, copy);
          }
        }
      }
      return to;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A tiny model of those beside the checkout; the test is skipped where they are absent. */
  public static Path shared(String name) {
    return folder().resolve("tiny").resolve(name);
  }

  /** The folder of goldens; a test is skipped, with the reason, where it is absent. */
  public static Path folder() {
    return folder("attune.goldens");
  }

  /** The folder of real data; likewise. */
  public static Path data() {
    return folder("attune.data");
  }

  private static Path folder(String property) {
    Path folder = Path.of(System.getProperty(property, "absent")).normalize();
    Assumptions.assumeTrue(
        Files.isDirectory(folder), "no reference data: -D" + property + "=" + folder);
    return folder;
  }

  /** A file of JSON. */
  public static JsonNode json(Path file) {
    try (InputStream in = open(file)) {
      return JSON.readTree(in);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A resource of the tests by its path below src/test/resources. */
  public static JsonNode resource(String path) {
    return json(RESOURCES.resolve(path));
  }

  /** The lines of a resource. */
  public static List<String> lines(String path) {
    try (InputStream in = open(RESOURCES.resolve(path))) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** A file, or where it is not there the gzipped one beside its name. */
  private static InputStream open(Path file) throws IOException {
    return Files.exists(file)
        ? Files.newInputStream(file)
        : new GZIPInputStream(Files.newInputStream(Path.of(file + GZIPPED)));
  }

  /** A safetensors file of small tensors, read without the code under test: f32 and i64. */
  public static final class Tensors {
    private final ByteBuffer bytes;
    private final JsonNode header;
    private final int base;

    public Tensors(Path file) {
      try {
        try (InputStream in = open(file)) {
          bytes = ByteBuffer.wrap(in.readAllBytes()).order(ByteOrder.LITTLE_ENDIAN);
        }
        int length = (int) bytes.getLong(0);
        header = JSON.readTree(bytes.array(), 8, length);
        base = 8 + length;
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }

    public boolean has(String name) {
      return header.has(name);
    }

    public Iterable<String> names() {
      return header::fieldNames;
    }

    public float[] floats(String name) {
      JsonNode offsets = header.get(name).get("data_offsets");
      int begin = base + offsets.get(0).asInt();
      float[] out = new float[(base + offsets.get(1).asInt() - begin) / Float.BYTES];
      bytes
          .slice(begin, out.length * Float.BYTES)
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(out);
      return out;
    }

    public int[] ints(String name) {
      JsonNode offsets = header.get(name).get("data_offsets");
      int begin = base + offsets.get(0).asInt();
      int[] out = new int[(base + offsets.get(1).asInt() - begin) / Long.BYTES];
      for (int i = 0; i < out.length; i++) {
        out[i] = (int) bytes.getLong(begin + i * Long.BYTES);
      }
      return out;
    }
  }
}
