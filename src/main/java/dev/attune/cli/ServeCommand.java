package dev.attune.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.hub.Progress;
import dev.attune.run.CommandOptions;
import dev.attune.run.Fetched;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.server.AttuneServer;
import dev.attune.server.InferenceOptions;
import dev.attune.server.ServerConfig;
import dev.attune.server.data.DataCheck;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** {@code attune serve}: the training server. */
final class ServeCommand implements Command {
  private static final String WEBHOOK_SECRET = "ATTUNE_WEBHOOK_SECRET";
  private static final int USUAL_PORT = 8080;
  private static final int LOOK_MILLIS = 50;
  private static final int USUAL_STREAMS = 64;

  @Override
  public String name() {
    return "serve";
  }

  @Override
  public String summary() {
    return "serve files, training jobs and models behind OpenAI's API";
  }

  @Override
  public String details() {
    return """
    Clients of OpenAI's API work with it as they are: give them http://127.0.0.1:8080/v1 as their base
    URL. It answers on this machine alone unless --host says otherwise, and then asks for keys: see
    attune help keys. All that it has been told is in --data-dir, also after a crash. Ctrl-C ends it.

    examples:
      attune serve --base-model minilm
      attune serve --base-model qwen=models/qwen3 --base-model bert=models/bert --port 9000
      attune serve --host 0.0.0.0 --tls-cert cert.pem --tls-key key.pem --base-model minilm
      attune serve --check
    """;
  }

  @Override
  public String interrupted() {
    return null;
  }

  @Override
  public List<RunOption> options() {
    return CommandOptions.SERVE;
  }

  @Override
  public String describe(RunOption option) {
    return switch (option) {
      case PORT -> "of the server; 0: one that is free (default " + USUAL_PORT + ")";
      case BASE_MODEL ->
          "NAME=DIR, a model that jobs may tune and requests use, or a name that attune train"
              + " knows; several: give it again";
      case PRECISION -> "of models that answer: auto (what is faster here), bf16 or fp32";
      case THREADS -> "of a model that answers; 0: all cores (default 0)";
      case STREAMS ->
          "texts that a language model writes at a time (default " + USUAL_STREAMS + ")";
      default -> Command.super.describe(option);
    };
  }

  @Override
  public int run(Arguments arguments, Console console, StopSignal signal, ObjectNode result) {
    RunConfig config = arguments.config();
    return config.flag(RunOption.CHECK)
        ? check(config.path(RunOption.DATA_DIR), console, result)
        : serve(config, arguments.json(), console, signal, result);
  }

  private static int check(Path data, Console console, ObjectNode result) {
    List<String> problems;
    try {
      problems = DataCheck.of(data);
    } catch (IOException e) {
      throw new UncheckedIOException(data + " cannot be read: " + e, e);
    }
    ArrayNode list = result.putArray("problems");
    problems.forEach(list::add);
    problems.forEach(problem -> console.line("%s", problem));
    console.line(
        problems.isEmpty() ? "%s: all is as the journal has it" : "%s: not as the journal has it",
        data);
    return problems.isEmpty() ? ExitStatus.DONE : ExitStatus.FAILED;
  }

