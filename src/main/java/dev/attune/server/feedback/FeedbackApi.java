package dev.attune.server.feedback;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Page;
import dev.attune.server.http.Route;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.server.models.ModelVersion;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/** {@code /v1/models/{model}/feedback}: what the model should have said. */
final class FeedbackApi {
  private static final String PATH = "/v1/models/{model}/feedback";
  private static final String KEY = "Idempotency-Key";
  private static final int MOST_CORRECTIONS = 1000;
  private static final int MOST_CHARACTERS = 100_000;
  private static final int MOST_KEY_CHARACTERS = 255;

  private final ModelCatalog models;
  private final Classifiers classifiers;
  private final CorrectionStore corrections;
  private final Learners learners;

  FeedbackApi(
      ModelCatalog models,
      Classifiers classifiers,
      CorrectionStore corrections,
      Learners learners) {
    this.models = models;
    this.classifiers = classifiers;
    this.corrections = corrections;
    this.learners = learners;
  }

  List<Route> routes() {
    return List.of(
        new Route("POST", PATH, Scope.TRAINING, this::add),
        new Route("GET", PATH, Scope.TRAINING, this::list));
  }

  private void add(Exchange exchange) throws IOException {
    ModelLine line = models.line(exchange.caller().tenant(), exchange.parameter("model"));
    classifiers.labels(line);
    Fields body = exchange.body();
    List<Fields> several = body.objects("corrections");
    List<LabelledText> rows = new ArrayList<>();
    if (several == null) {
      rows.add(row(line, "", body));
    } else {
      body.refuse("input", "'corrections' is there too");
      body.refuse("label", "'corrections' is there too");
      body.refuseOthers();
      if (several.isEmpty() || several.size() > MOST_CORRECTIONS) {
        throw ApiException.badRequest(
            "corrections",
            "'corrections' has "
                + several.size()
                + " elements; it must have 1 to "
                + MOST_CORRECTIONS);
      }
      for (int i = 0; i < several.size(); i++) {
        rows.add(row(line, "corrections[" + i + "].", several.get(i)));
      }
    }
    List<Correction> added = corrections.add(line, rows, key(exchange));
    learners.wake(line);
    long learned = learned(line);
    if (several == null) {
      exchange.answer(added.get(0).toJson(learned));
    } else {
      exchange.answer(
          new Page(null, MOST_CORRECTIONS)
              .answer(added, Correction::id, correction -> correction.toJson(learned)));
    }
  }

  private LabelledText row(ModelLine line, String place, Fields fields) {
    LabelledText row =
        new LabelledText(
            fields.requiredText("input"), fields.text("pair"), fields.requiredText("label"));
    fields.refuseOthers();
    check(place + "input", row.text());
    if (row.pair() != null) {
      check(place + "pair", row.pair());
    }
    classifiers.check(line, place + "label", row.label());
    return row;
  }

  private static void check(String param, String text) {
    if (text.isBlank() || text.length() > MOST_CHARACTERS) {
      throw ApiException.badRequest(
          param,
          "'"
              + param
              + "' has "
              + (text.isBlank() ? "no" : text.length())
              + " characters; it must have 1 to "
              + MOST_CHARACTERS);
    }
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw ApiException.badRequest(
          param, "'" + param + "' holds half a character (a surrogate without its other half)");
    }
  }

  private static String key(Exchange exchange) {
    String key = exchange.header(KEY);
    if (key != null && (key.isBlank() || key.length() > MOST_KEY_CHARACTERS)) {
      throw ApiException.badRequest(
          null, KEY + " must have 1 to " + MOST_KEY_CHARACTERS + " characters");
    }
    return key;
  }

  private long learned(ModelLine line) {
    return models.versions().live(line).map(ModelVersion::learned).orElse(0L);
  }

  private void list(Exchange exchange) throws IOException {
    ModelLine line = models.line(exchange.caller().tenant(), exchange.parameter("model"));
    Page page = Page.of(exchange, 20, 1000);
    exchange.refuseOtherQueries();
    long learned = learned(line);
    ObjectNode body =
        page.answer(
            corrections.list(line, page), Correction::id, correction -> correction.toJson(learned));
    exchange.answer(body);
  }
}
