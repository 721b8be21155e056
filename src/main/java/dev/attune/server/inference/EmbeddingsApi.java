package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.EncodedDataset;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.run.TextEncoder;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.LongTexts;
import dev.attune.server.http.Route;
import dev.attune.server.inference.ModelOpener.VectorText;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import org.eclipse.jetty.io.EofException;

/** Makes vectors of texts: {@code /v1/embeddings}. */
public final class EmbeddingsApi {
  private static final Path SOURCE = Path.of("input");

  private final ModelCatalog catalog;
  private final ModelPool pool;

  public EmbeddingsApi(ModelCatalog catalog, ModelPool pool) {
    this.catalog = catalog;
    this.pool = pool;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(new Route("POST", "/v1/embeddings", Scope.INFERENCE, this::answer));
  }

  private void answer(Exchange exchange) throws Exception {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    ServedModel model = catalog.find(exchange.caller().tenant(), body.requiredText("model"));
    JsonNode given = body.any("input");
    if (given == null) {
      throw ApiException.badRequest("input", "'input' is missing");
    }
    List<TextInput> inputs = TextInput.of("input", given);
    Long dimensions = body.integer("dimensions", 1, Integer.MAX_VALUE);
    boolean isBase64 =
        body.word("encoding_format", "float", List.of("float", "base64")).equals("base64");
    body.any("user");
    body.refuseOthers();
    try (ModelPool.VectorLease lease = pool.vectors(model)) {
      TextEncoder encoder = lease.model();
      LongTexts looked =
          LongTexts.of(exchange, "input", encoder.maxLength(), text -> count(encoder, text));
      List<VectorText> texts = texts(encoder, model, inputs, dimensions, looked);
      List<float[]> vectors = Waiting.on(lease.batcher().ask(texts), exchange);
      ObjectNode answer = JsonNodeFactory.instance.objectNode();
      answer.put("object", "list");
      ArrayNode data = answer.putArray("data");
      for (float[] vector : vectors) {
        ObjectNode one = data.addObject();
        one.put("object", "embedding");
        one.put("index", data.size() - 1);
        if (isBase64) {
          one.put("embedding", base64(vector));
        } else {
          ArrayNode numbers = one.putArray("embedding");
          for (float number : vector) {
            numbers.add(number);
          }
        }
      }
      answer.put("model", model.id());
      answer.set("usage", Usage.of(texts.stream().mapToLong(text -> text.ids().length).sum()));
      exchange.answer(answer);
    }
  }

  /** Of the bytes of f32, the least first, as OpenAI's clients read it. */
  private static String base64(float[] vector) {
    ByteBuffer bytes =
        ByteBuffer.allocate(vector.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(vector);
    return Base64.getEncoder().encodeToString(bytes.array());
  }

  private static List<VectorText> texts(
      TextEncoder encoder,
      ServedModel model,
      List<TextInput> inputs,
      Long dimensions,
      LongTexts looked)
      throws EofException {
    if (dimensions != null && dimensions > encoder.width()) {
      throw ApiException.badRequest(
          "dimensions",
          "'dimensions' is "
              + dimensions
              + "; vectors of '"
              + model.id()
              + "' have "
              + encoder.width());
    }
    // As OpenAI: a vector that was cut is a unit vector again.
    TextEncoder.Wanted wanted =
        dimensions == null
            ? TextEncoder.Wanted.PLAIN
            : new TextEncoder.Wanted(null, (int) (long) dimensions, true);
    List<VectorText> texts = new ArrayList<>();
    for (TextInput input : inputs) {
      int[] ids = input.tokens();
      int dropped = 0;
      input.check("input", encoder.vocabularySize());
      if (ids == null) {
        if (input.text().isEmpty()) {
          throw ApiException.badRequest("input", "'input' has an empty text");
        }
        looked.check(input.text());
        EncodedDataset encoded = encoder.encode(dataset(input.text()), null);
        ids = new int[encoded.tokens()];
        encoded.ids().copy(0, ids, 0, ids.length);
        dropped = (int) encoded.droppedTokens();
      }
      int length = ids.length + dropped;
      if (length > encoder.maxLength()) {
        throw ApiException.contextLength(
            "input",
            "This model reads "
                + encoder.maxLength()
                + " tokens at most; a text of 'input' has "
                + length);
      }
      texts.add(new VectorText(ids, wanted));
    }
    return texts;
  }

  private static int count(TextEncoder encoder, String text) {
    EncodedDataset encoded = encoder.encode(dataset(text), null);
    return (int) (encoded.tokens() + encoded.droppedTokens());
  }

  private static Dataset dataset(String text) {
    return new Dataset(SOURCE, List.of(new Example(1, text, null, null, null, null, Map.of())));
  }
}
