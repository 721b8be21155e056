package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.generate.Finish;
import dev.attune.generate.GeneratedText;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.Prompt;
import dev.attune.generate.ScoredToken;
import dev.attune.run.GenerationService.Voice;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Caller.Scope;
import dev.attune.server.http.EventStream;
import dev.attune.server.http.Exchange;
import dev.attune.server.http.Fields;
import dev.attune.server.http.Ids;
import dev.attune.server.http.LongTexts;
import dev.attune.server.http.Route;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ServedModel;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.List;

/** Answers conversations: {@code /v1/chat/completions}. */
public final class ChatApi {
  private static final int MOST_LOGPROBS = 20;

  private final ModelCatalog catalog;
  private final ModelPool pool;
  private final TextMetrics metrics;

  public ChatApi(ModelCatalog catalog, ModelPool pool, TextMetrics metrics) {
    this.catalog = catalog;
    this.pool = pool;
    this.metrics = metrics;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(new Route("POST", "/v1/chat/completions", Scope.INFERENCE, this::answer));
  }

  /** A request as it was understood. */
  private record Asked(
      ServedModel model, Conversation conversation, TextFields fields, Integer topLogprobs) {}

  private Asked read(Exchange exchange) throws Exception {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    ServedModel model = catalog.find(exchange.caller().tenant(), body.requiredText("model"));
    TextFields fields = TextFields.of(body, maxTokens(body));
    Conversation conversation = Conversation.of(body);
    Integer topLogprobs = topLogprobs(body);
    refuse(body);
    body.refuseOthers();
    return new Asked(model, conversation, fields, topLogprobs);
  }

  private static Integer maxTokens(Fields body) {
    Long old = body.integer("max_tokens", 1, Integer.MAX_VALUE);
    Long now = body.integer("max_completion_tokens", 1, Integer.MAX_VALUE);
    if (old != null && now != null && !old.equals(now)) {
      throw ApiException.badRequest(
          "max_tokens",
          "'max_tokens' is " + old + " and 'max_completion_tokens' is " + now + "; give one");
    }
    Long given = now == null ? old : now;
    return given == null ? null : (int) (long) given;
  }

  private static Integer topLogprobs(Fields body) {
    boolean wanted = body.flag("logprobs", false);
    Long top = body.integer("top_logprobs", 0, MOST_LOGPROBS);
    if (top != null && !wanted) {
      throw ApiException.badRequest("top_logprobs", "'top_logprobs' needs 'logprobs' to be true");
    }
    return wanted ? Integer.valueOf(top == null ? 0 : (int) (long) top) : null;
  }

  private static void refuse(Fields body) {
    Fields format = body.object("response_format");
    if (format != null) {
      if (!"text".equals(format.text("type"))) {
        throw ApiException.unsupported(
            "response_format",
            "'response_format' is not supported but for {\"type\": \"text\"}: nothing here makes a"
                + " model keep to a grammar");
      }
      format.refuseOthers();
    }
    List<JsonNode> modalities = body.list("modalities");
    if (modalities != null
        && !(modalities.size() == 1 && "text".equals(modalities.get(0).asText()))) {
      throw ApiException.unsupported(
          "modalities", "'modalities' is not supported but for [\"text\"]");
    }
    body.refuse("audio", "models here write texts");
    body.refuse("prediction", "nothing is predicted");
    body.refuse("reasoning_effort", "models here have no such setting");
    body.refuse("verbosity", "models here have no such setting");
    body.refuse("web_search_options", "the server does not search the web");
    body.refuse("functions", "use 'tools'");
    body.refuse("function_call", "use 'tool_choice'");
  }

  private void answer(Exchange exchange) throws Exception {
    Asked asked = read(exchange);
    try (ModelPool.TextLease lease = pool.texts(asked.model)) {
      Voice voice = lease.voice();
      int context = voice.service().context();
      Prompt prompt =
          asked.conversation.prompt(
              voice, asked.model.id(), LongTexts.of(exchange, "messages", context, voice::tokens));
      GenerationOptions options =
          asked.fields.options(prompt, "messages", context, asked.topLogprobs);
      try (Choices choices =
          Choices.begin(
              exchange,
              voice,
              tokens -> metrics.text(asked.model, tokens),
              List.of(prompt),
              List.of(options),
              asked.fields.choices())) {
        if (asked.fields.isStream()) {
          stream(exchange, asked, prompt, choices);
        } else {
          exchange.answer(whole(asked, prompt, choices.all()));
        }
      }
    }
  }

  private static ObjectNode head(String id, Instant created, String object, ServedModel model) {
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("id", id);
    body.put("object", object);
    body.put("created", created.getEpochSecond());
    body.put("model", model.id());
    return body;
  }

