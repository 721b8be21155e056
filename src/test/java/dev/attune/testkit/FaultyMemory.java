package dev.attune.testkit;

import dev.attune.kernels.Backend;
import dev.attune.memory.DeviceMemoryException;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.util.HashMap;
import java.util.Map;

/**
 * A backend that counts what of its memory is in use, and runs out of it at a chosen allocation.
 */
public final class FaultyMemory {
  private final Map<Long, Long> live = new HashMap<>();
  private final Backend backend;
  private int calls;
  private int failingCall;

  public FaultyMemory(Backend real) {
    this.backend =
        (Backend)
            Proxy.newProxyInstance(
                Backend.class.getClassLoader(),
                new Class<?>[] {Backend.class},
                (proxy, method, arguments) -> {
                  if (method.getName().equals("allocate") && ++calls == failingCall) {
                    throw new DeviceMemoryException(arguments[0] + " bytes were wanted");
                  }
                  Object result;
                  try {
                    result = method.invoke(real, arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  }
                  if (method.getName().equals("allocate")) {
                    live.put((Long) result, (Long) arguments[0]);
                  } else if (method.getName().equals("free")) {
                    live.remove((Long) arguments[0], (Long) arguments[1]);
                  }
                  return result;
                });
  }

  public Backend backend() {
    return backend;
  }

  /** Lets the n-th allocation from here on fail, counted from 1; 0: none. */
  public void failAt(int call) {
    calls = 0;
    failingCall = call;
  }

  /** How many allocations are in use. */
  public int liveCount() {
    return live.size();
  }
}
