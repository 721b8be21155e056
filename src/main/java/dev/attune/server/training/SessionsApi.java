package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.AdapterTraining;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.LongTexts;
import dev.attune.server.http.Page;
import dev.attune.server.http.Route;
import dev.attune.server.http.Shares;
import dev.attune.server.training.CallBook.Submission;
import java.io.IOException;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/** {@code /v1/training/sessions}: gradients, updates, samples and states, each on request. */
public final class SessionsApi {
  private static final String SESSIONS = "/v1/training/sessions";
  private static final String SESSION = SESSIONS + "/{session}";

  /** Each holds a thread; who finds none free asks again. */
  private static final int MOST_WAITING = 128;

  private static final int MOST_WAIT_SECONDS = 60;
  private static final long LOOK_MILLIS = 1000;
  private static final long OPEN_MILLIS = 60_000;
  private static final int MOST_KEY = 256;

  private final Sessions sessions;
  private final Works works;
  private final Shares waits = new Shares(MOST_WAITING);

  /** Over all sessions. */
  public SessionsApi(Sessions sessions) {
    this.sessions = sessions;
    this.works = sessions.works();
  }

  /** What it answers. */
  public List<Route> routes() {
    List<Route> routes =
        new ArrayList<>(
            List.of(
                new Route("POST", SESSIONS, Scope.TRAINING, this::create),
                new Route("GET", SESSIONS, Scope.TRAINING, this::list),
                new Route("GET", SESSION, Scope.TRAINING, this::retrieve),
                new Route("DELETE", SESSION, Scope.TRAINING, this::delete),
                new Route("POST", SESSION + "/resume", Scope.TRAINING, this::resume),
                new Route("POST", SESSION + "/encode", Scope.TRAINING, this::encode),
                new Route("POST", SESSION + "/decode", Scope.TRAINING, this::decode),
                new Route("GET", SESSION + "/requests/{request}", Scope.TRAINING, this::request),
                new Route("GET", SESSION + "/states", Scope.TRAINING, this::states),
                new Route("DELETE", SESSION + "/states/{state}", Scope.TRAINING, this::remove)));
    for (String kind : works.kinds()) {
      routes.add(new Route("POST", SESSION + "/" + kind, Scope.TRAINING, e -> submit(e, kind)));
    }
    return routes;
  }

  private Desk desk(Exchange exchange) {
    return sessions.desk(exchange.caller().tenant(), exchange.parameter("session"));
  }

