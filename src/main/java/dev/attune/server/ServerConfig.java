package dev.attune.server;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;

/** How a server is set up. Each method returns this. */
public final class ServerConfig {
  private String host = "127.0.0.1";
  private int port = 8080;
  private Path dataDir = Path.of("attune-data");
  private final Map<String, Path> baseModels = new LinkedHashMap<>();

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
