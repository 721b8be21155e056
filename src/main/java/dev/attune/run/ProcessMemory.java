package dev.attune.run;

import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.memory.Arena;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** Memory of this process as the system sees it. */
public final class ProcessMemory {
  private ProcessMemory() {}

  /** Most resident memory so far (VmHWM); 0 where the system does not tell. */
  public static long peakBytes() {
    return field("VmHWM:");
  }

  /**
   * The most memory that a run needed at one time: the process's on the CPU; on a device the memory
   * reserved there, of the arena only what was in use.
   */
  public static long peakBytes(Backend backend, Arena arena) {
    return backend.device() == DeviceKind.CPU
        ? peakBytes()
        : backend.peakReservedBytes() - arena.reservedBytes() + arena.highWaterBytes();
  }

  /** Resident memory now (VmRSS); 0 where the system does not tell. */
  public static long residentBytes() {
    return field("VmRSS:");
  }

  private static long field(String name) {
    try {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith(name)) {
          return Long.parseLong(line.replaceAll("\\D", "")) << 10;
        }
      }
    } catch (IOException e) {
      return 0; // not Linux
    }
    return 0;
  }
}
