package dev.attune.kernels.cpu;

import dev.attune.memory.DeviceMemoryException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * The bound on the addresses of this process ({@code ulimit -v}), under which memory runs out
 * though the machine has plenty.
 */
final class AddressSpace {
  private static final Pattern LIMIT = Pattern.compile("(?m)^Max address space +(\\d+)");
  private static final Path LIMITS = Path.of("/proc/self/limits");

  private AddressSpace() {}

  /** What to do about a reservation that failed, where that bound may be why; else nothing. */
  static String advice() {
    try {
      OptionalLong limit = limitBytes(Files.readString(LIMITS));
      return limit.isEmpty() ? "" : advice(limit.getAsLong(), Runtime.getRuntime().maxMemory());
    } catch (IOException e) {
      return ""; // not Linux
    }
  }

  /** The bound that a text of limits states; empty: there is none. */
  static OptionalLong limitBytes(String limits) {
    Matcher limit = LIMIT.matcher(limits);
    return limit.find() ? OptionalLong.of(Long.parseLong(limit.group(1))) : OptionalLong.empty();
  }

  static String advice(long limitBytes, long heapBytes) {
    return "; the addresses of this process are limited to "
        + DeviceMemoryException.size(limitBytes)
        + " (ulimit -v), of which Java's heap may take "
        + DeviceMemoryException.size(heapBytes)
        + ": raise that limit, or start Java with a smaller heap (ATTUNE_JAVA_OPTS=-Xmx1g)";
  }
}
