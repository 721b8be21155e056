package dev.attune.server.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.testkit.LetterWriter;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The program of docs/low-level.md that teaches by reward over HTTP. */
@Timeout(180)
class TeachOverHttpTest {
  @TempDir Path scratch;

  @Test
  void policyGradientRaisesTheReward() throws Exception {
    String page = Files.readString(Path.of("docs/low-level.md"));
    int begin = page.indexOf("```java\n", page.indexOf("## Over HTTP")) + 8;
    Path source = scratch.resolve("TeachOverHttp.java");
    Files.writeString(source, page.substring(begin, page.indexOf("```", begin)));
    String classPath = System.getProperty("java.class.path");
    int status =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, null, "-d", scratch.toString(), "-cp", classPath, source.toString());
    assertEquals(0, status, "the program does not compile");
    TrainingTrial.makeBase(scratch);
    Path writer = LetterWriter.write(scratch.resolve("decoder"), scratch.resolve("writer"));
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream before = System.out;
    try (TrainingTrial trial =
            new TrainingTrial(scratch)
                .start(TrainingTrial.config(scratch).baseModel("writer", writer));
        URLClassLoader loader = new URLClassLoader(new URL[] {scratch.toUri().toURL()})) {
      System.setOut(new PrintStream(printed, true, StandardCharsets.UTF_8));
      loader
          .loadClass("TeachOverHttp")
          .getMethod("main", String[].class)
          .invoke(null, (Object) new String[] {trial.server().address().toString(), "writer"});
    } finally {
      System.setOut(before);
    }
    List<String> lines = printed.toString(StandardCharsets.UTF_8).lines().toList();
    assertEquals(41, lines.size(), lines::toString);
    assertTrue(lines.get(40).startsWith("ft:writer:local::"), lines.get(40));
    double first = mean(lines.subList(0, 5));
    double last = mean(lines.subList(35, 40));
    assertTrue(last > first + 0.2, "the reward went from " + first + " to " + last + lines);
  }

  private static double mean(List<String> lines) {
    return lines.stream()
        .mapToDouble(line -> Double.parseDouble(line.split(" ")[1]))
        .average()
        .orElseThrow();
  }
}
