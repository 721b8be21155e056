package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Map;

/** Runs for programs. */
public final class RunJson {
  private static final List<String> KINDS =
      List.of(
          Documents.CONFIG,
          Documents.ENVIRONMENT,
          Documents.REPRODUCTION,
          Documents.DATA_REPORT,
          Documents.SUMMARY,
          Documents.CONFUSION,
          Documents.MISTAKES,
          Documents.FINDINGS,
          Documents.ARTIFACTS,
          Documents.ERROR);

  private RunJson() {}

  /** What a list shows of a run, with the last value of each series. */
  public static ObjectNode summary(StoredRun run, Map<String, Double> last) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", run.id()).put("name", run.name()).put("status", run.status().toString());
    json.put("task", run.task()).put("model", run.model()).put("folder", run.folder().toString());
    json.put("created", run.created().toString());
    json.put("ended", run.ended() == null ? null : run.ended().toString());
    json.put("seconds", run.duration().toMillis() / 1e3);
    json.put("step", run.step()).put("total_steps", run.totalSteps());
    ObjectNode values = json.putObject("last");
    last.forEach(values::put);
    return json;
  }

  /** All that is known of it but its curves. */
  public static ObjectNode whole(RunStore store, StoredRun run) {
    ObjectNode json = summary(run, store.last(run));
    for (String kind : KINDS) {
      JsonNode document = store.document(run, kind);
      if (!document.isMissingNode()) {
        json.set(kind, document);
      }
    }
    return json;
  }
}
