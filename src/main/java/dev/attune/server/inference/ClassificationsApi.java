package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.run.HeadModel;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Ids;
import dev.attune.server.http.LongTexts;
import dev.attune.server.http.Route;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import dev.attune.task.Classification;
import dev.attune.task.MultiLabelClassification;
import dev.attune.task.Prediction;
import dev.attune.task.Regression;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.io.EofException;

/**
 * Labels of texts: {@code /v1/classifications}, which is this server's own, in the shape of
 * OpenAI's moderations.
 */
public final class ClassificationsApi {
  private static final Path SOURCE = Path.of("input");
  private static final int MOST_TEXTS = 2048;

  private final ModelCatalog catalog;
  private final ModelPool pool;

  public ClassificationsApi(ModelCatalog catalog, ModelPool pool) {
    this.catalog = catalog;
    this.pool = pool;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(new Route("POST", "/v1/classifications", Scope.INFERENCE, this::answer));
  }

  private void answer(Exchange exchange) throws Exception {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    ServedModel model = catalog.find(exchange.caller().tenant(), body.requiredText("model"));
    List<Example> rows = rows(body);
    boolean truncates = body.flag("truncate", false);
    body.any("user");
    body.refuseOthers();
    try (ModelPool.LabelLease lease = pool.labels(model)) {
      check(exchange, lease.model(), rows, truncates);
      HeadModel.TokenCount tokens = lease.model().count(new Dataset(SOURCE, rows));
      if (tokens.dropped() > 0 && !truncates) {
        throw tooLong(lease.model(), rows);
      }
      List<Prediction> predictions = Waiting.on(lease.batcher().ask(rows), exchange);
      ObjectNode answer = JsonNodeFactory.instance.objectNode();
      answer.put("id", Ids.next("clsf-"));
      answer.put("object", "list");
      answer.put("model", model.id());
      answer.put("task", lease.model().task().name());
      ArrayNode results = answer.putArray("results");
      predictions.forEach(prediction -> results.add(result(prediction, results.size())));
      ObjectNode usage = Usage.of(tokens.read());
      usage.put("truncated_tokens", tokens.dropped());
      answer.set("usage", usage);
      exchange.answer(answer);
    }
  }

  /** A text, or texts; each may be a pair. */
  private static List<Example> rows(Fields body) {
    JsonNode input = body.any("input");
    if (input == null) {
      throw ApiException.badRequest("input", "'input' is missing");
    }
    List<Example> rows = new ArrayList<>();
    if (input.isTextual()) {
      rows.add(row(input, null, 1));
    } else if (input.isArray()) {
      for (JsonNode one : input) {
        boolean isPair = one.isArray() && one.size() == 2;
        rows.add(
            isPair
                ? row(one.get(0), one.get(1), rows.size() + 1)
                : row(one, null, rows.size() + 1));
      }
    }
    if (rows.isEmpty() || rows.size() > MOST_TEXTS) {
      throw ApiException.badRequest(
          "input",
          "'input' must be a string, or an array of 1 to "
              + MOST_TEXTS
              + " strings or pairs of strings");
    }
    return rows;
  }

  private static Example row(JsonNode text, JsonNode pair, int number) {
    if (!text.isTextual() || pair != null && !pair.isTextual()) {
      throw ApiException.badRequest(
          "input", "'input' has " + text.getNodeType() + " where a string must be");
    }
    return new Example(
        number,
        text.textValue(),
        pair == null ? null : pair.textValue(),
        null,
        null,
        null,
        Map.of());
  }

  /** Looks at long texts before they are tokenised. */
  private static void check(
      Exchange exchange, HeadModel model, List<Example> rows, boolean truncates)
      throws EofException {
    LongTexts texts =
        LongTexts.of(exchange, "input", model.maxLength(), text -> count(model, text));
    for (Example row : rows) {
      for (String text : Arrays.asList(row.text(), row.textPair())) {
        if (text != null && truncates) {
          texts.checkCut(text);
        } else if (text != null) {
          texts.check(text);
        }
      }
    }
  }

  private static int count(HeadModel model, String text) {
    Example row = new Example(1, text, null, null, null, null, Map.of());
    HeadModel.TokenCount tokens = model.count(new Dataset(SOURCE, List.of(row)));
    return (int) (tokens.read() + tokens.dropped());
  }

  private static ApiException tooLong(HeadModel model, List<Example> rows) {
    for (Example row : rows) {
      HeadModel.TokenCount tokens = model.count(new Dataset(SOURCE, List.of(row)));
      if (tokens.dropped() > 0) {
        return ApiException.contextLength(
            "input",
            "This model reads "
                + model.maxLength()
                + " tokens at most; text "
                + row.row()
                + " of 'input' has "
                + (tokens.read() + tokens.dropped())
                + ". Give a shorter text, or \"truncate\": true to have it cut");
      }
    }
    throw new IllegalStateException("no text is too long by itself");
  }

  /** What a model says of a text. */
  private static ObjectNode result(Prediction prediction, int index) {
    ObjectNode result = JsonNodeFactory.instance.objectNode();
    result.put("index", index);
    if (prediction instanceof Classification.Predicted one) {
      result.put("label", one.label());
      result.put("score", one.score());
      put(result, one.scores());
    } else if (prediction instanceof MultiLabelClassification.Predicted several) {
      result.put("flagged", !several.labels().isEmpty());
      ArrayNode labels = result.putArray("labels");
      several.labels().forEach(labels::add);
      put(result, several.scores());
    } else if (prediction instanceof Regression.Predicted number) {
      result.put("value", number.score());
    } else {
      prediction.write(result); // as a row of the command line's predictions
    }
    return result;
  }

  private static void put(ObjectNode result, Map<String, Double> scores) {
    ObjectNode all = result.putObject("scores");
    scores.forEach(all::put);
  }
}
