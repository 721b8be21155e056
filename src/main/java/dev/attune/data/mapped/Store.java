package dev.attune.data.mapped;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import java.util.zip.CRC32C;

/** Columns and records that were written once, by name, with what is said of them as a whole. */
public final class Store {
  static final String MANIFEST = "manifest.json";
  static final String INTS = ".i32";
  static final String RECORDS = ".records";
  static final String BEGINS = "-begins";

  private final Path folder;
  private final JsonNode facts;
  private final Map<String, MappedFile> files = new HashMap<>();

  private Store(Path folder, JsonNode facts) {
    this.folder = folder;
    this.facts = facts;
  }

  /**
   * Opens a store, and compares every byte with its checksums.
   *
   * @throws StoreException if it is damaged, with what is wrong
   */
  public static Store open(Path folder) {
    try {
      JsonNode manifest = WholeJson.read(folder.resolve(MANIFEST));
      String facts = manifest.path("facts").asText();
      if (crc(facts) != manifest.path("crc").asLong(-1)) {
        throw new StoreException(folder.resolve(MANIFEST) + " is damaged");
      }
      Store store = new Store(folder, WholeJson.of(facts));
      for (Map.Entry<String, JsonNode> entry : manifest.path("files").properties()) {
        MappedFile file = new MappedFile(folder.resolve(entry.getKey()));
        if (file.sizeBytes() != entry.getValue().path("bytes").asLong(-1)
            || file.checksum() != entry.getValue().path("crc").asLong(-1)) {
          throw new StoreException(folder.resolve(entry.getKey()) + " is damaged");
        }
        store.files.put(entry.getKey(), file);
      }
      return store;
    } catch (IOException e) {
      throw StoreException.of(folder + " cannot be read", e);
    }
  }

  static long crc(String text) {
    CRC32C crc = new CRC32C();
    crc.update(text.getBytes(StandardCharsets.UTF_8));
    return crc.getValue();
  }

  /** Where it is. */
  public Path folder() {
    return folder;
  }

  /** What its writer said of it. */
  public JsonNode facts() {
    return facts;
  }

  /** Whether it has a column of that name. */
  public boolean hasInts(String name) {
    return files.containsKey(name + INTS);
  }

  /** A column. */
  public Ints ints(String name) {
    return new MappedInts(file(name + INTS));
  }

  /** Records. */
  public Records records(String name) {
    return new Records(file(name + RECORDS), ints(name + BEGINS));
  }

  private MappedFile file(String name) {
    MappedFile file = files.get(name);
    if (file == null) {
      throw new StoreException(folder + " has no " + name);
    }
    return file;
  }
}
