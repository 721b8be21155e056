package dev.attune.server.http;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Check;
import java.io.ByteArrayInputStream;
import java.io.CharConversionException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.System.Logger.Level;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.BooleanSupplier;
import org.eclipse.jetty.http.HttpField;
import org.eclipse.jetty.http.HttpHeader;
import org.eclipse.jetty.io.ByteBufferPool;
import org.eclipse.jetty.io.Connection;
import org.eclipse.jetty.io.Content;
import org.eclipse.jetty.io.EofException;
import org.eclipse.jetty.server.Request;
import org.eclipse.jetty.server.Response;
import org.eclipse.jetty.util.IO;

/**
 * One request and its answer. One thread at a time uses it. An answer is sent when the handler has
 * returned, by no thread of its own; only a stream of events goes out as it is written.
 */
public final class Exchange {
  private static final System.Logger LOG = System.getLogger("dev.attune.server");
  private static final int MOST_DEPTH = 100;

  /** What is made of a body takes as much for a token of two bytes as for a long one. */
  private static final long MOST_TOKENS = 1_500_000;

  private static final int PIECE_BYTES = 1 << 16;
  private static final int PROBE_BYTES = 1 << 12;
  private static final long LOOK_NANOS = 400_000_000;

  private static final ObjectMapper JSON =
      JsonMapper.builder(
              com.fasterxml.jackson.core.JsonFactory.builder()
                  .streamReadConstraints(
                      StreamReadConstraints.builder()
                          .maxNestingDepth(MOST_DEPTH)
                          .maxTokenCount(MOST_TOKENS)
                          .build())
                  .build())
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final Request request;
  private final Response response;
  private final Map<String, String> parameters;
  private final Caller caller;
  private final String id;
  private final Surroundings around;
  private final Set<String> asked = new HashSet<>();
  private byte[] body = {};
  private org.eclipse.jetty.util.Fields query; // null: nobody has asked for it
  private EventStream events; // null: there are none
  private Answer answer; // null: there is none yet
  private long lookedNanos = System.nanoTime(); // whether the caller may still be here
  private boolean hasNext; // something of the client's next request

  /**
   * What is to be sent.
   *
   * @param length of it in bytes
   */
  record Answer(int status, String type, long length, Content.Source content) {}

  /**
   * What it can know of the server.
   *
   * @param serverEnds whether it is about to end
   * @param admits whether the caller would still be let in
   * @param patienceMillis for which a thread waits in any case for a client that does not read
   */
  record Surroundings(BooleanSupplier serverEnds, BooleanSupplier admits, long patienceMillis) {}

  Exchange(
      Request request,
      Response response,
      Map<String, String> parameters,
      Caller caller,
      String id,
      Surroundings around) {
    this.request = request;
    this.response = response;
    this.parameters = parameters;
    this.caller = caller;
    this.id = id;
    this.around = around;
  }

  private org.eclipse.jetty.util.Fields query() {
    try {
      if (query == null) {
        query = Request.extractQueryParameters(request);
      }
      return query;
    } catch (IllegalArgumentException e) { // of which errors of HTTP are a kind
      throw ApiException.badRequest(null, "The query is not percent-encoded UTF-8");
    }
  }

  void receive(byte[] whole) {
    body = whole;
  }

  Answer answer() {
    return answer;
  }

