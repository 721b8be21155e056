package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.File;
import java.io.IOException;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.JavaCompiler;
import javax.tools.StandardJavaFileManager;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The Java programs of the README and of docs/java.md compile against the public API, and run;
 * those of the other pages compile.
 */
@Timeout(300)
class ReadmeExampleTest {
  private static final Pattern BLOCK = Pattern.compile("```java\\n(.*?)```", Pattern.DOTALL);
  private static final Pattern NAME = Pattern.compile("public class (\\w+)");

  @TempDir private Path folder;

  private static Map<String, String> programs() throws IOException {
    Map<String, String> out = new LinkedHashMap<>();
    for (String page : List.of("README.md", "docs/java.md")) {
      for (String block : blocks(Path.of(page))) {
        Matcher name = NAME.matcher(block);
        assertTrue(name.find(), "a block that is no program: " + block);
        out.put(name.group(1), block);
      }
    }
    return out;
  }

  private static List<String> blocks(Path page) throws IOException {
    return BLOCK.matcher(Files.readString(page)).results().map(found -> found.group(1)).toList();
  }

  /** Programs as they are, statements as the body of one. */
  private static Map<String, String> compilable(Path page) throws IOException {
    Map<String, String> out = new LinkedHashMap<>();
    for (String block : blocks(page)) {
      Matcher name = NAME.matcher(block);
      String own =
          "Block" + out.size() + "Of" + page.getFileName().toString().replaceAll("\\W", "");
      if (name.find()) {
        out.put(name.group(1), block);
      } else {
        out.put(
            own,
            "import dev.attune.*;\nimport java.nio.file.Path;\nimport java.util.List;\n"
                + ("public class " + own + " {\n  void run() {\n" + block + "  }\n}\n"));
      }
    }
    return out;
  }

  /** That of this test, for a process that starts elsewhere. */
  private static String classPath() {
    return Stream.of(System.getProperty("java.class.path").split(File.pathSeparator))
        .map(entry -> Path.of(entry).toAbsolutePath().toString())
        .collect(Collectors.joining(File.pathSeparator));
  }

  private void compile(Map<String, String> programs) throws IOException {
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    List<Path> files = new ArrayList<>();
    for (Map.Entry<String, String> program : programs.entrySet()) {
      Path file = folder.resolve(program.getKey() + ".java");
      Files.writeString(file, program.getValue());
      files.add(file);
    }
    try (StandardJavaFileManager manager =
        compiler.getStandardFileManager(null, null, StandardCharsets.UTF_8)) {
      StringWriter complaints = new StringWriter();
      boolean compiled =
          compiler
              .getTask(
                  complaints,
                  manager,
                  null,
                  List.of(
                      "-d",
                      folder.toString(),
                      "-proc:none",
                      "-Xlint:all,-options,-classfile,-path",
                      "-Werror",
                      "-cp",
                      classPath()),
                  null,
                  manager.getJavaFileObjectsFromPaths(files))
              .call();
      assertTrue(compiled, complaints::toString);
    }
  }

  /** Runs a program as a user would; returns what it printed. */
  private String run(String name) throws IOException, InterruptedException {
    Path printed = folder.resolve(name + ".txt");
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                folder + File.pathSeparator + classPath(),
                name)
            .directory(folder.toFile())
            .redirectErrorStream(true)
            .redirectOutput(printed.toFile())
            .start();
    assertTrue(process.waitFor(4, TimeUnit.MINUTES), name + " did not end");
    String out = Files.readString(printed);
    assertEquals(0, process.exitValue(), out);
    return out;
  }

  @Test
  void whatTheGuideWritesInJavaCompiles() throws IOException {
    Map<String, String> all = new LinkedHashMap<>();
    try (Stream<Path> pages = Files.list(Path.of("docs"))) {
      for (Path page : pages.filter(file -> file.toString().endsWith(".md")).sorted().toList()) {
        all.putAll(compilable(page));
      }
    }
    assertTrue(all.size() > 5, all.keySet()::toString);
    compile(all);
  }

  @Test
  void theProgramsCompileAndRun() throws Exception {
    Map<String, String> programs = programs();
    assertEquals(List.of("Reviews", "Nearest", "Deliveries"), List.copyOf(programs.keySet()));
    // A few steps are enough to see that it works.
    programs.computeIfPresent(
        "Reviews", (name, source) -> source.replace(".epochs(6)", ".maxSteps(3)"));
    Path data = folder.resolve("examples/reviews");
    Files.createDirectories(data);
    Files.copy(Path.of("examples/reviews/train.csv"), data.resolve("train.csv"));
    compile(programs);

    String reviews = run("Reviews");
    assertTrue(reviews.contains("step 3: loss "), reviews);
    assertTrue(reviews.contains("accuracy="), reviews);
    assertTrue(reviews.contains("positive="), reviews);
    assertTrue(Files.exists(folder.resolve("out/from-java/model.safetensors")));

    List<String> cosines =
        run("Nearest").lines().filter(line -> line.matches("-?\\d\\.\\d{3}")).toList();
    assertEquals(2, cosines.size());
    assertTrue(Double.parseDouble(cosines.get(0)) > Double.parseDouble(cosines.get(1)));

    List<String> answers = run("Deliveries").lines().toList();
    int count = answers.size();
    assertTrue(
        answers.get(count - 3).matches("Sunday, [01]\\.\\d\\d, at 60 to 66"), answers::toString);
    assertEquals(List.of("true", "3"), answers.subList(count - 2, count));
  }
}
