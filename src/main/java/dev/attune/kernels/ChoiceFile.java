package dev.attune.kernels;

import dev.attune.core.Cache;
import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import java.util.zip.CRC32;

/**
 * What was chosen by measurement on this kind of device with this version of a library: one line a
 * choice, appended when it is made. Another run, or the same run resumed, makes the same choices,
 * so that the same command gives the same bytes although the choice was timed.
 *
 * <p>A line is the key, the choice in hexadecimal and the CRC-32 of both. A line that was cut short
 * or damaged is no choice; so every line brings its own beginning.
 */
public final class ChoiceFile {
  private final Path file;
  private final Map<String, byte[]> choices = new HashMap<>();

  /**
   * The choices of some kind for a device.
   *
   * @param device its kind, not which of several like it
   * @param version of what is chosen among
   */
  public static ChoiceFile of(
      Cache cache, String kind, String device, String version, int valueBytes) {
    String name = kind + "-" + device.replaceAll("[^A-Za-z0-9]+", "-") + "-" + version;
    Path file = cache.folder().resolve(name + ".txt");
    // A cache that came filled may be read where it cannot be written.
    return new ChoiceFile(file, cache.writable().resolve(file.getFileName()), valueBytes);
  }

  /**
   * @param file need not exist
   * @param valueBytes of a choice
   * @throws InputException if it cannot be read
   */
  public ChoiceFile(Path file, int valueBytes) {
    this(file, file, valueBytes);
  }

  private ChoiceFile(Path from, Path to, int valueBytes) {
    this.file = to;
    if (!Files.exists(from)) {
      return;
    }
    try {
      // Not as UTF-8: damaged bytes are damaged lines, not an error.
      for (String line : Files.readAllLines(from, StandardCharsets.ISO_8859_1)) {
        int end = line.lastIndexOf(' ');
        int at = line.lastIndexOf(' ', end - 1);
        if (at > 0
            && end - at - 1 == 2 * valueBytes
            && line.substring(end + 1).equals(checksum(line.substring(0, end)))) {
          choices.putIfAbsent(
              line.substring(0, at), HexFormat.of().parseHex(line.substring(at + 1, end)));
        }
      }
    } catch (IOException e) {
      throw new InputException(
          from + ", the choices made by measuring, cannot be read; delete it", e);
    }
  }

  private static String checksum(String line) {
    CRC32 crc = new CRC32();
    crc.update(line.getBytes(StandardCharsets.ISO_8859_1));
    return String.format("%08x", crc.getValue());
  }

  /** The choice for a key, or null. */
  public byte[] get(String key) {
    return choices.get(key);
  }

  /** All choices, by key. */
  public Map<String, byte[]> all() {
    return Collections.unmodifiableMap(choices);
  }

  /** Keeps a choice. */
  public void put(String key, byte[] value) {
    choices.put(key, value);
    String line = key + " " + HexFormat.of().formatHex(value);
    try {
      Cache.makeFolder(file.getParent());
      FileOps files = FileOps.SYSTEM;
      try (FileChannel channel = files.append(file)) {
        String entry = "\n" + line + " " + checksum(line);
        files.write(channel, ByteBuffer.wrap(entry.getBytes(StandardCharsets.ISO_8859_1)));
        // A checkpoint that survives a loss of power must find the choice that it was made with.
        files.sync(channel);
      }
    } catch (IOException e) {
      throw new InputException(
          file
              + ", the choices made by measuring, cannot be written: "
              + e.getMessage()
              + "; "
              + Cache.ADVICE,
          e);
    }
  }
}
