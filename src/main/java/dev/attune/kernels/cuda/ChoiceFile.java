package dev.attune.kernels.cuda;

import dev.attune.core.InputException;
import dev.attune.kernels.NativeLibrary;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Collections;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;

/**
 * What was chosen by measurement on this kind of device with this version of a library: one line a
 * choice, appended when it is made. Another run, or the same run resumed, makes the same choices,
 * so that the same command gives the same bytes although the choice was timed.
 */
final class ChoiceFile {
  private final Path file;
  private final Map<String, byte[]> choices = new HashMap<>();

  /**
   * The choices of some kind for a device.
   *
   * @param version of the library that they are among
   */
  static ChoiceFile of(String kind, CudaRuntime.Properties device, String version, int valueBytes) {
    String name = device.name().replaceAll("[^A-Za-z0-9]+", "-");
    return new ChoiceFile(
        NativeLibrary.cacheFolder().resolve(kind + "-" + name + "-" + version + ".txt"),
        valueBytes);
  }

  /**
   * @param file need not exist
   * @param valueBytes of a choice
   * @throws InputException if it cannot be read
   */
  ChoiceFile(Path file, int valueBytes) {
    this.file = file;
    if (!Files.exists(file)) {
      return;
    }
    try {
      for (String line : Files.readAllLines(file)) {
        int at = line.lastIndexOf(' ');
        // A process killed while it wrote leaves a line cut short, which is no choice; so every
        // line brings its own beginning.
        if (at > 0 && line.length() - at - 1 == 2 * valueBytes) {
          choices.putIfAbsent(
              line.substring(0, at), HexFormat.of().parseHex(line.substring(at + 1)));
        }
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new InputException(
          file + ", the choices made by measuring, cannot be read; delete it", e);
    }
  }

  /** The choice for a key, or null. */
  byte[] get(String key) {
    return choices.get(key);
  }

  /** All choices, by key. */
  Map<String, byte[]> all() {
    return Collections.unmodifiableMap(choices);
  }

  /** Keeps a choice. */
  void put(String key, byte[] value) {
    choices.put(key, value);
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(
          file,
          "\n" + key + " " + HexFormat.of().formatHex(value),
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new InputException(
          file
              + ", the choices made by measuring, cannot be written: "
              + e.getMessage()
              + "; ATTUNE_HOME names another folder",
          e);
    }
  }
}
