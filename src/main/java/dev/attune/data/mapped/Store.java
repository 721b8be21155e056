package dev.attune.data.mapped;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.FileOps;
import dev.attune.core.JsonProblem;
import dev.attune.core.Term;
import dev.attune.core.WholeJson;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
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
  static final String SUMS = ".sums";

  /** Files of more bytes are compared as they are read, which may be never. */
  static final long LARGE = 16L << 20;

  private final Path folder;
  private final JsonNode facts;
  private final Map<String, MappedFile> files = new HashMap<>();

  private Store(Path folder, JsonNode facts) {
    this.folder = folder;
    this.facts = facts;
  }

  /**
   * Opens a store, and compares its files with their checksums: at once, or those of more than
   * {@link #LARGE} bytes block by block, before a block is first read. One that is found damaged
   * then loses its manifest, so that nobody takes it for whole again.
   *
   * @throws StoreException if it is damaged, with what is wrong
   */
  public static Store open(Path folder) {
    return open(folder, LARGE);
  }

  /** The same with another bound. */
  static Store open(Path folder, long large) {
    try {
      JsonNode manifest = WholeJson.read(folder.resolve(MANIFEST));
      String facts = manifest.path("facts").asText();
      if (crc(facts) != manifest.path("crc").asLong(-1)) {
        throw new StoreException(folder.resolve(MANIFEST) + " is damaged");
      }
      Store store = new Store(folder, WholeJson.of(facts));
      for (Map.Entry<String, JsonNode> entry : manifest.path("files").properties()) {
        store.files.put(entry.getKey(), opened(folder, entry.getKey(), entry.getValue(), large));
      }
      return store;
    } catch (IOException e) {
      throw StoreException.of(folder + " cannot be read", e);
    }
  }

  private static MappedFile opened(Path folder, String name, JsonNode said, long large)
      throws IOException {
    Path written = folder.resolve(name + SUMS);
    BlockSums sums = BlockSums.of(Files.readAllBytes(written));
    if (sums.checksum() != said.path("crc").asLong(-1)) {
      throw new StoreException(written + " is damaged");
    }
    MappedFile file = new MappedFile(folder.resolve(name));
    file.expect(said.path("bytes").asLong(-1), sums, () -> disown(folder));
    if (file.sizeBytes() <= large) {
      file.compareAll();
    }
    return file;
  }

  /** Returns what comes of it. */
  private static String disown(Path folder) {
    Path manifest = folder.resolve(MANIFEST);
    String problem = "";
    try {
      FileOps.SYSTEM.delete(manifest);
    } catch (IOException e) {
      problem = JsonProblem.of(e);
    }
    String again =
        "what it holds is made again at the next start; with "
            + Term.RESUME
            + " a run goes on from its last checkpoint";
    return Files.exists(manifest) // another thread may have deleted it
        ? folder + " cannot be disowned (" + problem + "): delete it, and " + again
        : folder + " is disowned: " + again;
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
