package dev.attune.bench;

import dev.attune.kernels.Backend;
import dev.attune.kernels.Call;
import dev.attune.kernels.calls.Op;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** A backend that times every call of another. */
final class KernelProfile {
  /** Total time and number of calls of one kernel. */
  private static final class Entry {
    long nanos;
    long calls;
  }

  private final Map<String, Entry> entries = new LinkedHashMap<>();
  private final Backend backend;

  KernelProfile(Backend profiled) {
    this.backend =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (proxy, method, arguments) -> {
                  long begin = System.nanoTime();
                  try {
                    Object result = method.invoke(profiled, arguments);
                    profiled.synchronize();
                    return result;
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  } finally {
                    Entry entry =
                        entries.computeIfAbsent(name(method, arguments), n -> new Entry());
                    entry.nanos += System.nanoTime() - begin;
                    entry.calls++;
                  }
                });
  }

  /** A kernel's own name where a call was run, else the method's. */
  private static String name(Method method, Object[] arguments) {
    return arguments != null && arguments.length == 1 && arguments[0] instanceof Call call
        ? Op.of(call).title()
        : method.getName();
  }

  Backend backend() {
    return backend;
  }

  void reset() {
    entries.clear();
  }

  /** Time of each kernel, longest first. */
  List<KernelTime> times() {
    return entries.entrySet().stream()
        .map(e -> new KernelTime(e.getKey(), e.getValue().nanos * 1e-9, e.getValue().calls))
        .sorted((a, b) -> Double.compare(b.seconds(), a.seconds()))
        .toList();
  }
}
