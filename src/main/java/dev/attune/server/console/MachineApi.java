package dev.attune.server.console;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.Caller;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import dev.attune.track.Host;
import dev.attune.track.SystemUse;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.FileStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/** What the server runs on, and how much of it is in use. */
final class MachineApi {
  private static final long LEAST_NANOS = 500_000_000; // between two samples of the processor

  private final Path data;
  private final Activity activity;
  private final SystemUse use = new SystemUse();
  private Map<String, Double> sample = Map.of();
  private long sampledNanos = System.nanoTime();

  /**
   * A model in memory.
   *
   * @param bytes that it takes, with what its requests take
   * @param requests that it works on, and adapters that are open beside it
   */
  record OpenModel(String id, long bytes, int requests) {}

  /** What the server does just now, as far as somebody may see it. */
  interface Activity {
    /** Jobs by their states. */
    Map<String, Long> jobs(Caller caller);

    /** Models in memory. */
    List<OpenModel> models(Caller caller);
  }

  /**
   * @param data the server's folder
   */
  MachineApi(Path data, Activity activity) {
    this.data = data;
    this.activity = activity;
  }

  /** What is answered. */
  List<Route> routes() {
    return List.of(
        new Route("GET", "/v1/attune/machine", Scope.TRAINING, this::machine),
        new Route("GET", "/v1/attune/tasks", Scope.TRAINING, MachineApi::tasks));
  }

  private void machine(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "attune.machine");
    String version = MachineApi.class.getPackage().getImplementationVersion();
    json.put("version", version == null ? "(development build)" : version);
    json.put("up_seconds", ManagementFactory.getRuntimeMXBean().getUptime() / 1000);
    json.put("processor", Host.processor());
    json.put("cores", Runtime.getRuntime().availableProcessors());
    room(json.putObject("memory"), Host.memoryBytes(), Host.availableBytes());
    FileStore disk = Files.getFileStore(data);
    room(json.putObject("disk"), disk.getTotalSpace(), disk.getUsableSpace());
    ObjectNode process = json.putObject("process");
    sample().forEach(process::put);
    ObjectNode jobs = json.putObject("jobs");
    activity.jobs(exchange.caller()).forEach(jobs::put);
    ArrayNode models = json.putArray("models");
    for (OpenModel model : activity.models(exchange.caller())) {
      models
          .addObject()
          .put("id", model.id())
          .put("bytes", model.bytes())
          .put("requests", model.requests());
    }
    exchange.answer(json);
  }

  private static void room(ObjectNode json, long totalBytes, long freeBytes) {
    json.put("total_bytes", totalBytes).put("free_bytes", freeBytes);
  }

  /** The process's use since the last sample, which several pages may share. */
  private synchronized Map<String, Double> sample() {
    long now = System.nanoTime();
    if (sample.isEmpty() || now - sampledNanos >= LEAST_NANOS) {
      sample = use.sample();
      sampledNanos = now;
    }
    return sample;
  }

  private static void tasks(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "list");
    ArrayNode names = json.putArray("data");
    Tasks.all().stream().map(TaskType::name).forEach(names::add);
    exchange.answer(json);
  }
}
