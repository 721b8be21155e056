package dev.attune.track;

import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import dev.attune.kernels.calls.Op;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.Set;

/** A backend that tells when each work of another began and ended. */
public final class TracedBackend {
  /** Hears of a call once it is done. */
  public interface Listener {
    /**
     * @param name of the kernel where one was run, else of the method
     * @param beginNanos by {@link System#nanoTime}
     */
    void called(String name, long beginNanos, long endNanos);
  }

  /** Kernels, and what is done with memory; all else asks what the backend is, or ends it. */
  private static final Set<String> WORK =
      Set.of("run", "allocate", "free", "advise", "discard", "upload", "download");

  private TracedBackend() {}

  /**
   * The same backend for its callers. Each call is waited for, so a device does one at a time; work
   * that recurs is not recorded, as it would be seen once.
   */
  public static Backend of(Backend traced, Listener listener) {
    boolean isDevice = traced.device() != DeviceKind.CPU;
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (isDevice && method.getName().equals("recorder")) {
                return null;
              }
              if (method.getName().equals("keep")) {
                ((Runnable) arguments[0]).run();
                return null; // calls that are kept would not be seen
              }
              if (!WORK.contains(method.getName())) {
                return invoked(method, traced, arguments);
              }
              long begin = System.nanoTime();
              try {
                Object result = invoked(method, traced, arguments);
                traced.synchronize();
                return result;
              } finally {
                listener.called(name(method, arguments), begin, System.nanoTime());
              }
            });
  }

  private static Object invoked(Method method, Backend traced, Object[] arguments)
      throws Throwable {
    try {
      return method.invoke(traced, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
  }

  private static String name(Method method, Object[] arguments) {
    return arguments != null && arguments.length == 1 && arguments[0] instanceof Call call
        ? Op.of(call).title()
        : method.getName();
  }
}
