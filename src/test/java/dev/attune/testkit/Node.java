package dev.attune.testkit;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Programs for Node, with packages of npm, which are installed below {@code target} once. A test
 * that needs them is skipped, with the reason, where something of this is not there.
 *
 * <p>Packages that are asked for together have a folder of their own, and one process at a time
 * installs them: tests run in several processes, and npm takes away what another install has put
 * beside its own.
 */
public final class Node {
  private static final int INSTALL_SECONDS = 300;

  private Node() {}

  /** What a program said, on both streams, and how it ended. */
  public record Result(int status, String output) {}

  /** Skips the test where a program is not on the path. */
  public static Path program(String name) {
    Path found =
        Stream.of(System.getenv().getOrDefault("PATH", "").split(":"))
            .filter(folder -> !folder.isEmpty())
            .map(folder -> Path.of(folder, name))
            .filter(Files::isExecutable)
            .findFirst()
            .orElse(null);
    assumeTrue(found != null, name + " is not on the path");
    return found;
  }

  /**
   * The folder {@code node_modules} with packages.
   *
   * @param packages each with its version: {@code name@1.2.3}
   */
  public static Path modules(String... packages) throws IOException, InterruptedException {
    program("node");
    Path npm = program("npm");
    Path folder =
        Path.of(System.getProperty("basedir", ""))
            .toAbsolutePath()
            .resolve("target/node")
            .resolve(String.join("-", packages).replace('/', '_'));
    Files.createDirectories(folder);
    try (FileChannel lock =
        FileChannel.open(
            folder.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
      lock.lock();
      Path installed = folder.resolve("installed");
      if (!Files.exists(installed)) {
        List<String> command =
            new ArrayList<>(
                List.of(
                    npm.toString(),
                    "install",
                    "--prefix",
                    folder.toString(),
                    "--no-audit",
                    "--no-fund",
                    "--ignore-scripts",
                    "--no-package-lock"));
        command.addAll(List.of(packages));
        Result result = run(command, INSTALL_SECONDS);
        assumeTrue(result.status() == 0, () -> "npm cannot install: " + result.output());
        Files.createFile(installed);
      }
    }
    return folder.resolve("node_modules");
  }

  /**
   * Runs a program to its end.
   *
   * @param seconds after which it is ended
   */
  public static Result run(List<String> command, int seconds)
      throws IOException, InterruptedException {
    Path output = Files.createTempFile("attune-node", ".log");
    try {
      Process process =
          new ProcessBuilder(command)
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      if (!process.waitFor(seconds, TimeUnit.SECONDS)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
        return new Result(-1, Files.readString(output) + "\nended after " + seconds + " s");
      }
      return new Result(
          process.exitValue(), new String(Files.readAllBytes(output), StandardCharsets.UTF_8));
    } finally {
      Files.delete(output);
    }
  }
}
