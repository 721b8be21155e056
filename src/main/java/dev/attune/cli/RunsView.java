package dev.attune.cli;

import static dev.attune.core.TerminalText.oneLine;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.TerminalText;
import dev.attune.track.Documents;
import dev.attune.track.Numbers;
import dev.attune.track.Point;
import dev.attune.track.RunJson;
import dev.attune.track.RunStatus;
import dev.attune.track.RunStore;
import dev.attune.track.StoredRun;
import java.time.ZoneId;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;

/** Shows runs of a store, for people and for programs. */
final class RunsView {
  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm").withZone(ZoneId.systemDefault());

  private static final int MOST_CELL = 40;

  private static final String UNKNOWN =
      "unknown: another version of Attune wrote a status that this one does not know";

  private final RunStore store;
  private final Console console;

  RunsView(RunStore store, Console console) {
    this.store = store;
    this.console = console;
  }

  /** Its name where a line has more to say. */
  static String name(StoredRun run) {
    return TerminalText.cut(oneLine(run.name()), MOST_CELL);
  }

  private static String number(double value) {
    return Numbers.text(value, 4);
  }

  /** A line a run: with these series, or the loss and the first metric of the last evaluation. */
  void list(List<StoredRun> runs, List<String> metrics, ObjectNode result) {
    List<String[]> table = new ArrayList<>();
    List<String> head = new ArrayList<>(List.of("id", "name", "status", "begun", "took", "steps"));
    head.addAll(metrics.isEmpty() ? List.of("last results") : metrics);
    table.add(head.toArray(String[]::new));
    ArrayNode json = result.putArray("runs");
    for (StoredRun run : runs) {
      Map<String, Double> last = store.last(run);
      json.add(RunJson.summary(run, last));
      List<String> row = new ArrayList<>();
      row.add(run.id());
      row.add(run.name());
      row.add(run.status().toString());
      row.add(TIME.format(run.created()));
      row.add(Console.duration(run.duration().toMillis() / 1e3));
      row.add(run.step() + (run.totalSteps() > run.step() ? "/" + run.totalSteps() : ""));
      if (metrics.isEmpty()) {
        row.add(results(last));
      } else {
        metrics.forEach(name -> row.add(number(last.getOrDefault(name, Double.NaN))));
      }
      table.add(row.toArray(String[]::new));
    }
    if (!runs.isEmpty()) {
      print(table);
    }
    if (runs.stream().anyMatch(run -> run.status() == RunStatus.UNKNOWN)) {
      console.line("%s", UNKNOWN);
    }
  }

  /**
   * The loss and the first metric on the data that tells most: test, else validation, else none.
   */
  private static String results(Map<String, Double> last) {
    for (String prefix : List.of(Point.TEST, Point.EVAL, Point.TRAIN)) {
      List<String> shown = new ArrayList<>();
      last.forEach(
          (name, value) -> {
            boolean isShown = name.startsWith(prefix) && shown.size() < 2;
            if (isShown && (!prefix.equals(Point.TRAIN) || name.endsWith("/loss"))) {
              shown.add(name + " " + number(value));
            }
          });
      if (!shown.isEmpty()) {
        return String.join("  ", shown);
      }
    }
    return "";
  }

  private void print(List<String[]> table) {
    int[] widths = new int[table.get(0).length];
    for (String[] row : table) {
      for (int i = 0; i < widths.length; i++) {
        widths[i] = Math.max(widths[i], Math.min(MOST_CELL, TerminalText.width(oneLine(row[i]))));
      }
    }
    int last = widths.length - 1;
    for (String[] row : table) {
      StringBuilder line = new StringBuilder();
      for (int i = 0; i < last; i++) {
        line.append(TerminalText.left(row[i], widths[i])).append("  ");
      }
      int room = Math.max(10, console.columns() - TerminalText.width(line.toString()));
      line.append(TerminalText.cut(oneLine(row[last]), room));
      console.laidOut(TerminalText.cut(line.toString().stripTrailing(), console.columns()));
    }
  }

