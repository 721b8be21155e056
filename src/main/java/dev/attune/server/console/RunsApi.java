package dev.attune.server.console;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.EventStream;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import dev.attune.server.http.Shares;
import dev.attune.track.RunJson;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import dev.attune.track.web.LiveCurves;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/** What the run store knows of jobs: all of one, and the curves of several as they grow. */
final class RunsApi {
  private static final long LOOK_MILLIS = 1000;
  private static final int MOST_LISTENERS = 64; // each holds a thread
  private static final int MOST_JOBS = 20; // of one listener

  private final Path store;
  private final JobFolders folders;
  private final Places places;
  private final Shares listeners = new Shares(MOST_LISTENERS);

  /** Where jobs leave their models, by which their runs are known. */
  interface JobFolders {
    /**
     * The folder of a job's output, which need not be there yet.
     *
     * @throws ApiException if the tenant has no such job
     */
    Path of(String tenant, String job);
  }

  /**
   * @param store folder of the run store, which need not be there before the first run
   */
  RunsApi(Path store, JobFolders folders, Places places) {
    this.store = store;
    this.folders = folders;
    this.places = places;
  }

  /** What is answered. */
  List<Route> routes() {
    return List.of(
        new Route("GET", "/v1/attune/jobs/{job}/run", Scope.TRAINING, this::run),
        new Route("GET", "/v1/attune/live", Scope.TRAINING, this::live));
  }

  private void run(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String job = exchange.parameter("job");
    Path folder = folders.of(exchange.caller().tenant(), job);
    ApiException none = ApiException.notFound(null, "The job '" + job + "' has not begun a run");
    if (!RunStore.exists(store)) {
      throw none;
    }
    try (RunStore runs = RunStore.open(store)) {
      StoredRun run = newest(runs.runs(), folder).orElseThrow(() -> none);
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      json.put("object", "attune.run").put("job", job);
      json.setAll(RunJson.whole(runs, run));
      exchange.answer(places.named(json));
    }
  }

  private static Optional<StoredRun> newest(List<StoredRun> runs, Path folder) throws IOException {
    Path real = Files.exists(folder) ? folder.toRealPath() : folder;
    return runs.stream().filter(run -> run.folder().equals(real)).findFirst();
  }

  /** Sends what is new until the client goes away. */
  private void live(Exchange exchange) throws IOException, InterruptedException {
    String wanted = exchange.query("jobs");
    exchange.refuseOtherQueries();
    if (wanted == null || wanted.isEmpty()) {
      throw ApiException.badRequest("jobs", "'jobs' is missing: ids of jobs with commas between");
    }
    List<String> ids = List.of(wanted.split(","));
    if (ids.size() > MOST_JOBS) {
      throw ApiException.badRequest(
          "jobs", "'jobs' has " + ids.size() + " ids; " + MOST_JOBS + " are the most");
    }
    Map<String, Path> jobs = new LinkedHashMap<>();
    String tenant = exchange.caller().tenant();
    ids.forEach(id -> jobs.put(id, folders.of(tenant, id)));
    if (!listeners.tryAcquire(tenant)) {
      throw ApiException.busy(
          "As many pages are listening as there may be, "
              + listeners.mostOfTenant()
              + " of a tenant and "
              + MOST_LISTENERS
              + " of all; close one");
    }
    try {
      EventStream events = exchange.events();
      while (!exchange.serverEnds() && !RunStore.exists(store)) {
        events.ping();
        Thread.sleep(LOOK_MILLIS);
      }
      if (!exchange.serverEnds()) {
        send(jobs, events, exchange::serverEnds);
      }
    } finally {
      listeners.release(tenant);
    }
  }

  private void send(Map<String, Path> jobs, EventStream events, BooleanSupplier ends)
      throws IOException, InterruptedException {
    try (RunStore runs = RunStore.open(store)) {
      LiveCurves curves = new LiveCurves(runs);
      Map<String, ObjectNode> told = new HashMap<>();
      while (!ends.getAsBoolean()) {
        for (ObjectNode event : news(runs, jobs, curves, told)) {
          events.send(event);
        }
        events.ping(); // shows whether anybody is still there
        Thread.sleep(LOOK_MILLIS);
      }
    }
  }

  private static List<ObjectNode> news(
      RunStore store, Map<String, Path> jobs, LiveCurves curves, Map<String, ObjectNode> told)
      throws IOException {
    List<ObjectNode> events = new ArrayList<>();
    List<StoredRun> runs = store.runs();
    for (Map.Entry<String, Path> job : jobs.entrySet()) {
      Optional<StoredRun> found = newest(runs, job.getValue());
      if (found.isPresent()) {
        StoredRun run = found.get();
        curves.read(run, points -> events.add(event("attune.curve", job.getKey(), points)));
        ObjectNode state =
            JsonNodeFactory.instance
                .objectNode()
                .put("status", run.status().toString())
                .put("step", run.step())
                .put("total_steps", run.totalSteps());
        if (!state.equals(told.put(job.getKey(), state))) {
          events.add(event("attune.run", job.getKey(), state));
        }
      }
    }
    return events;
  }

  private static ObjectNode event(String object, String job, ObjectNode fields) {
    ObjectNode event = JsonNodeFactory.instance.objectNode();
    event.put("object", object).put("job", job);
    return event.setAll(fields);
  }
}
