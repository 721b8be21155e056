package dev.attune.hub;

import com.fasterxml.jackson.core.json.JsonWriteFeature;
import com.fasterxml.jackson.core.util.DefaultIndenter;
import com.fasterxml.jackson.core.util.DefaultPrettyPrinter;
import com.fasterxml.jackson.core.util.Separators;
import com.fasterxml.jackson.core.util.Separators.Spacing;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.util.Collection;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The files of a repository at a commit, which never change: all of them, whether fetched or not.
 *
 * @param files by name
 */
record RepositoryFiles(Map<String, Entry> files) {
  private static final ObjectMapper JSON =
      JsonMapper.builder().enable(JsonWriteFeature.ESCAPE_NON_ASCII).build();
  private static final int FORMAT_VERSION = 1;

  /** Git's SHA-1 or a SHA-256: contents are files of that name in the cache. */
  private static final Pattern HASH = Pattern.compile("[0-9a-f]{40}|[0-9a-f]{64}");

  /** To the byte: two caches of the same files can be compared. */
  private static final DefaultPrettyPrinter PYTHONS =
      new DefaultPrettyPrinter(
              Separators.createDefaultInstance().withObjectFieldValueSpacing(Spacing.AFTER))
          .withObjectIndenter(new DefaultIndenter(" ", "\n"));

  /**
   * A file.
   *
   * @param sizeBytes negative: not said
   * @param blobId git's own id of what git stores; null: not said
   * @param sha256 of a file that is stored outside of git (LFS); null: it is inside
   * @param xetHash in the hub's newest store; null: not said
   */
  record Entry(long sizeBytes, String blobId, String sha256, String xetHash) {
    /** The name of its content in the cache; null: not said. */
    String etag() {
      return sha256 != null ? sha256 : blobId;
    }

    /** The first that is said to be a hash and is none. */
    private Optional<String> brokenHash() {
      return Stream.of(blobId, sha256)
          .flatMap(Stream::ofNullable)
          .filter(hash -> !HASH.matcher(hash).matches())
          .findFirst();
    }
  }

  /**
   * What the hub answers of a revision.
   *
   * @throws HubFailure if it calls a content by what is no hash, and may be a path
   */
  static RepositoryFiles ofAnswer(JsonNode info) throws HubFailure {
    Map<String, Entry> files = new TreeMap<>();
    for (JsonNode file : info.path("siblings")) {
      JsonNode lfs = file.path("lfs");
      String name = file.path("rfilename").asText();
      Entry entry =
          new Entry(
              file.path("size").asLong(lfs.path("size").asLong(-1)),
              text(file.path("blobId")),
              text(lfs.path("sha256")),
              text(file.path("xetHash")));
      Optional<String> broken = entry.brokenHash();
      if (broken.isPresent()) {
        throw new HubFailure(
            HubFailure.Kind.BROKEN,
            String.format(
                "its list of files says that '%s' has the hash '%s'; a hash has 40 or 64"
                    + " hexadecimal digits, in small letters",
                name, broken.get()));
      }
      files.put(name, entry);
    }
    return new RepositoryFiles(files);
  }

  private static String text(JsonNode node) {
    return node.isTextual() ? node.asText() : null;
  }

  /** Whether the hub told all that huggingface_hub keeps of a file. */
  boolean isWhole() {
    return files.values().stream().allMatch(file -> file.blobId() != null && file.sizeBytes() >= 0);
  }

  /** As huggingface_hub keeps it: trees/COMMIT.json. */
  byte[] toJson() throws IOException {
    ObjectNode root = JSON.createObjectNode().put("format_version", FORMAT_VERSION);
    ObjectNode all = root.putObject("files");
    for (Map.Entry<String, Entry> named : files.entrySet()) {
      Entry file = named.getValue();
      ObjectNode json = all.putObject(named.getKey());
      json.put("size", file.sizeBytes()).put("blob_id", file.blobId());
      if (file.sha256() != null) {
        json.put("lfs_sha256", file.sha256()).put("lfs_size", file.sizeBytes());
      }
      if (file.xetHash() != null) {
        json.put("xet_hash", file.xetHash());
      }
    }
    return JSON.writer(PYTHONS).writeValueAsBytes(root);
  }

  /** The same read; empty where it is of another version, or damaged: it can be had again. */
  static Optional<RepositoryFiles> ofJson(byte[] json) {
    try {
      JsonNode root = JSON.readTree(json);
      if (root.path("format_version").asInt() != FORMAT_VERSION || !root.path("files").isObject()) {
        return Optional.empty();
      }
      Map<String, Entry> files = new TreeMap<>();
      for (Map.Entry<String, JsonNode> named : root.path("files").properties()) {
        JsonNode file = named.getValue();
        Entry entry =
            new Entry(
                file.path("size").asLong(-1),
                text(file.path("blob_id")),
                text(file.path("lfs_sha256")),
                text(file.path("xet_hash")));
        if (entry.brokenHash().isPresent()) {
          return Optional.empty();
        }
        files.put(named.getKey(), entry);
      }
      return Optional.of(new RepositoryFiles(files));
    } catch (IOException e) {
      return Optional.empty();
    }
  }

  Collection<String> names() {
    return files.keySet();
  }

  boolean has(String name) {
    return files.containsKey(name);
  }

  Entry entry(String name) {
    return files.get(name);
  }
}
