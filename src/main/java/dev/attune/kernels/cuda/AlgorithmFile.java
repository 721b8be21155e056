package dev.attune.kernels.cuda;

import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;

/**
 * Which algorithm was chosen for a product, by measurement, on this kind of device with this
 * version of cuBLASLt: one line a choice, appended when it is made. Another run, or the same run
 * resumed, makes the same choices, so that the same command gives the same bytes although the
 * choice was timed.
 */
final class AlgorithmFile {
  private final Path file;
  private final Map<String, byte[]> choices = new HashMap<>();

  /**
   * @param file need not exist
   * @throws InputException if it cannot be read
   */
  AlgorithmFile(Path file) {
    this.file = file;
    if (!Files.exists(file)) {
      return;
    }
    try {
      for (String line : Files.readAllLines(file)) {
        int at = line.lastIndexOf(' ');
        // A process killed while it wrote leaves a line cut short, which is no choice; so every
        // line brings its own beginning.
        if (at > 0 && line.length() - at - 1 == 2 * LtProducts.ALGORITHM_BYTES) {
          choices.putIfAbsent(
              line.substring(0, at), HexFormat.of().parseHex(line.substring(at + 1)));
        }
      }
    } catch (IOException | IllegalArgumentException e) {
      throw new InputException(
          file + ", the choices of product algorithms, cannot be read; delete it", e);
    }
  }

  /** The choice for a product, or null. */
  byte[] get(String product) {
    return choices.get(product);
  }

  /** Keeps a choice. */
  void put(String product, byte[] algorithm) {
    choices.put(product, algorithm);
    try {
      Files.createDirectories(file.getParent());
      Files.writeString(
          file,
          "\n" + product + " " + HexFormat.of().formatHex(algorithm),
          StandardCharsets.UTF_8,
          StandardOpenOption.CREATE,
          StandardOpenOption.APPEND);
    } catch (IOException e) {
      throw new InputException(
          file
              + ", the choices of product algorithms, cannot be written: "
              + e.getMessage()
              + "; ATTUNE_HOME names another folder",
          e);
    }
  }
}