  private static int serve(
      RunConfig config, boolean json, Console console, StopSignal signal, ObjectNode result) {
    ServerConfig server = configured(config);
    signal.stops(
        "stopping; what runs goes on when it is started again. Ctrl-C again stops at once",
        "it did not end in time; what ran goes on from where it was saved last when it is started"
            + " again");
    signal.arm();
    try (AttuneServer running = AttuneServer.start(server)) {
      if (json) {
        ObjectNode ready = JsonNodeFactory.instance.objectNode();
        System.out.println(ready.put("ready", true).put("address", running.address().toString()));
        System.out.flush();
      }
      console.line("Attune answers at %s (Ctrl-C ends it)", running.address());
      while (!signal.requested()) {
        Thread.sleep(LOOK_MILLIS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    result.put("ended", true);
    return ExitStatus.DONE;
  }

  private static void inference(RunConfig config, InferenceOptions options) {
    options
        .precision(config.text(RunOption.PRECISION))
        .threads(config.smallInteger(RunOption.THREADS))
        .concurrency(
            config.isGiven(RunOption.STREAMS)
                ? (int) whole(config, RunOption.STREAMS, 1, Integer.MAX_VALUE)
                : USUAL_STREAMS);
    if (config.isGiven(RunOption.MODEL_MEMORY)) {
      options.modelMemory(whole(config, RunOption.MODEL_MEMORY, 1, Long.MAX_VALUE));
    }
    if (config.isGiven(RunOption.ADAPTER_MEMORY)) {
      options.adapterMemory(whole(config, RunOption.ADAPTER_MEMORY, 1, Long.MAX_VALUE));
    }
    if (config.isGiven(RunOption.CACHE_MEMORY)) {
      options.cacheMemory(whole(config, RunOption.CACHE_MEMORY, 1, Long.MAX_VALUE));
    }
  }

  private static ServerConfig configured(RunConfig config) {
    ServerConfig server =
        new ServerConfig()
            .host(config.required(RunOption.HOST))
            .port(
                config.isGiven(RunOption.PORT)
                    ? (int) whole(config, RunOption.PORT, 0, 65535)
                    : USUAL_PORT)
            .dataDir(config.path(RunOption.DATA_DIR))
            .requireKeys(config.flag(RunOption.REQUIRE_KEYS))
            .stopTimeout(Duration.ofSeconds(whole(config, RunOption.STOP_TIMEOUT, 0, 100)));
    if (config.isGiven(RunOption.TLS_CERT) || config.isGiven(RunOption.TLS_KEY)) {
      config.required(RunOption.TLS_CERT);
      config.required(RunOption.TLS_KEY);
      server.tls(config.path(RunOption.TLS_CERT), config.path(RunOption.TLS_KEY));
    }
    if (config.isGiven(RunOption.TENANT_FILE_BYTES)) {
      server.tenantFileBytes(whole(config, RunOption.TENANT_FILE_BYTES, 1, Long.MAX_VALUE));
    }
    if (config.isGiven(RunOption.TENANT_JOBS)) {
      server.tenantJobs((int) whole(config, RunOption.TENANT_JOBS, 1, Integer.MAX_VALUE));
    }
    if (config.isGiven(RunOption.TENANT_REQUESTS)) {
      server.tenantRequestsPerMinute(
          (int) whole(config, RunOption.TENANT_REQUESTS, 1, Integer.MAX_VALUE));
    }
    server.tenantSessions((int) whole(config, RunOption.TENANT_SESSIONS, 1, Integer.MAX_VALUE));
    if (config.isGiven(RunOption.TENANT_MODELS)) {
      server.tenantModels((int) whole(config, RunOption.TENANT_MODELS, 1, Integer.MAX_VALUE));
    }
    if (config.isGiven(RunOption.TENANT_MODEL_BYTES)) {
      server.tenantModelBytes(whole(config, RunOption.TENANT_MODEL_BYTES, 1, Long.MAX_VALUE));
    }
    server.sessionIdle(
        Duration.ofSeconds(whole(config, RunOption.SESSION_IDLE, 1, Integer.MAX_VALUE)));
    if (config.isGiven(RunOption.TRAINING_MEMORY)) {
      server.trainingMemoryBytes(whole(config, RunOption.TRAINING_MEMORY, 1, Long.MAX_VALUE));
    }
    if (config.isGiven(RunOption.WEBHOOK)) {
      server.webhook(webhook(config.text(RunOption.WEBHOOK)), System.getenv(WEBHOOK_SECRET));
    }
    server.inference(options -> inference(config, options));
    Set<String> names = new HashSet<>();
    for (String base : config.texts(RunOption.BASE_MODEL)) {
      int equals = base.indexOf('=');
      String name = equals < 0 ? base : base.substring(0, equals);
      if (!names.add(name)) {
        throw new InputException(
            RunOption.BASE_MODEL + " names '" + name + "' twice; give each base another name");
      }
      server.baseModel(name, Fetched.model(base.substring(equals + 1), Progress.silent()));
    }
    return server;
  }

  /** A secret has no place among arguments, which anybody on the machine can see. */
  private static URI webhook(String url) {
    if (System.getenv(WEBHOOK_SECRET) == null) {
      throw new InputException(
          RunOption.WEBHOOK
              + " needs the secret that messages are signed with, in the variable "
              + WEBHOOK_SECRET);
    }
    try {
      return new URI(url);
    } catch (URISyntaxException e) {
      throw new InputException(
          RunOption.WEBHOOK + " is '" + url + "', which is no URL: " + e.getReason(), e);
    }
  }

  private static long whole(RunConfig config, RunOption option, long least, long most) {
    long value = config.integer(option);
    if (value < least || value > most) {
      throw new InputException(
          option + " is " + value + "; it must be from " + least + " to " + most);
    }
    return value;
  }
}
