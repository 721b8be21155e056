package dev.attune.server.http;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;

/** Server-sent events. A client that has gone shows as an {@link IOException}. */
public final class EventStream implements AutoCloseable {
  private final OutputStream out;

  EventStream(OutputStream out) {
    this.out = out;
  }

  /** Sends one, at once. */
  public void send(JsonNode data) throws IOException {
    write("data: " + data + "\n\n");
  }

  /** Sends a line that says nothing, which shows whether anybody is still there. */
  public void ping() throws IOException {
    write(":\n\n");
  }

  /** Sends what ends OpenAI's streams. */
  public void done() throws IOException {
    write("data: [DONE]\n\n");
  }

  private void write(String text) throws IOException {
    out.write(text.getBytes(StandardCharsets.UTF_8));
    out.flush();
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
