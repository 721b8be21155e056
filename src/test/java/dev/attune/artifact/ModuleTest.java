package dev.attune.artifact;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.artifact.Application.Ended;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.InputStream;
import java.lang.module.ModuleDescriptor;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Attune as a module: what it exports, and that an application on the module path works. */
class ModuleTest {
  private static final String APPLICATION =
      """
      package app;

      import dev.attune.Classifier;
      import dev.attune.LabeledText;
      import dev.attune.Trainer;
      import java.nio.file.Path;
      import java.util.List;

      public class App {
        public static void main(String[] args) {
          Trainer.classification(args[0])
              .train(List.of(new LabeledText("good", "yes"), new LabeledText("bad", "no")))
              .maxSteps(2)
              .saveTo(Path.of(args[1]));
          try (Classifier classifier = Classifier.open(Path.of(args[1]))) {
            System.out.println("label " + classifier.predict("good").label());
          }
        }
      }
      """;

  @TempDir static Path shared;
  private static String modulePath;

  @BeforeAll
  static void prepare() throws Exception {
    Application.prepare(shared);
    modulePath =
        Stream.concat(
                Stream.of(Application.jar(shared.resolve("attune.jar"))),
                // An application has neither a command line nor run files.
                Application.dependencies().stream()
                    .filter(jar -> !jar.getFileName().toString().matches(".*(commons-cli|yaml).*")))
            .map(Path::toString)
            .collect(Collectors.joining(File.pathSeparator));
  }

  @Test
  void thePublicPackagesAloneAreExported() throws Exception {
    Path file = Application.CLASSES.resolve("META-INF/versions/9/module-info.class");
    ModuleDescriptor module;
    try (InputStream in = Files.newInputStream(file)) {
      module = ModuleDescriptor.read(in);
    }
    assertEquals("dev.attune", module.name());
    assertFalse(module.isOpen());
    assertEquals(Set.of(), module.opens());
    assertEquals(
        Set.of("dev.attune", "dev.attune.server"),
        module.exports().stream()
            .filter(exported -> !exported.isQualified())
            .map(ModuleDescriptor.Exports::source)
            .collect(Collectors.toSet()));
    assertEquals(2, module.exports().size());
  }

  /** Compiles a module "app" of one class; empty, or what the compiler says. */
  private static String compile(Path folder, String source) throws Exception {
    Files.createDirectories(folder);
    Path app = Files.writeString(folder.resolve("App.java"), source);
    Path module =
        Files.writeString(
            folder.resolve("module-info.java"), "module app { requires dev.attune; }");
    ByteArrayOutputStream messages = new ByteArrayOutputStream();
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(
                null,
                messages,
                messages,
                "--release",
                "17",
                "-d",
                folder.toString(),
                "--class-path",
                folder.toString(), // not that of the tests, which has the rooms
                "--module-path",
                modulePath,
                app.toString(),
                module.toString());
    String text = messages.toString(StandardCharsets.UTF_8);
    assertEquals(status != 0, text.contains("error"), text);
    return status == 0 ? "" : text;
  }

  @Test
  void anApplicationOnTheModulePathTrainsAndPredicts() throws Exception {
    Path app = shared.resolve("app");
    assertEquals("", compile(app, APPLICATION));
    Ended ended =
        Application.run(
            shared,
            List.of(
                "-Dattune.cache=" + shared.resolve("cache"),
                "-Xmx512m",
                "--enable-native-access=dev.attune,org.bytedeco.javacpp,ai.djl.tokenizers",
                "--module-path",
                app + File.pathSeparator + modulePath,
                "-m"),
            "app/app.App",
            shared.resolve("model").toString(),
            shared.resolve("out").toString());
    assertEquals(0, ended.status(), ended.out() + ended.err());
    assertTrue(ended.out().matches("label (yes|no)\\s*"), ended.out());
  }

  @Test
  void noRoomCanBeReached() throws Exception {
    String reaching =
        """
        package app;

        public class App {
          Object room = dev.attune.run.TrainRun.class;
        }
        """;
    String refused = compile(shared.resolve("reaching"), reaching);
    assertNotEquals("", refused);
    assertTrue(refused.contains("dev.attune.run"), refused);
    assertTrue(refused.contains("does not export"), refused);
  }
}