  private static ObjectNode whole(Asked asked, Prompt prompt, List<GeneratedText> texts) {
    ObjectNode body = head(Ids.next("chatcmpl-"), Instant.now(), "chat.completion", asked.model);
    ArrayNode all = body.putArray("choices");
    for (GeneratedText text : texts) {
      ToolCalls calls =
          asked.conversation.hasTools() ? ToolCalls.in(text.text()) : ToolCalls.none(text.text());
      ObjectNode choice = all.addObject();
      choice.put("index", text.index());
      ObjectNode message = choice.putObject("message");
      message.put("role", "assistant");
      message.put("content", calls.isEmpty() || !calls.text().isEmpty() ? calls.text() : null);
      message.putNull("refusal");
      if (!calls.isEmpty()) {
        message.set("tool_calls", calls.toJson(false));
      }
      choice.set("logprobs", logprobs(asked, text.logprobs()));
      choice.put("finish_reason", calls.isEmpty() ? reason(text.finish()) : "tool_calls");
    }
    body.set("usage", Usage.of(prompt.ids().length, texts));
    return body;
  }

  static String reason(Finish finish) {
    return switch (finish) {
      case END, STOP -> "stop";
      case LENGTH, CONTEXT -> "length";
      case CANCELLED -> throw new IllegalStateException("a text that was cancelled is answered");
    };
  }

  /** Null where they were not asked for. */
  private static ObjectNode logprobs(Asked asked, List<ScoredToken> tokens) {
    if (asked.topLogprobs == null) {
      return null;
    }
    ObjectNode all = JsonNodeFactory.instance.objectNode();
    ArrayNode content = all.putArray("content");
    for (ScoredToken token : tokens) {
      ObjectNode one = content.addObject();
      put(one, token.text(), token.logprob());
      ArrayNode top = one.putArray("top_logprobs");
      token.top().forEach(other -> put(top.addObject(), other.text(), other.logprob()));
    }
    all.putNull("refusal");
    return all;
  }

  private static void put(ObjectNode to, String token, double logprob) {
    to.put("token", token);
    to.put("logprob", logprob);
    ArrayNode bytes = to.putArray("bytes");
    for (byte b : token.getBytes(StandardCharsets.UTF_8)) {
      bytes.add(b & 0xFF);
    }
  }

  private static void stream(Exchange exchange, Asked asked, Prompt prompt, Choices choices)
      throws Exception {
    String id = Ids.next("chatcmpl-");
    Instant created = Instant.now();
    boolean wantsUsage = asked.fields.includesUsage();
    int n = asked.fields.choices();
    ToolCalls.Splitter[] splitters = new ToolCalls.Splitter[n];
    GeneratedText[] texts = new GeneratedText[n];
    EventStream events = exchange.events();
    for (int i = 0; i < n; i++) {
      splitters[i] = new ToolCalls.Splitter(asked.conversation.hasTools());
      ObjectNode delta = JsonNodeFactory.instance.objectNode();
      delta.put("role", "assistant");
      delta.put("content", "");
      events.send(chunk(asked, id, created, i, delta, null, null, wantsUsage));
    }
    for (Choices.Event event = choices.next(); event != null; event = choices.next()) {
      int i = event.choice();
      ToolCalls.Splitter splitter = splitters[i];
      String shown = event.piece() == null ? splitter.end() : splitter.add(event.piece());
      if (!shown.isEmpty() || asked.topLogprobs != null && !event.tokens().isEmpty()) {
        ObjectNode delta = JsonNodeFactory.instance.objectNode();
        delta.put("content", shown);
        events.send(chunk(asked, id, created, i, delta, event.tokens(), null, wantsUsage));
      }
      if (event.text() != null) {
        texts[i] = event.text();
        ObjectNode delta = JsonNodeFactory.instance.objectNode();
        ToolCalls calls = splitter.calls();
        if (!calls.isEmpty()) {
          delta.set("tool_calls", calls.toJson(true));
        }
        String reason = calls.isEmpty() ? reason(event.text().finish()) : "tool_calls";
        events.send(chunk(asked, id, created, i, delta, null, reason, wantsUsage));
      }
    }
    if (wantsUsage) {
      ObjectNode last = head(id, created, "chat.completion.chunk", asked.model);
      last.putArray("choices");
      last.set("usage", Usage.of(prompt.ids().length, List.of(texts)));
      events.send(last);
    }
    events.done();
  }

  private static ObjectNode chunk(
      Asked asked,
      String id,
      Instant created,
      int index,
      ObjectNode delta,
      List<ScoredToken> tokens,
      String reason,
      boolean wantsUsage) {
    ObjectNode chunk = head(id, created, "chat.completion.chunk", asked.model);
    ObjectNode choice = chunk.putArray("choices").addObject();
    choice.put("index", index);
    choice.set("delta", delta);
    choice.set("logprobs", tokens == null ? null : logprobs(asked, tokens));
    choice.put("finish_reason", reason);
    if (wantsUsage) {
      chunk.putNull("usage");
    }
    return chunk;
  }
}
