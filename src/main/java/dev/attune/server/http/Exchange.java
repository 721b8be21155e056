package dev.attune.server.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;

/** One request and its answer. One thread uses it. */
public final class Exchange {
  /** Of a body that is read whole. Files go another way. */
  private static final long MOST_BODY_BYTES = 16L << 20;

  private static final int MOST_DEPTH = 100;

  private static final ObjectMapper JSON =
      JsonMapper.builder(
              com.fasterxml.jackson.core.JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder().maxNestingDepth(MOST_DEPTH).build())
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final Request request;
  private final Response response;
  private final Map<String, String> parameters;
  private final Caller caller;
  private final String id;
  private final org.eclipse.jetty.util.Fields query;
  private final Set<String> asked = new HashSet<>();

  Exchange(
      Request request,
      Response response,
      Map<String, String> parameters,
      Caller caller,
      String id) {
    this.request = request;
    this.response = response;
    this.parameters = parameters;
    this.caller = caller;
    this.id = id;
    this.query = Request.extractQueryParameters(request);
  }

  /** Of this request, in the log and in the header {@code x-request-id}. */
  public String id() {
    return id;
  }

  /** Who asks. */
  public Caller caller() {
    return caller;
  }

  /** What stands in the path where the route has {@code {name}}. */
  public String parameter(String name) {
    return parameters.get(name);
  }

  /** A header; null where it is absent. */
  public String header(String name) {
    return request.getHeaders().get(name);
  }

  /** For what reads the body itself: multipart forms. */
  public Request request() {
    return request;
  }

  /** A value of the query; null where it is absent. */
  public String query(String name) {
    asked.add(name);
    return query.getValue(name);
  }

  /** A whole number of the query. */
  public int queryInteger(String name, int fallback, int least, int most) {
    String text = query(name);
    if (text == null) {
      return fallback;
    }
    try {
      int value = Integer.parseInt(text);
      if (value >= least && value <= most) {
        return value;
      }
    } catch (NumberFormatException e) {
      // said below
    }
    throw ApiException.badRequest(
        name, "'" + name + "' is '" + text + "'; it must be from " + least + " to " + most);
  }

  /** Values of the query whose names begin and end so, by what is between: {@code metadata[k]}. */
  public Map<String, String> queryMap(String begin, String end) {
    Map<String, String> values = new java.util.TreeMap<>();
    for (String name : query.getNames()) {
      if (name.startsWith(begin) && name.endsWith(end)) {
        asked.add(name);
        values.put(
            name.substring(begin.length(), name.length() - end.length()), query.getValue(name));
      }
    }
    return values;
  }

  /** Refuses names in the query that nobody read. */
  public void refuseOtherQueries() {
    Set<String> unknown = new TreeSet<>(query.getNames());
    unknown.removeAll(asked);
    if (!unknown.isEmpty()) {
      String first = unknown.iterator().next();
      throw ApiException.unsupported(
          first, "not supported in this query: " + String.join(", ", unknown));
    }
  }

  /** The body as a JSON object. */
  public Fields body() throws IOException {
    byte[] bytes = content().readNBytes((int) MOST_BODY_BYTES + 1);
    if (bytes.length > MOST_BODY_BYTES) {
      throw ApiException.tooLarge(
          "The body is larger than " + MOST_BODY_BYTES + " bytes, the most of a JSON request");
    }
    JsonNode json;
    try {
      json = JSON.readTree(bytes);
    } catch (JsonProcessingException e) {
      throw ApiException.badRequest(null, "The body is no JSON: " + e.getOriginalMessage());
    }
    if (!(json instanceof ObjectNode object)) {
      throw ApiException.badRequest(null, "The body is no JSON object");
    }
    return Fields.of(object);
  }

  /** The body as it comes. */
  public InputStream content() {
    return Content.Source.asInputStream(request);
  }

  /** Puts a header into the answer, before its body. */
  public void putHeader(String name, String value) {
    response.getHeaders().put(new HttpField(name, value));
  }

  /** Answers with JSON. */
  public void answer(JsonNode body) throws IOException {
    answer(200, body);
  }

  /** Answers with JSON. */
  public void answer(int status, JsonNode body) throws IOException {
    answer(status, "application/json", JSON.writeValueAsBytes(body));
  }

  /** Answers with bytes. */
  public void answer(int status, String type, byte[] body) throws IOException {
    try (OutputStream out = open(status, type, body.length)) {
      out.write(body);
    }
  }

  /** Answers with a file's bytes. */
  public void answer(Path file, String type) throws IOException {
    try (InputStream in = Files.newInputStream(file);
        OutputStream out = open(200, type, Files.size(file))) {
      in.transferTo(out);
    }
  }

  private OutputStream open(int status, String type, long length) {
    response.setStatus(status);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, type);
    response.getHeaders().put(HttpHeader.CONTENT_LENGTH, length);
    return Content.Sink.asOutputStream(response);
  }

  /** Answers with server-sent events, one after another; the caller closes them. */
  public EventStream events() {
    response.setStatus(200);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-cache");
    return new EventStream(Content.Sink.asOutputStream(response));
  }
}
