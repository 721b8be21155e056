package dev.attune.train;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** A listener that stands before another keeps nothing to itself: many methods have a default. */
class ForwardingListenerTest {
  private static Object anything(Class<?> type) {
    if (type == long.class) {
      return 1L;
    }
    if (type == double.class) {
      return 1.0;
    }
    return type == boolean.class ? true : null;
  }

  @Test
  void everyMethodIsPassedOn() throws Exception {
    List<String> heard = new ArrayList<>();
    TrainListener next =
        (TrainListener)
            Proxy.newProxyInstance(
                TrainListener.class.getClassLoader(),
                new Class<?>[] {TrainListener.class},
                (proxy, method, arguments) -> {
                  heard.add(method.getName());
                  return null;
                });
    List<String> all = new ArrayList<>();
    for (Method method : TrainListener.class.getMethods()) {
      method.invoke(
          new ForwardingListener(next),
          Stream.of(method.getParameterTypes()).map(ForwardingListenerTest::anything).toArray());
      all.add(method.getName());
    }
    assertEquals(all, heard);
  }
}
