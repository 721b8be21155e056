package dev.attune.server.console;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.attune.core.Philox;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import dev.attune.testkit.Node;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/**
 * The console in a real browser, over a real server: {@code src/test/resources/server/console} says
 * what a user does there, and looks at each view in each size and look.
 */
@Timeout(1800)
class ConsoleTest {
  private static final String HOSTILE = "<img src=x onerror=window.hacked=1>";
  private static final String TEMPLATE =
      "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}\n{% endfor %}"
          + "{% if add_generation_prompt %}a:{% endif %}";
  private static final int MOST_SECONDS = 1500;

  /** Rows of two labels, and a few of a third that is hostile, as are texts. */
  private static void write(Path file, int rows, long seed) throws IOException {
    List<String> telling = List.of("good", "bad", "broken");
    List<String> labels = List.of("positive", "negative", HOSTILE);
    List<String> filler = List.of("the", "phone", "is", "very", "my", "book", "chair", "it");
    StringBuilder text = new StringBuilder();
    for (int row = 0; row < rows; row++) {
      int label = row % 10 == 9 ? 2 : row % 2;
      long stream = Philox.stream(row, -300);
      text.append("{\"text\": \"");
      for (int i = 0; i < 6; i++) {
        long pick = Philox.bits64(seed, stream, i);
        text.append(filler.get((int) Math.floorMod(pick, (long) filler.size()))).append(' ');
      }
      text.append(telling.get(label)).append(' ').append(row).append(row % 7 == 0 ? HOSTILE : "");
      text.append("\", \"label\": \"").append(labels.get(label)).append("\"}\n");
    }
    Files.writeString(file, text);
  }

  @Test
  void aUserDoesAllOfItInABrowser(@TempDir Path scratch) throws Exception {
    Path chromium = Node.program("chromium");
    Path modules = Node.modules("playwright-core@1.65.1");
    Path data = Files.createDirectories(scratch.toRealPath().resolve("data"));
    write(data.resolve("train.jsonl"), 400, 1);
    write(data.resolve(HOSTILE + ".jsonl"), 100, 2);
    Files.writeString(data.resolve("lines.txt"), "{\"prompt\": \"a\", \"completion\": \"b\"}\n");
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyModel.write(scratch.resolve("bert"), backend);
      TinyDecoder.write(scratch.resolve("decoder"), backend, 32);
    }
    Files.writeString(scratch.resolve("decoder/chat_template.jinja"), TEMPLATE);
    Path pictures =
        Files.createDirectories(
            Path.of(System.getProperty("basedir", "")).toAbsolutePath().resolve("target/console"));
    ServerConfig config =
        new ServerConfig()
            .port(0)
            .dataDir(scratch.resolve("server"))
            .baseModel("tiny-bert", scratch.resolve("bert"))
            .baseModel("tiny-decoder", scratch.resolve("decoder"));
    try (AttuneServer server = AttuneServer.start(config)) {
      String address = server.address().toString();
      Node.Result result =
          Node.run(
              List.of(
                  Node.program("node").toString(),
                  Path.of(ConsoleTest.class.getResource("/server/console/drive.mjs").toURI())
                      .toString(),
                  address.substring(0, address.length() - "/v1".length()),
                  data.toString(),
                  pictures.toString(),
                  modules.toString(),
                  chromium.toString()),
              MOST_SECONDS);
      assertEquals(0, result.status(), result.output());
    }
  }
}
