package dev.attune.server.http;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.function.Function;

/**
 * A part of a list that a client asks for by {@code after} and {@code limit}.
 *
 * @param after the id of the last element that it has; null: from the first
 * @param limit how many at most
 */
public record Page(String after, int limit) {
  /** The one that a request asks for. */
  public static Page of(Exchange exchange, int usual, int most) {
    return new Page(exchange.query("after"), exchange.queryInteger("limit", usual, 1, most));
  }

  /**
   * The answer, as OpenAI has lists.
   *
   * @param elements of this page, and one more where there are more
   */
  public <T> ObjectNode answer(
      List<T> elements, Function<T, String> id, Function<T, ObjectNode> json) {
    boolean hasMore = elements.size() > limit;
    List<T> shown = hasMore ? elements.subList(0, limit) : elements;
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("object", "list");
    ArrayNode data = body.putArray("data");
    shown.forEach(element -> data.add(json.apply(element)));
    body.put("first_id", shown.isEmpty() ? null : id.apply(shown.get(0)));
    body.put("last_id", shown.isEmpty() ? null : id.apply(shown.get(shown.size() - 1)));
    body.put("has_more", hasMore);
    return body;
  }
}
