package dev.attune.server.sdk;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.server.AttuneServer;
import dev.attune.testkit.Node;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** OpenAI's client for Node, as it is. */
@Timeout(300)
class NodeSdkTest {
  private static final String SDK = "openai@6.49.0";
  private static final int SECONDS = 200;

  @TempDir private Path folder;

  @Test
  void theClientDoesAllThatTheServerOffers() throws Exception {
    Path script = Node.modules(SDK).resolveSibling("sdk.mjs"); // where the packages are found
    try (var in = NodeSdkTest.class.getResourceAsStream("/server/sdk.mjs")) {
      Files.write(script, in.readAllBytes());
    }
    try (AttuneServer server = SdkServer.start(folder)) {
      List<String> command =
          List.of(Node.program("node").toString(), script.toString(), server.address().toString());
      Node.Result ended = Node.run(command, SECONDS);
      assertEquals(0, ended.status(), ended.output());
      assertEquals("all was as it should be", ended.output().strip());
    }
  }
}
