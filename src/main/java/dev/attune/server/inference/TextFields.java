package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.generate.GenerationOptions;
import dev.attune.generate.LogitAdditions;
import dev.attune.generate.Prompt;
import dev.attune.generate.Sampling;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * What requests for texts have in common.
 *
 * @param maxTokens null: as many as the context holds
 * @param choices texts of each prompt
 * @param lookupTokens see {@link GenerationOptions}
 * @param includesUsage whether a stream ends in how many tokens there were
 */
record TextFields(
    Sampling sampling,
    List<String> stops,
    Integer maxTokens,
    int choices,
    int lookupTokens,
    boolean isStream,
    boolean includesUsage) {
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final int MOST_STOPS = 4;
  private static final int MOST_CHOICES = 128;
  private static final int MOST_BIAS = 100;

  /**
   * Reads them.
   *
   * @param maxTokens what the request says of it
   */
  static TextFields of(Fields body, Integer maxTokens) {
    Double temperature = body.number("temperature", 0, 2);
    Double topP = body.number("top_p", 0, 1);
    Double minP = body.number("min_p", 0, 1);
    Long topK = body.integer("top_k", 0, Integer.MAX_VALUE);
    Double repetition = body.number("repetition_penalty", 1e-3, 1e3);
    Long seed = body.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    Long lookup = body.integer("prompt_lookup_num_tokens", 0, GenerationOptions.MOST_LOOKUP_TOKENS);
    Long n = body.integer("n", 1, MOST_CHOICES);
    if (topP != null && topP == 0) {
      throw ApiException.badRequest("top_p", "'top_p' is 0; it must be above 0, and at most 1");
    }
    boolean isStream = body.flag("stream", false);
    Sampling sampling =
        new Sampling(
            temperature == null ? 1 : temperature,
            topK == null ? 0 : (int) (long) topK,
            topP == null ? 1 : topP,
            minP == null ? 0 : minP,
            repetition == null ? 0 : repetition,
            seed == null ? RANDOM.nextLong() : seed,
            additions(body));
    readHarmless(body);
    return new TextFields(
        sampling,
        stops(body),
        maxTokens,
        n == null ? 1 : (int) (long) n,
        lookup == null ? 0 : (int) (long) lookup,
        isStream,
        includesUsage(body, isStream));
  }

  /** What says nothing of the answer. */
  private static void readHarmless(Fields body) {
    body.any("user");
    body.any("safety_identifier");
    body.any("prompt_cache_key");
    body.any("metadata");
    body.word("service_tier", "auto", List.of("auto", "default"));
    if (body.flag("store", false)) {
      throw ApiException.unsupported("store", "'store' is not supported: answers are not kept");
    }
  }

  private static boolean includesUsage(Fields body, boolean isStream) {
    Fields options = body.object("stream_options");
    if (options == null) {
      return false;
    }
    if (!isStream) {
      throw ApiException.badRequest("stream_options", "'stream_options' needs 'stream' to be true");
    }
    boolean includes = options.flag("include_usage", false);
    options.flag("include_obfuscation", false); // of lengths: there is nothing to hide them from
    options.refuseOthers();
    return includes;
  }

  private static LogitAdditions additions(Fields body) {
    Double presence = body.number("presence_penalty", -2, 2);
    Double frequency = body.number("frequency_penalty", -2, 2);
    Map<Integer, Double> bias = new HashMap<>();
    JsonNode given = body.any("logit_bias");
    if (given != null) {
      if (!given.isObject()) {
        throw ApiException.badRequest(
            "logit_bias", "'logit_bias' must be an object of numbers by token ids");
      }
      given
          .fieldNames()
          .forEachRemaining(
              id -> {
                JsonNode value = given.get(id);
                if (!id.matches("\\d{1,9}")
                    || !value.isNumber()
                    || !(Math.abs(value.doubleValue()) <= MOST_BIAS)) {
                  throw ApiException.badRequest(
                      "logit_bias",
                      "'logit_bias' has "
                          + id
                          + ": "
                          + value
                          + "; it takes token ids with numbers from -100 to 100");
                }
                bias.put(Integer.valueOf(id), value.doubleValue());
              });
    }
    return new LogitAdditions(
        presence == null ? 0 : presence, frequency == null ? 0 : frequency, bias);
  }

  private static List<String> stops(Fields body) {
    JsonNode given = body.any("stop");
    List<String> stops = new ArrayList<>();
    if (given == null) {
      return stops;
    }
    if (given.isTextual()) {
      stops.add(given.textValue());
    } else if (given.isArray()) {
      given.forEach(stop -> stops.add(stop.isTextual() ? stop.textValue() : ""));
    }
    boolean isRight =
        (given.isTextual() || given.isArray())
            && stops.size() <= MOST_STOPS
            && stops.stream().noneMatch(String::isEmpty);
    if (!isRight) {
      throw ApiException.badRequest(
          "stop",
          "'stop' must be a string, or an array of up to " + MOST_STOPS + " strings, none empty");
    }
    return stops;
  }

  /**
   * How a prompt is to be continued.
   *
   * @param param the field that holds it
   * @param context tokens of a text at most
   * @throws ApiException if that is longer than the model's context
   */
  GenerationOptions options(Prompt prompt, String param, int context, Integer topLogprobs) {
    int length = prompt.ids().length;
    int left = context - length;
    if (left < 1 || maxTokens != null && maxTokens > left) {
      throw ApiException.contextLength(
          param,
          "This model's context holds "
              + context
              + " tokens, and the request asks for "
              + (length + (long) (maxTokens == null ? 1 : maxTokens))
              + ": "
              + length
              + " of the prompt and "
              + (maxTokens == null ? "at least 1" : maxTokens)
              + " of the answer. Give a shorter prompt"
              + (left < 1 ? "" : ", or ask for at most " + left));
    }
    return new GenerationOptions(
        sampling, stops, 1, maxTokens == null ? left : maxTokens, null, topLogprobs, lookupTokens);
  }
}
