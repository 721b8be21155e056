package dev.attune.track;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;

/** The machine that this process runs on. */
public final class Host {
  private static final Path CPU = Path.of("/proc/cpuinfo");
  private static final Path MEMORY = Path.of("/proc/meminfo");
  private static final Path NAME = Path.of("/proc/sys/kernel/hostname");

  private Host() {}

  /** Its name in its network; "localhost" where it has none. */
  public static String name() {
    try {
      return Files.isReadable(NAME)
          ? Files.readString(NAME).strip() // without asking the network
          : InetAddress.getLocalHost().getHostName();
    } catch (IOException e) {
      return "localhost";
    }
  }

  /** Its memory; 0 where it does not tell. */
  public static long memoryBytes() {
    return ManagementFactory.getOperatingSystemMXBean()
            instanceof com.sun.management.OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : 0;
  }

  /** Memory that a process could still get; 0 where it does not tell. */
  public static long availableBytes() {
    try {
      for (String line : Files.readAllLines(MEMORY)) {
        if (line.startsWith("MemAvailable:")) {
          return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
        }
      }
    } catch (IOException e) {
      return 0; // no Linux
    }
    return 0;
  }

  /** What its processor calls itself; the architecture where it does not. */
  public static String processor() {
    try {
      for (String line : Files.readAllLines(CPU)) {
        if (line.startsWith("model name")) {
          return line.substring(line.indexOf(':') + 1).strip();
        }
      }
    } catch (IOException e) {
      return System.getProperty("os.arch"); // no Linux
    }
    return System.getProperty("os.arch");
  }
}
