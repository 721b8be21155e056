package dev.attune.server;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** How a server is set up. Each method returns this. */
public final class ServerConfig {
  private String host = "127.0.0.1";
  private int port = 8080;
  private Path dataDir = Path.of("attune-data");
  private final Map<String, Path> baseModels = new LinkedHashMap<>();
  private final InferenceOptions inference = new InferenceOptions();

  /** The address to listen on; this machine alone unless given. */
  public ServerConfig host(String value) {
    host = value;
    return this;
  }

  /** The port; 8080 unless given, 0: one that is free. */
  public ServerConfig port(int value) {
    port = value;
    return this;
  }

  /** Where the journal, files and models lie; {@code attune-data} unless given. */
  public ServerConfig dataDir(Path value) {
    dataDir = value;
    return this;
  }

  /**
   * A model that jobs may tune and requests may use.
   *
   * @param name to clients
   * @param folder a Hugging Face folder
   */
  public ServerConfig baseModel(String name, Path folder) {
    baseModels.put(name, folder);
    return this;
  }

  /** How models answer: {@code inference(o -> o.concurrency(32))}. */
  public ServerConfig inference(Consumer<InferenceOptions> options) {
    options.accept(inference);
    return this;
  }

  InferenceOptions inference() {
    return inference;
  }

  String host() {
    return host;
  }

  int port() {
    return port;
  }

  Path dataDir() {
    return dataDir;
  }

  Map<String, Path> baseModels() {
    return baseModels;
  }
}
