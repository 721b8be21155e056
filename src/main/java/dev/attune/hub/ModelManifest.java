package dev.attune.hub;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.JsonProblem;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;

/**
 * The manifest.json of a cached model: where it came from, and size, CRC-32 and SHA-256 of every
 * file.
 */
final class ModelManifest {
  private static final String FILE = "manifest.json";

  private ModelManifest() {}

  static void write(Path folder, String source) throws IOException {
    ObjectMapper mapper = new ObjectMapper();
    ObjectNode root = mapper.createObjectNode().put("source", source);
    ArrayNode files = root.putArray("files");
    for (Path file : list(folder)) {
      files
          .addObject()
          .put("name", folder.relativize(file).toString().replace('\\', '/'))
          .put("size_bytes", Files.size(file))
          .put("crc32", Cache.crc32(file))
          .put("sha256", sha256(file));
    }
    FileOps.SYSTEM.writePart(
        folder.resolve(FILE), mapper.writerWithDefaultPrettyPrinter().writeValueAsBytes(root));
  }

  /**
   * What is wrong with the folder. CRC-32 is compared always: it reads as fast as the file comes,
   * about 10 ms for 90 MB; {@code hashes} compares SHA-256 too, at 30 times that.
   */
  static List<String> problems(Path folder, boolean hashes) {
    List<String> out = new ArrayList<>();
    Path manifest = folder.resolve(FILE);
    if (!Files.exists(manifest)) {
      // A user's own folder has none, and needs none.
      return hashes ? out : List.of(manifest + " is missing");
    }
    try {
      JsonNode files = WholeJson.read(manifest).path("files");
      if (!files.isArray() || files.isEmpty()) {
        return List.of(manifest + " lists no files");
      }
      for (JsonNode entry : files) {
        Path file = folder.resolve(entry.path("name").asText());
        long sizeBytes = entry.path("size_bytes").asLong(-1);
        if (!Files.isRegularFile(file)) {
          out.add(file + " is missing");
        } else if (Files.size(file) != sizeBytes) {
          out.add(file + " has " + Files.size(file) + " bytes, expected " + sizeBytes);
        } else if (Cache.crc32(file) != entry.path("crc32").asLong(-1)) {
          out.add(file + " differs from its recorded CRC-32");
        } else if (hashes && !sha256(file).equals(entry.path("sha256").asText())) {
          out.add(file + " differs from its recorded SHA-256");
        }
      }
    } catch (IOException e) {
      out.add(manifest + " cannot be checked: " + JsonProblem.of(e));
    }
    return out;
  }

  static String sha256(Path file) throws IOException {
    MessageDigest digest = sha256();
    byte[] chunk = new byte[1 << 16];
    try (InputStream in = Files.newInputStream(file)) {
      for (int count = in.read(chunk); count >= 0; count = in.read(chunk)) {
        digest.update(chunk, 0, count);
      }
    }
    return HexFormat.of().formatHex(digest.digest());
  }

  static String sha256(byte[] content) {
    return HexFormat.of().formatHex(sha256().digest(content));
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
  }

  static void sync(Path folder) throws IOException {
    for (Path file : list(folder)) {
      try (FileChannel channel = FileOps.SYSTEM.open(file)) {
        FileOps.SYSTEM.sync(channel);
      }
    }
    try (Stream<Path> folders = Files.walk(folder)) {
      folders.filter(Files::isDirectory).forEach(ModelManifest::syncFolder);
    }
  }

  /** Makes a rename in the folder durable, where the system lets folders be synced. */
  static void syncFolder(Path folder) {
    try {
      FileOps.SYSTEM.syncFolder(folder);
    } catch (IOException e) {
      // Windows cannot; a cache that is lost in a power cut is made again.
    }
  }

  private static List<Path> list(Path folder) throws IOException {
    try (Stream<Path> files = Files.walk(folder)) {
      return files.filter(Files::isRegularFile).sorted().toList();
    }
  }
}