  EventStream stream() {
    return events;
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

  /** The bytes of the body as the client says; -1: it does not. */
  public long expectedBytes() {
    return request.getLength();
  }

  /**
   * Whether the client has hung up: who works long for it asks now and then. The body has been
   * read; what else has come is the client's next request, and is left to the connection.
   */
  public boolean clientIsGone() {
    Connection connection = request.getConnectionMetaData().getConnection();
    if (hasNext || !(connection instanceof Connection.UpgradeTo)) {
      return false;
    }
    ByteBuffer next = ByteBuffer.allocate(PROBE_BYTES).limit(0);
    try {
      int count = connection.getEndPoint().fill(next);
      if (count > 0) {
        hasNext = true;
        ((Connection.UpgradeTo) connection).onUpgradeTo(next);
      }
      return count < 0;
    } catch (IOException e) {
      return true;
    }
  }

  /**
   * Ends a request that takes long once its key opens nothing any more: who works for it calls this
   * now and then, about twice a second at least.
   *
   * @throws ApiException if the key has expired, or was revoked
   */
  public void checkCaller() {
    long now = System.nanoTime();
    if (caller != null && now - lookedNanos >= LOOK_NANOS) {
      lookedNanos = now;
      if (!around.admits.getAsBoolean()) {
        throw ApiException.unauthenticated(
            "This API key has expired, or was revoked, since the request was begun");
      }
    }
  }

  /** Whether the server is about to end: streams of events look at it now and then, and end too. */
  public boolean serverEnds() {
    return around.serverEnds.getAsBoolean();
  }

  /** A value of the query; null where it is absent. */
  public String query(String name) {
    asked.add(name);
    return query().getValue(name);
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

  /** One of some words of the query. */
  public String queryWord(String name, String fallback, List<String> allowed) {
    String word = query(name);
    if (word != null && !allowed.contains(word)) {
      throw ApiException.badRequest(
          name,
          "'" + name + "' is '" + word + "'; it must be one of " + String.join(", ", allowed));
    }
    return word == null ? fallback : word;
  }

  /** Values of the query whose names begin and end so, by what is between: {@code metadata[k]}. */
  public Map<String, String> queryMap(String begin, String end) {
    Map<String, String> values = new java.util.TreeMap<>();
    for (String name : query().getNames()) {
      if (name.startsWith(begin) && name.endsWith(end)) {
        asked.add(name);
        values.put(
            name.substring(begin.length(), name.length() - end.length()), query().getValue(name));
      }
    }
    return values;
  }

  /** Refuses names in the query that nobody read. */
  public void refuseOtherQueries() {
    Set<String> unknown = new TreeSet<>(query().getNames());
    unknown.removeAll(asked);
    if (!unknown.isEmpty()) {
      String first = unknown.iterator().next();
      throw ApiException.unsupported(
          first, "not supported in this query: " + String.join(", ", unknown));
    }
  }

  /** The body as a JSON object. */
  public Fields body() throws IOException {
    String type = header("Content-Type");
    if (type == null || !type.toLowerCase(Locale.ROOT).matches("application/json *(;.*)?")) {
      throw ApiException.badType(
          "The body has "
              + (type == null ? "no type" : "the type '" + type + "'")
              + "; this request takes application/json");
    }
    JsonNode json;
    try {
      json = JSON.readTree(body);
    } catch (JsonProcessingException e) {
      throw ApiException.badRequest(null, "The body is no JSON: " + JsonWords.of(e));
    } catch (CharConversionException e) {
      throw ApiException.badRequest(null, "The body is no UTF-8: " + e.getMessage());
    }
    if (!(json instanceof ObjectNode object)) {
      throw ApiException.badRequest(null, "The body is no JSON object");
    }
    return Fields.of(object);
  }

  /** The body as it came. */
  public InputStream content() {
    return new ByteArrayInputStream(body);
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
  public void answer(int status, String type, byte[] content) {
    answer(status, type, content.length, Content.Source.from(ByteBuffer.wrap(content)));
  }

  /** Answers with a file's bytes; if it is deleted meanwhile, they are sent nevertheless. */
  public void answer(Path file, String type) throws IOException {
    FileChannel channel = FileChannel.open(file, StandardOpenOption.READ);
    Request.addCompletionListener(request, ended -> IO.close(channel));
    ByteBufferPool.Sized buffers = new ByteBufferPool.Sized(null, false, PIECE_BYTES);
    answer(200, type, channel.size(), Content.Source.from(buffers, channel, 0, channel.size()));
  }

  private void answer(int status, String type, long length, Content.Source content) {
    Check.state(answer == null && events == null, "%s is answered already", id);
    answer = new Answer(status, type, length, content);
  }

  /** Answers with an error, in place of what was to be sent. */
  void refuse(ApiException reason) throws IOException {
    answer = null;
    if (reason.status() == 401) {
      putHeader("WWW-Authenticate", "Bearer");
    }
    if (reason.retryAfterSeconds() > 0) {
      putHeader("Retry-After", Integer.toString(reason.retryAfterSeconds()));
    } else if (reason.status() != 500) {
      putHeader("x-should-retry", "false"); // OpenAI's clients would, after 409, 429 and 5xx
    }
    answer(reason.status(), reason.toJson());
  }

  /** Answers with server-sent events, one after another; they end when the handler returns. */
  public EventStream events() {
    Check.state(answer == null && events == null, "%s is answered already", id);
    response.setStatus(200);
    response.getHeaders().put(HttpHeader.CONTENT_TYPE, "text/event-stream; charset=utf-8");
    response.getHeaders().put(HttpHeader.CACHE_CONTROL, "no-cache");
    events =
        new EventStream(
            Content.Sink.asOutputStream(response),
            this::checkCaller,
            new EventStream.Patience(
                request.getComponents().getScheduler(), around.patienceMillis, this::hangUp));
    return events;
  }

  private void hangUp() {
    LOG.log(Level.WARNING, id + ": the client does not read what it has asked for; it is let go");
    request
        .getConnectionMetaData()
        .getConnection()
        .getEndPoint()
        .close(new EofException("the client does not read"));
  }
}
