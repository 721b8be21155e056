package dev.attune.run;

import dev.attune.kernels.Backend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;

/**
 * A backend that gives memory and computes nothing, so that a run can be rehearsed to see what it
 * would take: on the CPU memory that nobody touches costs nothing.
 */
final class PlannedBackend {
  /** Address space of an arena that is to hold whatever is asked for. */
  private static final long ARENA_BYTES = 1L << 44;

  /** How much memory is taken, of how much. */
  static final class Taken {
    private long bytes;
    private long reservableBytes;

    /** Now. */
    long bytes() {
      return bytes;
    }

    /** What an arena of the backend itself could reserve. */
    long reservableBytes() {
      return reservableBytes;
    }
  }

  private PlannedBackend() {}

  /**
   * The backend in another's place.
   *
   * @param taken counts what is allocated and not freed
   */
  static Backend of(Backend real, Taken taken) {
    taken.reservableBytes = real.reservableBytes();
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              switch (method.getName()) {
                case "run", "recorder" -> {
                  return null;
                }
                case "keep" -> {
                  ((Runnable) arguments[0]).run();
                  return null;
                }
                case "reservableBytes" -> {
                  return ARENA_BYTES;
                }
                case "allocate" -> taken.bytes += (Long) arguments[0];
                case "free" -> taken.bytes -= (Long) arguments[1];
                default -> {}
              }
              try {
                return method.invoke(real, arguments);
              } catch (InvocationTargetException e) {
                throw e.getCause();
              }
            });
  }
}
