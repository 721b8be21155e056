package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
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
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;

/** Continues texts: {@code /v1/completions}. */
public final class CompletionsApi {
  private static final int USUAL_TOKENS = 16; // OpenAI's
  private static final int MOST_LOGPROBS = 5;

  private final ModelCatalog catalog;
  private final ModelPool pool;
  private final TextMetrics metrics;

  public CompletionsApi(ModelCatalog catalog, ModelPool pool, TextMetrics metrics) {
    this.catalog = catalog;
    this.pool = pool;
    this.metrics = metrics;
  }

  /** What it answers. */
  public List<Route> routes() {
    return List.of(new Route("POST", "/v1/completions", Scope.INFERENCE, this::answer));
  }

  /** A request as it was understood. */
  private record Asked(
      ServedModel model, List<TextInput> prompts, TextFields fields, Integer topLogprobs) {}

  private Asked read(Exchange exchange) throws Exception {
    exchange.refuseOtherQueries();
    Fields body = exchange.body();
    ServedModel model = catalog.find(exchange.caller().tenant(), body.requiredText("model"));
    Long maxTokens = body.integer("max_tokens", 1, Integer.MAX_VALUE);
    TextFields fields =
        TextFields.of(body, maxTokens == null ? USUAL_TOKENS : (int) (long) maxTokens);
    JsonNode prompt = body.any("prompt");
    if (prompt == null) {
      throw ApiException.badRequest("prompt", "'prompt' is missing");
    }
    List<TextInput> prompts = TextInput.of("prompt", prompt);
    Long logprobs = body.integer("logprobs", 0, MOST_LOGPROBS);
    Long best = body.integer("best_of", 1, Integer.MAX_VALUE);
    if (best != null && best != fields.choices()) {
      throw ApiException.unsupported(
          "best_of", "'best_of' is not supported: give 'n' and choose among the answers");
    }
    if (body.flag("echo", false)) {
      throw ApiException.unsupported(
          "echo", "'echo' is not supported: the answer is the continuation alone");
    }
    body.refuse("suffix", "models here write from left to right");
    body.refuseOthers();
    return new Asked(model, prompts, fields, logprobs == null ? null : (int) (long) logprobs);
  }

  private void answer(Exchange exchange) throws Exception {
    Asked asked = read(exchange);
    try (ModelPool.TextLease lease = pool.texts(asked.model)) {
      Voice voice = lease.voice();
      List<Prompt> prompts = new ArrayList<>();
      List<GenerationOptions> options = new ArrayList<>();
      int context = voice.service().context();
      LongTexts texts = LongTexts.of(exchange, "prompt", context, voice::tokens);
      for (TextInput input : asked.prompts) {
        Prompt prompt = input.prompt(voice, texts);
        prompts.add(prompt);
        options.add(asked.fields.options(prompt, "prompt", context, asked.topLogprobs));
      }
      long tokens = prompts.stream().mapToLong(prompt -> prompt.ids().length).sum();
      try (Choices choices =
          Choices.begin(
              exchange,
              voice,
              length -> metrics.text(asked.model, length),
              prompts,
              options,
              asked.fields.choices())) {
        if (asked.fields.isStream()) {
          stream(exchange, asked, tokens, choices);
        } else {
          exchange.answer(whole(asked, tokens, choices.all()));
        }
      }
    }
  }

  private static ObjectNode head(String id, Instant created, ServedModel model) {
    ObjectNode body = JsonNodeFactory.instance.objectNode();
    body.put("id", id);
    body.put("object", "text_completion");
    body.put("created", created.getEpochSecond());
    body.put("model", model.id());
    return body;
  }

  private static ObjectNode whole(Asked asked, long promptTokens, List<GeneratedText> texts) {
    ObjectNode body = head(Ids.next("cmpl-"), Instant.now(), asked.model);
    ArrayNode all = body.putArray("choices");
    for (GeneratedText text : texts) {
      all.add(
          choice(
              asked, text.index(), text.text(), text.logprobs(), 0, ChatApi.reason(text.finish())));
    }
    body.set("usage", Usage.of(promptTokens, texts));
    return body;
  }

  /**
   * A text or a piece of one.
   *
   * @param offset of the first token in the text
   */
  private static ObjectNode choice(
      Asked asked,
      int index,
      String text,
      List<ScoredToken> tokens,
      int offset,
      String finishReason) {
    ObjectNode choice = JsonNodeFactory.instance.objectNode();
    choice.put("text", text);
    choice.put("index", index);
    choice.set("logprobs", asked.topLogprobs == null ? null : logprobs(asked, tokens, offset));
    choice.put("finish_reason", finishReason);
    return choice;
  }

  private static ObjectNode logprobs(Asked asked, List<ScoredToken> tokens, int offset) {
    ObjectNode all = JsonNodeFactory.instance.objectNode();
    ArrayNode texts = all.putArray("tokens");
    ArrayNode logprobs = all.putArray("token_logprobs");
    ArrayNode tops = asked.topLogprobs == 0 ? null : all.putArray("top_logprobs");
    ArrayNode offsets = all.putArray("text_offset");
    int at = offset;
    for (ScoredToken token : tokens) {
      texts.add(token.text());
      logprobs.add(token.logprob());
      offsets.add(at);
      at += token.text().length();
      if (tops != null) {
        ObjectNode top = tops.addObject();
        token.top().forEach(other -> top.put(other.text(), other.logprob()));
        top.put(token.text(), token.logprob());
      }
    }
    if (tops == null) {
      all.putNull("top_logprobs");
    }
    return all;
  }

  private static void stream(Exchange exchange, Asked asked, long promptTokens, Choices choices)
      throws Exception {
    String id = Ids.next("cmpl-");
    Instant created = Instant.now();
    boolean wantsUsage = asked.fields.includesUsage();
    int count = asked.prompts.size() * asked.fields.choices();
    GeneratedText[] texts = new GeneratedText[count];
    int[] offsets = new int[count];
    EventStream events = exchange.events();
    for (Choices.Event event = choices.next(); event != null; event = choices.next()) {
      int i = event.choice();
      boolean isLast = event.text() != null;
      String piece = event.piece() == null ? "" : event.piece();
      String reason = isLast ? ChatApi.reason(event.text().finish()) : null;
      ObjectNode chunk = head(id, created, asked.model);
      chunk.putArray("choices").add(choice(asked, i, piece, event.tokens(), offsets[i], reason));
      for (ScoredToken token : event.tokens()) {
        offsets[i] += token.text().length();
      }
      if (wantsUsage) {
        chunk.putNull("usage");
      }
      if (isLast) {
        texts[i] = event.text();
      }
      events.send(chunk);
    }
    if (wantsUsage) {
      ObjectNode last = head(id, created, asked.model);
      last.putArray("choices");
      last.set("usage", Usage.of(promptTokens, List.of(texts)));
      events.send(last);
    }
    events.done();
  }
}
