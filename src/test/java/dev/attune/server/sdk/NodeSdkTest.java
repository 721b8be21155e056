package dev.attune.server.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.attune.server.AttuneServer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's client for Node, as it is. */
@Timeout(300)
class NodeSdkTest {
  private static final String SDK = "openai@6.49.0";
  private static final Path BUILT = Path.of(System.getProperty("basedir", "."), "target", "node");

  @TempDir private Path folder;

  private record Ended(int status, String output) {}

  private static Ended run(Path where, List<String> command)
      throws IOException, InterruptedException {
    Path output = Files.createTempFile("attune-node", ".txt");
    try {
      Process process =
          new ProcessBuilder(command)
              .directory(where.toFile())
              .redirectErrorStream(true)
              .redirectOutput(output.toFile())
              .start();
      if (!process.waitFor(200, TimeUnit.SECONDS)) {
        process.destroyForcibly();
        return new Ended(-1, "it took too long: " + Files.readString(output));
      }
      return new Ended(process.exitValue(), Files.readString(output));
    } finally {
      Files.delete(output);
    }
  }

  private static boolean isThere(String program) {
    try {
      return run(Path.of("."), List.of(program, "--version")).status() == 0;
    } catch (IOException e) {
      return false;
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }

  private static void install() throws Exception {
    Path installed = BUILT.resolve("node_modules/openai/package.json");
    if (Files.exists(installed)
        && Files.readString(installed).contains(SDK.substring(SDK.indexOf('@') + 1))) {
      return;
    }
    Files.createDirectories(BUILT);
    Ended npm = run(BUILT, List.of("npm", "install", "--no-audit", "--no-fund", "--silent", SDK));
    assumeTrue(npm.status() == 0, "npm cannot install " + SDK + ": " + npm.output());
  }

  @Test
  void theClientDoesAllThatTheServerOffers() throws Exception {
    assumeTrue(isThere("node") && isThere("npm"), "node and npm are not installed");
    install();
    Path script = BUILT.resolve("sdk.mjs");
    try (var in = NodeSdkTest.class.getResourceAsStream("/server/sdk.mjs")) {
      Files.write(script, in.readAllBytes());
    }
    try (AttuneServer server = SdkServer.start(folder)) {
      Ended ended = run(BUILT, List.of("node", script.toString(), server.address().toString()));
      assertEquals(0, ended.status(), ended.output());
      assertEquals(
          "all was as it should be",
          new String(ended.output().getBytes(StandardCharsets.UTF_8), StandardCharsets.UTF_8)
              .strip());
    }
  }
}