  private ObjectNode json(Desk desk) {
    return desk.toJson(sessions.idleSeconds());
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private void create(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    SessionRequest request = SessionRequest.of(exchange.body());
    exchange.answer(json(sessions.create(exchange.caller().tenant(), request)));
  }

  private void list(Exchange exchange) throws IOException {
    Page page = Page.of(exchange, 20, 100);
    exchange.refuseOtherQueries();
    List<Desk> found = sessions.list(exchange.caller().tenant(), page);
    exchange.answer(page.answer(found, desk -> desk.session().id(), this::json));
  }

  private void retrieve(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    exchange.answer(json(desk(exchange)));
  }

  private void delete(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Desk desk = desk(exchange);
    sessions.delete(desk);
    exchange.answer(
        object()
            .put("id", desk.session().id())
            .put("object", "training.session")
            .put("deleted", true));
  }

  private void resume(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    Desk desk = desk(exchange);
    desk.resume();
    exchange.answer(json(desk));
  }

  private void submit(Exchange exchange, String kind) throws IOException, InterruptedException {
    long waitMillis = waitMillis(exchange);
    Desk desk = desk(exchange);
    Fields body = exchange.body();
    Long sequence = body.integer("sequence", 1, Long.MAX_VALUE);
    Works.Asked asked = works.read(kind, body, desk.session());
    String digest = digest(kind, exchange.content().readAllBytes());
    Call call = desk.submit(new Submission(kind, sequence, key(exchange), digest, asked));
    await(exchange, call, waitMillis);
    boolean isOver = call.isOver();
    exchange.answer(isOver ? 200 : 202, call.toJson());
  }

  private static String key(Exchange exchange) {
    String key = exchange.header("Idempotency-Key");
    if (key != null && (key.isBlank() || key.length() > MOST_KEY)) {
      throw ApiException.badRequest(
          null, "The header Idempotency-Key has 1 to " + MOST_KEY + " letters");
    }
    return key;
  }

  private static String digest(String kind, byte[] body) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update((kind + "\n").getBytes(java.nio.charset.StandardCharsets.UTF_8));
      return HexFormat.of().formatHex(digest.digest(body));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /** How long the client would wait: {@code wait=true}, or {@code wait_seconds=N}. */
  private static long waitMillis(Exchange exchange) {
    String waits = exchange.queryWord("wait", "false", List.of("true", "false"));
    int usual = waits.equals("true") ? MOST_WAIT_SECONDS : 0;
    int seconds = exchange.queryInteger("wait_seconds", usual, 0, MOST_WAIT_SECONDS);
    exchange.refuseOtherQueries();
    return seconds * 1000L;
  }

  private void await(Exchange exchange, Call call, long millis) throws InterruptedException {
    String tenant = exchange.caller().tenant();
    if (millis == 0 || call.isOver() || !waits.tryAcquire(tenant)) {
      return;
    }
    try {
      long until = System.nanoTime() + millis * 1_000_000;
      for (long left = millis; left > 0; left = (until - System.nanoTime()) / 1_000_000) {
        if (call.await(Math.min(left, LOOK_MILLIS))
            || exchange.serverEnds()
            || exchange.clientIsGone()) {
          return;
        }
        exchange.checkCaller();
      }
    } finally {
      waits.release(tenant);
    }
  }

  private void request(Exchange exchange) throws IOException, InterruptedException {
    long waitMillis = waitMillis(exchange);
    Call call = desk(exchange).call(exchange.parameter("request"));
    await(exchange, call, waitMillis);
    exchange.answer(call.toJson());
  }

  private void states(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    ObjectNode json = object().put("object", "list");
    ArrayNode data = json.putArray("data");
    sessions.states(desk(exchange)).forEach(state -> data.add(state.toJson()));
    exchange.answer(json);
  }

  private void remove(Exchange exchange) throws IOException {
    exchange.refuseOtherQueries();
    String name = exchange.parameter("state");
    desk(exchange).removeState(name);
    exchange.answer(
        object().put("name", name).put("object", "training.state").put("deleted", true));
  }

  private void encode(Exchange exchange) throws IOException, InterruptedException {
    exchange.refuseOtherQueries();
    Desk desk = desk(exchange);
    Fields body = exchange.body();
    String text = body.requiredText("text");
    body.refuseOthers();
    int most = desk.session().length();
    LongTexts.checkLetters("text", most, text);
    ObjectNode json = object();
    withModel(
        exchange,
        desk,
        model -> {
          LongTexts.of(exchange, "text", most, piece -> model.encode(piece).length).check(text);
          Works.ids(json.putArray("tokens"), model.encode(text));
        });
    exchange.answer(json);
  }

  private void decode(Exchange exchange) throws IOException, InterruptedException {
    exchange.refuseOtherQueries();
    Desk desk = desk(exchange);
    Fields body = exchange.body();
    int[] tokens = body.integers("tokens", 0, desk.session().vocabulary() - 1);
    if (tokens == null) {
      throw ApiException.badRequest("tokens", "'tokens' is missing");
    }
    body.refuseOthers();
    ObjectNode json = object();
    withModel(exchange, desk, model -> json.put("text", model.decode(tokens)));
    exchange.answer(json);
  }

  /** What is done with an open model. */
  @FunctionalInterface
  private interface Use {
    void of(AdapterTraining model) throws IOException;
  }

  /** Does something as soon as the model is open, as one of those that hold a thread meanwhile. */
  private void withModel(Exchange exchange, Desk desk, Use use)
      throws IOException, InterruptedException {
    String tenant = exchange.caller().tenant();
    if (!waits.tryAcquire(tenant)) {
      throw ApiException.busy("As many requests wait as may; ask again");
    }
    try {
      use.of(opened(exchange, desk));
    } finally {
      waits.release(tenant);
    }
  }

  private static AdapterTraining opened(Exchange exchange, Desk desk) throws InterruptedException {
    long until = System.nanoTime() + OPEN_MILLIS * 1_000_000;
    AdapterTraining model = desk.opened(LOOK_MILLIS);
    while (model == null) {
      if (System.nanoTime() > until || exchange.serverEnds() || exchange.clientIsGone()) {
        throw ApiException.busy("The session's model is not open now; ask again");
      }
      exchange.checkCaller();
      model = desk.opened(LOOK_MILLIS);
    }
    return model;
  }
}
