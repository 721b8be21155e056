package dev.attune.testkit;

import dev.attune.kernels.Backend;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Proxy;
import java.nio.ByteBuffer;

/** A backend whose memory the host cannot address: what crosses is copied, as on a device. */
public final class Viewless {
  private Viewless() {}

  /** The given backend without its views. */
  public static Backend of(Backend backend) {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) -> {
              switch (method.getName()) {
                case "hasViews":
                  return false;
                case "view":
                  throw new UnsupportedOperationException("the host cannot address this memory");
                case "upload":
                  ByteBuffer source = (ByteBuffer) arguments[1];
                  backend.view((long) arguments[0], source.remaining()).put(source);
                  return null;
                case "download":
                  ByteBuffer target = (ByteBuffer) arguments[0];
                  target.put(backend.view((long) arguments[1], target.remaining()));
                  return null;
                default:
                  try {
                    return method.invoke(backend, arguments);
                  } catch (InvocationTargetException e) {
                    throw e.getCause();
                  }
              }
            });
  }
}