  /** All that is known of a run. */
  void show(StoredRun run, ObjectNode result) {
    Map<String, Double> last = store.last(run);
    result.setAll(RunJson.whole(store, run));
    JsonNode environment = store.document(run, Documents.ENVIRONMENT);
    JsonNode reproduction = store.document(run, Documents.REPRODUCTION);
    line("run", oneLine(run.id() + "  " + run.name() + "  (" + run.status() + ")"));
    line("status", run.status() == RunStatus.UNKNOWN ? UNKNOWN : "");
    line("task", oneLine(run.task() + " of " + run.model()));
    line("begun", TIME.format(run.created()));
    line(
        "took",
        Console.duration(run.duration().toMillis() / 1e3)
            + ", "
            + run.step()
            + " of "
            + run.totalSteps()
            + " steps");
    line("folder", oneLine(run.folder().toString()));
    line("git", reproduction.path("git").path("commit").asText(""));
    line(
        "machine",
        environment.path("host").asText()
            + ": "
            + environment.path("processor").asText()
            + ", "
            + environment.path("cores").asText()
            + " cores");
    line(
        "device",
        environment.path("backend").asText() + ", " + environment.path("precision").asText());
    line("command", reproduction.path("command").asText());
    line("error", store.document(run, Documents.ERROR).path("message").asText());
    for (JsonNode finding : store.document(run, Documents.FINDINGS)) {
      line("finding", finding.path("message").asText());
    }
    console.line("");
    last.forEach((name, value) -> console.line("  %-28s %s", name, number(value)));
    JsonNode fingerprints = reproduction.path("fingerprints");
    console.line("");
    fingerprints
        .properties()
        .forEach(entry -> console.line("  %-28s %s", entry.getKey(), entry.getValue().asText()));
  }

  private void line(String name, String text) {
    if (!text.isBlank()) {
      console.line("%-10s %s", name, text);
    }
  }

  /** What differs between runs: options and fingerprints, then results. */
  void compare(List<StoredRun> runs, ObjectNode result) {
    List<Map<String, String>> options = new ArrayList<>();
    List<Map<String, String>> results = new ArrayList<>();
    List<String[]> table = new ArrayList<>();
    table.add(row("", runs.stream().map(StoredRun::id).toList()));
    table.add(row("name", runs.stream().map(StoredRun::name).toList()));
    table.add(row("status", runs.stream().map(run -> run.status().toString()).toList()));
    for (StoredRun run : runs) {
      Map<String, String> facts = new LinkedHashMap<>();
      JsonNode config = store.document(run, Documents.CONFIG);
      config.properties().forEach(e -> facts.put(e.getKey(), text(e.getValue())));
      JsonNode reproduction = store.document(run, Documents.REPRODUCTION);
      reproduction
          .path("fingerprints")
          .properties()
          .forEach(e -> facts.put(e.getKey() + " (content)", text(e.getValue())));
      facts.put("git commit", reproduction.path("git").path("commit").asText(""));
      options.add(facts);
      Map<String, String> values = new LinkedHashMap<>();
      store.last(run).forEach((name, value) -> values.put(name, number(value)));
      results.add(values);
    }
    ObjectNode differing = result.putObject("differing");
    add(table, differing, options, runs, true);
    add(table, result.putObject("results"), results, runs, false);
    print(table);
  }

  private static String text(JsonNode value) {
    return value.isValueNode() ? value.asText() : value.toString();
  }

  private static String[] row(String name, List<String> cells) {
    List<String> row = new ArrayList<>();
    row.add(name);
    row.addAll(cells);
    return row.toArray(String[]::new);
  }

  private static void add(
      List<String[]> table,
      ObjectNode json,
      List<Map<String, String>> ofRuns,
      List<StoredRun> runs,
      boolean onlyDiffering) {
    Set<String> names = new LinkedHashSet<>();
    ofRuns.forEach(of -> names.addAll(of.keySet()));
    for (String name : names) {
      List<String> cells = ofRuns.stream().map(of -> of.getOrDefault(name, "")).toList();
      boolean differs = cells.stream().anyMatch(cell -> !Objects.equals(cell, cells.get(0)));
      if (differs || !onlyDiffering) {
        table.add(row(name, cells));
        ObjectNode values = json.putObject(name);
        for (int i = 0; i < cells.size(); i++) {
          values.put(runs.get(i).id(), cells.get(i));
        }
      }
    }
  }
}
