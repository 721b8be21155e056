package dev.attune.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** What a result row says about where it comes from. */
final class Machine {
  private Machine() {}

  /** The commit of the sources, with "+" where they were changed; "unknown" outside a checkout. */
  static String commit() {
    try {
      String head = output("git", "rev-parse", "--short", "HEAD");
      boolean clean = output("git", "status", "--porcelain", "--", "native", "src").isEmpty();
      return clean ? head : head + "+";
    } catch (IOException e) {
      return "unknown";
    }
  }

  /** Model name, family and model number (names of virtual processors say little), cores. */
  static String cpu() {
    Map<String, String> fields = new LinkedHashMap<>();
    try {
      for (String line : Files.readAllLines(Path.of("/proc/cpuinfo"))) {
        int colon = line.indexOf(':');
        if (colon > 0) {
          fields.putIfAbsent(line.substring(0, colon).trim(), line.substring(colon + 1).trim());
        }
      }
    } catch (IOException e) {
      return System.getProperty("os.arch") + " x " + Runtime.getRuntime().availableProcessors();
    }
    return String.format(
        "%s (%s/%s) x %d",
        fields.getOrDefault("model name", System.getProperty("os.arch")).replace(",", ""),
        fields.getOrDefault("cpu family", "?"),
        fields.getOrDefault("model", "?"),
        Runtime.getRuntime().availableProcessors());
  }

  private static String output(String... command) throws IOException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String text = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    try {
      if (process.waitFor() != 0) {
        throw new IOException(text);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IOException(e);
    }
    return text.trim();
  }
}
