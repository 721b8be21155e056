package dev.attune.server;

import java.net.URI;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.Consumer;

/** How a server is set up. Each method returns this. */
public final class ServerConfig {
  private String host = "127.0.0.1";
  private int port = 8080;
  private Path dataDir = Path.of("attune-data");
  private final Map<String, Path> baseModels = new LinkedHashMap<>();
  private boolean requireKeys;
  private Path tlsCertificate;
  private Path tlsKey;
  private long tenantFileBytes = Long.MAX_VALUE;
  private int tenantJobs = Integer.MAX_VALUE;
  private int tenantRequestsPerMinute = Integer.MAX_VALUE;
  private int tenantSessions = 16;
  private int tenantModels = Integer.MAX_VALUE;
  private long tenantModelBytes = Long.MAX_VALUE;
  private Duration sessionIdle = Duration.ofMinutes(30);
  private Duration stopTimeout = Duration.ofSeconds(30);
  private final Map<URI, String> webhooks = new LinkedHashMap<>();
  private long trainingMemoryBytes;
  private final InferenceOptions inference = new InferenceOptions();

  /**
   * The address to listen on; this machine alone unless given. On any other address an API key is
   * asked for.
   */
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

  /** Whether an API key is asked for also on this machine, and before there is one. */
  public ServerConfig requireKeys(boolean value) {
    requireKeys = value;
    return this;
  }

  /**
   * Answers over TLS alone.
   *
   * @param certificate a PEM file with the certificate, and those above it
   * @param key a PEM file with its private key (PKCS#8, without a password)
   */
  public ServerConfig tls(Path certificate, Path key) {
    tlsCertificate = certificate;
    tlsKey = key;
    return this;
  }

  /** Bytes that the files of one tenant may have together; as the disk allows unless given. */
  public ServerConfig tenantFileBytes(long value) {
    tenantFileBytes = value;
    return this;
  }

  /** Jobs of one tenant that may wait or run at a time; any number unless given. */
  public ServerConfig tenantJobs(int value) {
    tenantJobs = value;
    return this;
  }

  /** Requests that one tenant may make in a minute; any number unless given. */
  public ServerConfig tenantRequestsPerMinute(int value) {
    tenantRequestsPerMinute = value;
    return this;
  }

  /** Training sessions that one tenant may have; 16 unless given. */
  public ServerConfig tenantSessions(int value) {
    tenantSessions = value;
    return this;
  }

  /**
   * Tuned models that one tenant may have, with those that its jobs are going to make; any number
   * unless given.
   */
  public ServerConfig tenantModels(int value) {
    tenantModels = value;
    return this;
  }

  /**
   * Bytes that the tuned models of one tenant, their checkpoints and versions, and the states of
   * its training sessions may have together; as the disk allows unless given. What sessions save by
   * name is refused where it would pass them, and new jobs once they are used up; jobs that run,
   * models that learn and what the server saves of a session when it closes it may pass them.
   */
  public ServerConfig tenantModelBytes(long value) {
    tenantModelBytes = value;
    return this;
  }

  /**
   * After how long the model of a training session that nobody uses is saved and closed, until
   * somebody does; half an hour unless given.
   */
  public ServerConfig sessionIdle(Duration value) {
    sessionIdle = value;
    return this;
  }

  /** How long requests that have begun are waited for at the end; 30 s unless given. */
  public ServerConfig stopTimeout(Duration value) {
    stopTimeout = value;
    return this;
  }

  /**
   * Somebody who is told of the ends of all jobs; unlike those that clients name, it may be on this
   * machine.
   *
   * @param url http or https
   * @param secret that messages are signed with: {@code whsec_} and the base64 of at least 24 bytes
   */
  public ServerConfig webhook(URI url, String secret) {
    webhooks.put(url, secret);
    return this;
  }

  /** Memory that jobs and training sessions may take; half of the machine's unless given. */
  public ServerConfig trainingMemoryBytes(long value) {
    trainingMemoryBytes = value;
    return this;
  }

  Map<URI, String> webhooks() {
    return webhooks;
  }

  long trainingMemoryBytes() {
    return trainingMemoryBytes;
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

  boolean requireKeys() {
    return requireKeys;
  }

  Path tlsCertificate() {
    return tlsCertificate;
  }

  Path tlsKey() {
    return tlsKey;
  }

  long tenantFileBytes() {
    return tenantFileBytes;
  }

  int tenantJobs() {
    return tenantJobs;
  }

  int tenantRequestsPerMinute() {
    return tenantRequestsPerMinute;
  }

  int tenantSessions() {
    return tenantSessions;
  }

  int tenantModels() {
    return tenantModels;
  }

  long tenantModelBytes() {
    return tenantModelBytes;
  }

  Duration sessionIdle() {
    return sessionIdle;
  }

  Duration stopTimeout() {
    return stopTimeout;
  }
}
