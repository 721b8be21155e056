package dev.attune;

import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.management.JMException;
import javax.management.ObjectName;

/**
 * Memory of this process beside Java's heap, by its mappings. Resident memory less the committed
 * heap is not that: the collector commits what it does not touch for long, and of what it has it
 * touches more with time.
 */
final class OwnMemory {
  private static final Pattern BORDERS =
      Pattern.compile("\\[0x([0-9a-f]+),(?: 0x[0-9a-f]+,)* 0x([0-9a-f]+)\\)");
  private static final Pattern MAPPING = Pattern.compile("([0-9a-f]+)-[0-9a-f]+ .*");
  private static final Pattern RESIDENT = Pattern.compile("Rss: +([0-9]+) kB");

  private OwnMemory() {}

  /** Resident bytes of all mappings but the heap's. */
  static long besideHeapBytes() {
    List<Long> heap = heap();
    long bytes = 0;
    boolean isHeap = false;
    for (String line : mappings()) {
      Matcher mapping = MAPPING.matcher(line);
      Matcher resident = RESIDENT.matcher(line);
      if (mapping.matches()) {
        long begin = Long.parseUnsignedLong(mapping.group(1), 16); // the system's own are negative
        isHeap = begin >= heap.get(0) && begin < heap.get(1);
      } else if (!isHeap && resident.matches()) {
        bytes += Long.parseLong(resident.group(1)) << 10;
      }
    }
    return bytes;
  }

  private static List<String> mappings() {
    try {
      return Files.readAllLines(Path.of("/proc/self/smaps"));
    } catch (IOException e) {
      throw new IllegalStateException(e);
    }
  }

  /** Where the heap begins and ends, as the collector reserved it. */
  private static List<Long> heap() {
    Matcher borders = BORDERS.matcher(heapInfo());
    List<Long> all = new ArrayList<>();
    while (borders.find()) {
      all.add(Long.parseLong(borders.group(1), 16));
      all.add(Long.parseLong(borders.group(2), 16));
    }
    all.sort(null);
    return List.of(all.get(0), all.get(all.size() - 1));
  }

  private static String heapInfo() {
    try {
      ObjectName commands = new ObjectName("com.sun.management:type=DiagnosticCommand");
      return (String)
          ManagementFactory.getPlatformMBeanServer()
              .invoke(commands, "gcHeapInfo", new Object[0], new String[0]);
    } catch (JMException e) {
      throw new IllegalStateException(e);
    }
  }
}
