package dev.attune.data;

import dev.attune.core.InputException;
import io.airlift.compress.zstd.ZstdInputStream;
import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.Locale;

/**
 * The bytes of a data file, decompressed as they are read. Its first bytes tell whether it is
 * compressed, whatever its name says, and whether it is no data file at all. It can be opened any
 * number of times; what comes on standard input is kept in a temporary file until this is closed.
 */
final class DataFile implements AutoCloseable {
  /** How standard input is named, as by most commands. */
  static final Path STANDARD_INPUT = Path.of("-");

  private static final int HEAD = 1 << 12;

  private enum Compression {
    NONE(""),
    GZIP("gzip"),
    ZSTD("zstd");

    private final String words;

    Compression(String words) {
      this.words = words;
    }

    private static Compression of(byte[] head) {
      if (Magic.starts(head, 0x1F, 0x8B)) {
        return GZIP;
      }
      return Magic.starts(head, 0x28, 0xB5, 0x2F, 0xFD) ? ZSTD : NONE;
    }
  }

  private final Path shown;
  private final Path stored; // null: it is read as it comes
  private final Compression compression;
  private final byte[] head;
  private InputStream coming; // null: it is stored, or was opened

  private DataFile(Path shown, Path stored) {
    this.shown = shown;
    this.stored = stored;
    try {
      try (InputStream in = Files.newInputStream(stored)) {
        compression = Compression.of(in.readNBytes(HEAD));
      }
      try (InputStream in = open()) {
        head = in.readNBytes(HEAD);
      }
    } catch (IOException | RuntimeException e) { // the latter of damaged Zstandard
      close();
      throw unreadable(e);
    }
  }

  private DataFile(Path shown, InputStream once) {
    this.shown = shown;
    this.stored = null;
    try {
      InputStream in = new BufferedInputStream(once, 1 << 16);
      compression = Compression.of(peek(in, 4));
      coming = new BufferedInputStream(decompressed(in), 1 << 16);
      head = peek(coming, 1);
    } catch (IOException | RuntimeException e) {
      throw unreadable(e);
    }
  }

  /** What comes first, without waiting for more than {@code least} bytes of it. */
  private static byte[] peek(InputStream in, int least) throws IOException {
    byte[] bytes = new byte[HEAD];
    in.mark(HEAD);
    int count = in.readNBytes(bytes, 0, least);
    count +=
        count < least ? 0 : in.readNBytes(bytes, count, Math.min(in.available(), HEAD - count));
    in.reset();
    return Arrays.copyOf(bytes, count);
  }

  /**
   * A file, or what can be read but once: that is then read as it comes, and not kept.
   *
   * @throws InputException if it is absent, a folder, or of a kind that holds no rows
   */
  static DataFile asItComes(Path file) {
    if (!isOnce(file)) {
      return of(file);
    }
    try {
      return checked(
          file.equals(STANDARD_INPUT)
              ? new DataFile(Path.of("standard input"), System.in)
              : new DataFile(file, Files.newInputStream(file)));
    } catch (IOException e) {
      throw new InputException(file + " cannot be read: " + e.getMessage(), e);
    }
  }

  /** Whether it can be read but once: standard input, or a pipe. */
  static boolean isOnce(Path file) {
    return file.equals(STANDARD_INPUT)
        || Files.exists(file) && !Files.isRegularFile(file) && !Files.isDirectory(file);
  }

  /** Whether this can be read but once. */
  boolean isOnce() {
    return stored == null;
  }

  /**
   * Looks at a file.
   *
   * @throws InputException if it is absent, a folder, or of a kind that holds no rows
   */
  static DataFile of(Path file) {
    return checked(file.equals(STANDARD_INPUT) ? standardInput() : stored(file));
  }

  private static DataFile checked(DataFile data) {
    String foreign = ForeignContent.describe(data.head, data.shown);
    if (foreign != null) {
      data.close();
      throw new InputException(data.shown + " " + foreign);
    }
    return data;
  }

  private static DataFile stored(Path file) {
    if (Files.isDirectory(file)) {
      throw new InputException(file + " is a folder; give a file");
    }
    if (!Files.exists(file)) {
      throw new InputException(file + " does not exist");
    }
    if (!Files.isRegularFile(file)) {
      // A pipe (a shell's <(...)) gives its bytes once; a file is looked at more than once.
      try (InputStream once = Files.newInputStream(file)) {
        return kept(file, once);
      } catch (IOException e) {
        throw new InputException(file + " cannot be read: " + e.getMessage(), e);
      }
    }
    return new DataFile(file, file);
  }

  private static DataFile standardInput() {
    return kept(Path.of("standard input"), System.in);
  }

  /** A copy of what can be read but once. */
  private static DataFile kept(Path shown, InputStream once) {
    try {
      Path kept = Files.createTempFile("attune-input-", ".tmp");
      kept.toFile().deleteOnExit();
      try {
        Files.copy(once, kept, StandardCopyOption.REPLACE_EXISTING);
      } catch (IOException e) {
        Files.deleteIfExists(kept);
        throw e;
      }
      return new DataFile(shown, kept);
    } catch (IOException e) {
      throw new InputException(shown + " cannot be kept: " + e.getMessage(), e);
    }
  }

  /** As messages name it. */
  Path shown() {
    return shown;
  }

  /** Where its bytes are, as they are. */
  Path stored() {
    return stored;
  }

  /** Its name without the ending of a compression: train.csv of train.csv.gz. */
  Path named() {
    return uncompressed(shown);
  }

  /** A file's name without the ending of a compression. */
  static Path uncompressed(Path file) {
    String name = file.getFileName().toString();
    String lower = name.toLowerCase(Locale.ROOT);
    boolean compressed = lower.endsWith(".gz") || lower.endsWith(".zst");
    return compressed ? file.resolveSibling(name.substring(0, name.lastIndexOf('.'))) : file;
  }

  /** How it is compressed, in words; empty where it is not. */
  String compression() {
    return compression.words;
  }

  /** The first bytes, decompressed. */
  byte[] head() {
    return head;
  }

  /** Opens it from the start; the stream is buffered. */
  InputStream open() throws IOException {
    if (isOnce()) {
      InputStream in = coming;
      coming = null;
      if (in == null) {
        throw new IOException("it can be read but once");
      }
      return in;
    }
    InputStream in = new BufferedInputStream(Files.newInputStream(stored), 1 << 16);
    try {
      InputStream out = decompressed(in);
      return out == in ? in : new BufferedInputStream(out, 1 << 16);
    } catch (IOException | RuntimeException e) {
      in.close();
      throw e;
    }
  }

  private InputStream decompressed(InputStream in) throws IOException {
    return switch (compression) {
      case NONE -> in;
      case GZIP -> new GzipMembers(in);
      case ZSTD -> new ZstdInputStream(in);
    };
  }

  /** What went wrong while it was read. */
  InputException unreadable(Exception e) {
    if (e instanceof NoSuchFileException) {
      return new InputException(shown + " does not exist", e);
    }
    boolean plain = compression == null || compression == Compression.NONE; // null: not opened
    String broken = plain ? "" : ": its " + compression.words + " data are damaged";
    return new InputException(shown + " cannot be read" + broken + ": " + e.getMessage(), e);
  }

  @Override
  public void close() {
    if (stored != null && !shown.equals(stored)) {
      try {
        Files.deleteIfExists(stored);
      } catch (IOException e) {
        throw new InputException(stored + " cannot be deleted: " + e.getMessage(), e);
      }
    }
  }
}
