package dev.attune.track;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.DeviceKind;
import dev.attune.kernels.Backend;
import dev.attune.kernels.calls.FillZeroCall;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A backend is the same for its callers while somebody looks on. */
class TracedBackendTest {
  /** A device that notes what is called, and cannot be waited for once it is closed. */
  private static Backend device(List<String> calls) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              if (calls.contains("close")) {
                throw new IllegalStateException("the backend is closed");
              }
              if (method.getName().equals("device")) {
                return DeviceKind.CUDA;
              }
              calls.add(method.getName());
              return null;
            });
  }

  @Test
  void workIsWaitedForAndToldAndQuestionsAreNot() {
    List<String> calls = new ArrayList<>();
    List<String> heard = new ArrayList<>();
    Backend traced = TracedBackend.of(device(calls), (name, begin, end) -> heard.add(name));
    traced.description();
    traced.free(64, 64);
    traced.run(new FillZeroCall(64, 64));
    traced.close();
    assertEquals(
        List.of("description", "free", "synchronize", "run", "synchronize", "close"), calls);
    assertEquals(List.of("free", "fill_zero"), heard);
  }
}
