package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Route;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersion;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Semaphore;
import java.util.regex.Pattern;

/** {@code /v1/models/{model}/versions}: what a model was, and may be again. */
final class VersionsApi {
  private static final String ALL = "/v1/models/{model}/versions";
  private static final String ONE = ALL + "/{version}";
  private static final Pattern NUMBER = Pattern.compile("v?[1-9]\\d{0,8}");
  private static final int MOST_DIFFERENCES = 100;
  private static final int MOST_COMPARISONS = 2; // at a time: each may open two models

  private final ModelCatalog models;
  private final LearnerStore store;
  private final Learner learner;
  private final Judge judge;
  private final Semaphore comparisons = new Semaphore(MOST_COMPARISONS);

  VersionsApi(ModelCatalog models, LearnerStore store, Learner learner, Judge judge) {
    this.models = models;
    this.store = store;
    this.learner = learner;
    this.judge = judge;
  }

  List<Route> routes() {
    return List.of(
        new Route("GET", ALL, Scope.INFERENCE, this::list),
        new Route("GET", ONE, Scope.INFERENCE, this::get),
        new Route("GET", ONE + "/compare", Scope.TRAINING, this::compare),
        new Route("POST", ONE + "/restore", Scope.TRAINING, this::restore));
  }

  private ModelLine line(Exchange exchange) {
    return models.line(exchange.caller().tenant(), exchange.parameter("model"));
  }

  private ModelVersion version(ModelLine line, String named) {
    String text = named.substring(named.lastIndexOf('@') + 1);
    boolean isOwn = named.length() == text.length() || named.equals(line.model() + "@" + text);
    if (!isOwn || !NUMBER.matcher(text).matches()) {
      throw ApiException.notFound(null, "There is no version '" + named + "'; they are v1, v2 …");
    }
    int number = Integer.parseInt(text.replace("v", ""));
    return models
        .versions()
        .find(line, number)
        .orElseThrow(
            () -> ApiException.notFound(null, "'" + line.model() + "' has no version " + number));
  }

  private ModelVersion live(ModelLine line) {
    return models
        .versions()
        .live(line)
        .orElseThrow(
            () ->
                ApiException.notFound(
                    null, "'" + line.model() + "' has no versions: it has never learned"));
  }

  private static ObjectNode json(ModelVersion version, int live) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", version.name());
    json.put("object", "model.version");
    json.put("model", version.model());
    json.put("version", version.number());
    json.put("parent", version.parent() == 0 ? null : version.model() + "@v" + version.parent());
    json.put("created_at", version.created().getEpochSecond());
    json.put("state", version.state().word());
    json.put("live", version.number() == live);
    json.put("reason", version.reason());
    json.set("report", version.report() == null ? null : LearnerStore.parsed(version.report()));
    return json;
  }

  private void list(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    exchange.refuseOtherQueries();
    int live = models.versions().live(line).map(ModelVersion::number).orElse(0);
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("object", "list");
    ArrayNode data = body.putArray("data");
    models.versions().list(line).forEach(version -> data.add(json(version, live)));
    body.put("has_more", false);
    exchange.answer(body);
  }

  private void get(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    exchange.refuseOtherQueries();
    ModelVersion version = version(line, exchange.parameter("version"));
    exchange.answer(json(version, live(line).number()));
  }

  private static ModelVersion whole(ModelVersion version) {
    if (!version.state().isWhole()) {
      throw ApiException.conflict(
          version.name() + " is " + version.state().word() + ": it has no files to open");
    }
    return version;
  }

  private void restore(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    ModelVersion version = whole(version(line, exchange.parameter("version")));
    ModelVersion live = live(line);
    if (version.number() != live.number()
        && !learner.replace(line, live, version, ModelVersion.State.READY, null)) {
      throw ApiException.conflict(
          "The versions of '" + line.model() + "' have changed in this moment; look again");
    }
    exchange.answer(json(version(line, "v" + version.number()), version.number()));
  }

  /** Two versions on the rows by which candidates are measured today. */
  private void compare(Exchange exchange) throws IOException {
    ModelLine line = line(exchange);
    ModelVersion one = whole(version(line, exchange.parameter("version")));
    String named = exchange.query("with");
    exchange.refuseOtherQueries();
    if (named == null) {
      throw ApiException.badRequest("with", "'with' is missing: the version to compare with");
    }
    ModelVersion other = whole(version(line, named));
    String data =
        store
            .find(line)
            .orElseThrow(
                () ->
                    ApiException.conflict(
                        "'" + line.model() + "' has no learner, and so no rows to measure on"))
            .old()
            .data();
    if (!comparisons.tryAcquire()) {
      throw ApiException.busy(
          MOST_COMPARISONS + " comparisons are being made, which is all at a time; ask again", 5);
    }
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    try {
      HeldOutGate gate = learner.gate(line, data);
      Path base = models.baseOf(line.original());
      body.put("object", "model.version.comparison");
      body.set("old", sideBySide(gate.old(), base, one, other));
      body.set("new", sideBySide(gate.recent(), base, one, other));
    } finally {
      comparisons.release();
    }
    exchange.answer(body);
  }

  private ObjectNode sideBySide(
      List<LabelledText> rows, Path base, ModelVersion one, ModelVersion other) {
    List<String> first = judge.labels(one.folder(), base, rows);
    List<String> second = judge.labels(other.folder(), base, rows);
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("rows", rows.size());
    ObjectNode accuracy = json.putObject("accuracy");
    accuracy.put(one.name(), accuracy(rows, first));
    accuracy.put(other.name(), accuracy(rows, second));
    ArrayNode differing = JsonNodeFactory.instance.arrayNode();
    int count = 0;
    for (int i = 0; i < rows.size(); i++) {
      if (!first.get(i).equals(second.get(i)) && count++ < MOST_DIFFERENCES) {
        ObjectNode row = differing.addObject();
        row.put("input", rows.get(i).text());
        if (rows.get(i).pair() != null) {
          row.put("pair", rows.get(i).pair());
        }
        row.put("label", rows.get(i).label());
        row.put(one.name(), first.get(i));
        row.put(other.name(), second.get(i));
      }
    }
    json.put("differing_rows", count);
    json.set("differing", differing);
    return json;
  }

  private static Double accuracy(List<LabelledText> rows, List<String> said) {
    long right = 0;
    for (int i = 0; i < rows.size(); i++) {
      right += rows.get(i).label().equals(said.get(i)) ? 1 : 0;
    }
    return rows.isEmpty() ? null : (Double) ((double) right / rows.size());
  }
}
