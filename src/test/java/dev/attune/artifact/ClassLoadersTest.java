package dev.attune.artifact;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;

import java.lang.reflect.Method;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two applications in one Java process, and one that is deployed again. */
class ClassLoadersTest {
  @TempDir static Path shared;
  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    Application.prepare(shared); // which loads the kernels for the test's own class loader
  }

  private static URLClassLoader application(Path attune) throws Exception {
    List<URL> urls = new ArrayList<>(List.of(attune.toUri().toURL()));
    for (Path dependency : Application.dependencies()) {
      urls.add(dependency.toUri().toURL());
    }
    return new URLClassLoader(urls.toArray(URL[]::new), ClassLoader.getPlatformClassLoader());
  }

  /** Trains and predicts within a class loader; the predictions. */
  private String use(ClassLoader application, String name) throws Exception {
    Class<?> main = application.loadClass("dev.attune.cli.Main");
    assertNotSame(main, dev.attune.cli.Main.class);
    Method run = main.getDeclaredMethod("run", String[].class);
    run.setAccessible(true);
    Path output = scratch.resolve(name);
    assertEquals(0, run.invoke(null, (Object) Application.training(shared, output)));
    assertEquals(0, run.invoke(null, (Object) Application.prediction(shared, output)));
    return Files.readString(output.resolve("predictions.jsonl"));
  }

  private void twoAtOnceAndAThirdAfterwards(Path attune) throws Exception {
    ExecutorService threads = Executors.newFixedThreadPool(2);
    List<String> predictions = new ArrayList<>();
    try (URLClassLoader first = application(attune);
        URLClassLoader second = application(attune)) {
      List<Callable<String>> uses = List.of(() -> use(first, "first"), () -> use(second, "second"));
      for (Future<String> result : threads.invokeAll(uses)) {
        predictions.add(result.get());
      }
    } finally {
      threads.shutdown();
    }
    try (URLClassLoader again = application(attune)) {
      predictions.add(use(again, "again"));
    }
    assertEquals(10, predictions.get(0).lines().count());
    assertEquals(predictions.get(0), predictions.get(1));
    assertEquals(predictions.get(0), predictions.get(2));
  }

  @Test
  void fromAFolderOfClasses() throws Exception {
    twoAtOnceAndAThirdAfterwards(Application.CLASSES);
  }

  @Test
  void fromAJar() throws Exception {
    twoAtOnceAndAThirdAfterwards(Application.jar(scratch.resolve("attune.jar")));
  }
}
