package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
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
import dev.attune.task.Prediction;
import dev.attune.task.TokenClassification;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.eclipse.jetty.io.EofException;

/**
 * Labels of texts and of their words: {@code /v1/classifications}, which is this server's own, in
 * the shape of OpenAI's moderations.
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
    List<JsonNode> inputs = inputs(body);
    boolean truncates = body.flag("truncate", false);
    body.any("user");
    body.refuseOthers();
    try (ModelPool.LabelLease lease = pool.labels(model)) {
      HeadModel open = lease.model();
      JudgedTexts texts =
          open.task().type().isKindOf(TokenClassification.TYPE)
              ? TaggedTexts.of(inputs)
              : LabelledTexts.of(inputs);
      check(exchange, open, texts, truncates);
      List<Example> rows = texts.rows();
      HeadModel.TokenCount tokens = count(open, rows);
      if (tokens.dropped() > 0 && !truncates) {
        throw tooLong(open, rows);
      }
      List<Prediction> said =
          rows.isEmpty() ? List.of() : Waiting.on(lease.batcher().ask(rows), exchange);
      ObjectNode answer = JsonNodeFactory.instance.objectNode();
      answer.put("id", Ids.next("clsf-"));
      answer.put("object", "list");
      answer.put("model", model.id());
      answer.put("task", open.task().name());
      texts.tell(said, answer.putArray("results"));
      ObjectNode usage = Usage.of(tokens.read());
      usage.put("truncated_tokens", tokens.dropped());
      answer.set("usage", usage);
      exchange.answer(answer);
    }
  }

  /** A text, or texts; each may be of several strings. */
  private static List<JsonNode> inputs(Fields body) {
    JsonNode input = body.any("input");
    if (input == null) {
      throw ApiException.badRequest("input", "'input' is missing");
    }
    List<JsonNode> inputs = new ArrayList<>();
    if (input.isTextual()) {
      inputs.add(input);
    } else if (input.isArray()) {
      input.forEach(inputs::add);
    }
    if (inputs.isEmpty() || inputs.size() > MOST_TEXTS) {
      throw ApiException.badRequest(
          "input",
          "'input' must be a string, or an array of 1 to "
              + MOST_TEXTS
              + " strings, pairs of strings, or arrays of words");
    }
    return inputs;
  }

  /** Looks at long texts before they are tokenised. */
  private static void check(
      Exchange exchange, HeadModel model, JudgedTexts judged, boolean truncates)
      throws EofException {
    LongTexts texts =
        LongTexts.of(
            exchange,
            "input",
            model.maxLength(),
            piece -> {
              HeadModel.TokenCount tokens = count(model, judged.rows(piece));
              return (int) (tokens.read() + tokens.dropped());
            });
    for (String text : judged.texts()) {
      if (truncates) {
        texts.checkCut(text);
      } else {
        texts.check(text);
      }
    }
  }

  private static HeadModel.TokenCount count(HeadModel model, List<Example> rows) {
    return rows.isEmpty() ? new HeadModel.TokenCount(0, 0) : model.count(new Dataset(SOURCE, rows));
  }

  private static ApiException tooLong(HeadModel model, List<Example> rows) {
    for (Example row : rows) {
      HeadModel.TokenCount tokens = count(model, List.of(row));
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
}
