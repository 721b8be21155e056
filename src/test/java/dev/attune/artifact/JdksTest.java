package dev.attune.artifact;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.artifact.Application.Ended;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * The command line with every JDK of this machine from 17 on: it works and nothing is warned of.
 */
class JdksTest {
  @TempDir static Path shared;
  @TempDir Path scratch;

  @BeforeAll
  static void prepare() {
    Application.prepare(shared);
  }

  /** Java homes by their real path, so that links to one of them count once. */
  static Stream<Path> jdks() throws IOException {
    Map<Path, Path> found = new TreeMap<>();
    Path own = Path.of(System.getProperty("java.home"));
    found.put(own.toRealPath(), own);
    Path folder = own.getParent();
    try (Stream<Path> siblings = Files.list(folder)) {
      for (Path home : siblings.sorted().toList()) {
        if (Files.isExecutable(home.resolve("bin/java")) && version(home) >= 17) {
          found.putIfAbsent(home.toRealPath(), home);
        }
      }
    }
    return found.values().stream();
  }

  private static int version(Path home) throws IOException {
    Path release = home.resolve("release");
    if (!Files.exists(release)) {
      return 0;
    }
    return Files.readAllLines(release).stream()
        .filter(line -> line.startsWith("JAVA_VERSION="))
        .map(line -> line.replaceAll("[^0-9.]", "").split("\\.")[0])
        .mapToInt(Integer::parseInt)
        .findFirst()
        .orElse(0);
  }

  @ParameterizedTest
  @MethodSource("jdks")
  void nothingIsWarnedOf(Path home) throws Exception {
    Path output = scratch.resolve("out");
    run(home, "doctor", "--threads", "1");
    run(home, Application.training(shared, output));
    run(home, Application.prediction(shared, output));
    assertEquals(10, Files.readAllLines(output.resolve("predictions.jsonl")).size());
  }

  private void run(Path home, String... words) throws IOException {
    String[] command = new String[words.length + 1];
    command[0] = Path.of("attune").toAbsolutePath().toString();
    System.arraycopy(words, 0, command, 1, words.length);
    ProcessBuilder builder = new ProcessBuilder(command);
    builder.environment().put("JAVA_HOME", home.toString());
    builder.environment().put("ATTUNE_NO_BUILD", "1");
    builder.environment().remove("ATTUNE_JAVA_OPTS");
    Ended ended = Application.run(scratch, builder);
    assertEquals(0, ended.status(), ended.out() + ended.err());
    assertEquals("", ended.err(), String.join(" ", words));
  }
}
