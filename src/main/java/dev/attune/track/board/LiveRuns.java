package dev.attune.track.board;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.track.RunJson;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import dev.attune.track.web.LiveCurves;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.stream.Collectors;

/**
 * What happens in a store, as server-sent events: {@code runs}, the list of all, whenever it
 * changes; {@code points}, what is new of the runs that somebody looks at.
 */
final class LiveRuns {
  private static final long LOOK_MILLIS = 1000;

  private final RunStore store;
  private final List<String> watched;
  private final LiveCurves curves;
  private final Map<String, Listed> listed = new HashMap<>(); // by id
  private String list = "";

  /** A run as it was listed: one that has ended stays so, and its store need not be asked again. */
  private record Listed(StoredRun run, JsonNode json) {}

  LiveRuns(RunStore store, List<String> watched) {
    this.store = store;
    this.watched = watched;
    this.curves = new LiveCurves(store);
  }

  /** Sends until it is ended or nobody reads. */
  void send(OutputStream out, BooleanSupplier ended) throws IOException, InterruptedException {
    while (!ended.getAsBoolean()) {
      StringBuilder events = new StringBuilder();
      List<StoredRun> runs = store.runs();
      list(runs, events);
      for (StoredRun run : runs) {
        if (watched.contains(run.id())) {
          points(run, events);
        }
      }
      // A line that says nothing shows whether anybody is still there.
      String text = events.isEmpty() ? ":\n\n" : events.toString();
      out.write(text.getBytes(StandardCharsets.UTF_8));
      out.flush();
      Thread.sleep(LOOK_MILLIS);
    }
  }

  private void list(List<StoredRun> runs, StringBuilder events) {
    ArrayNode json = JsonNodeFactory.instance.arrayNode();
    for (StoredRun run : runs) {
      Listed known = listed.get(run.id());
      if (known == null || !known.run().equals(run) || run.status() == RunStatus.RUNNING) {
        known = new Listed(run, RunJson.summary(run, store.last(run)));
        listed.put(run.id(), known);
      }
      json.add(known.json());
    }
    if (listed.size() > runs.size()) {
      Set<String> there = runs.stream().map(StoredRun::id).collect(Collectors.toSet());
      listed.keySet().retainAll(there);
    }
    String now = json.toString();
    if (!now.equals(list)) {
      list = now;
      event(events, "runs", now);
    }
  }

  private void points(StoredRun run, StringBuilder events) {
    curves.read(
        run,
        points -> {
          ObjectNode json = JsonNodeFactory.instance.objectNode().put("run", run.id());
          event(events, "points", json.setAll(points).toString());
        });
  }

  private static void event(StringBuilder events, String name, String json) {
    events.append("event: ").append(name).append("\ndata: ").append(json).append("\n\n");
  }
}
