package dev.attune.server.sdk;

import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.server.AttuneServer;
import dev.attune.server.ServerConfig;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A server for OpenAI's clients, with a tiny base of each kind: "decoder" and "encoder". */
final class SdkServer {
  private static final String TEMPLATE =
      "{% for m in messages %}<{{ m.role[0] }}>{{ m.content }}{% endfor %}"
          + "{% if add_generation_prompt %}<a>{% endif %}";

  private SdkServer() {}

  static AttuneServer start(Path scratch) {
    Path decoder = scratch.resolve("decoder");
    Path encoder = scratch.resolve("encoder");
    try (CpuBackend backend = new CpuBackend(1)) {
      TinyDecoder.write(decoder, backend, 32);
      Files.writeString(decoder.resolve("chat_template.jinja"), TEMPLATE);
      TinyModel.write(encoder, backend);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
    return AttuneServer.start(
        new ServerConfig()
            .port(0)
            .dataDir(scratch.resolve("data"))
            .baseModel("decoder", decoder)
            .baseModel("encoder", encoder));
  }

  /** Rows of conversations that the tiny decoder can learn. */
  static String chats(int rows) {
    StringBuilder lines = new StringBuilder();
    for (int i = 0; i < rows; i++) {
      lines.append("{\"messages\":[{\"role\":\"user\",\"content\":\"say ").append(i);
      lines.append("\"},{\"role\":\"assistant\",\"content\":\"it is ").append(i % 7);
      lines.append("\"}]}\n");
    }
    return lines.toString();
  }
}
