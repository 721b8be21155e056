package dev.attune.server.training;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.generate.Completion;
import dev.attune.generate.Finish;
import dev.attune.generate.Sampling;
import dev.attune.generate.TokenLogprobs;
import dev.attune.optim.AdamW;
import dev.attune.run.AdapterTraining;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import dev.attune.server.http.LongTexts;
import dev.attune.task.TokenObjective;
import dev.attune.train.TokenTrainer;
import java.security.SecureRandom;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import java.util.function.Supplier;
import java.util.regex.Pattern;

/** From the body of a call to what is done. */
final class Works {
  /**
   * A call that was understood.
   *
   * @param bytes of memory that it takes until it is done
   */
  record Asked(Work work, long bytes) {}

  private static final int MOST_SAMPLES = 128;
  private static final int USUAL_TOKENS = 16; // OpenAI's
  private static final int BYTES_OF_SMALL = 256;
  private static final SecureRandom RANDOM = new SecureRandom();
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,64}");

  private final Workshop workshop;
  private final Map<String, BiFunction<Fields, TrainingSession, Asked>> kinds =
      Map.of(
          "forward_backward", (body, session) -> loss(body, session, true),
          "forward", (body, session) -> loss(body, session, false),
          "optim_step", (body, session) -> step(body),
          "sample", Works::sample,
          "save_state", this::saveState,
          "load_state", this::loadState,
          "save_adapter", this::saveAdapter);

  Works(Workshop workshop) {
    this.workshop = workshop;
  }

  /** Kinds of calls. */
  List<String> kinds() {
    return kinds.keySet().stream().sorted().toList();
  }

  /**
   * Reads a call.
   *
   * @param body of which what belongs to calls of all kinds was read
   * @throws ApiException if it cannot be meant so, naming the field that is to blame
   */
  Asked read(String kind, Fields body, TrainingSession session) {
    Asked asked = kinds.get(kind).apply(body, session);
    body.refuseOthers();
    return asked;
  }

  private static ObjectNode object() {
    return JsonNodeFactory.instance.objectNode();
  }

  private static Supplier<ObjectNode> done(ObjectNode json) {
    return () -> json;
  }

  private static Asked loss(Fields body, TrainingSession session, boolean isTraining) {
    Examples examples = Examples.of(body, session);
    return new Asked(
        (training, turn) ->
            found(
                isTraining
                    ? training.forwardBackward(examples.rows(), examples.loss())
                    : training.forward(examples.rows(), examples.loss())),
        examples.bytes());
  }

  private static Supplier<ObjectNode> found(TokenObjective.Found found) {
    return () -> {
      ObjectNode json = object().put("loss", found.loss());
      ArrayNode rows = json.putArray("logprobs");
      for (float[] row : found.logprobs()) {
        ArrayNode ofRow = rows.addArray();
        for (float value : row) {
          if (Float.isFinite(value)) {
            ofRow.add(value);
          } else {
            ofRow.addNull(); // nothing was asked there
          }
        }
      }
      return json;
    };
  }

  private static Asked step(Fields body) {
    Double rate = body.number("learning_rate", 0, 1);
    if (rate == null || rate == 0) {
      throw ApiException.badRequest(
          "learning_rate",
          "'learning_rate' is " + (rate == null ? "missing" : "0") + "; it is above 0, at most 1");
    }
    float[] betas = body.floats("betas");
    List<JsonNode> exact = body.list("betas");
    if (betas != null && betas.length != 2) {
      throw ApiException.badRequest("betas", "'betas' has " + betas.length + " numbers, not 2");
    }
    Double epsilon = body.number("eps", 0, 1);
    Double decay = body.number("weight_decay", 0, Float.MAX_VALUE);
    Double norm = body.number("max_grad_norm", 0, Float.MAX_VALUE);
    AdamW.Config config;
    try {
      config =
          AdamW.Config.of(
              exact == null ? 0.9 : exact.get(0).doubleValue(),
              exact == null ? 0.999 : exact.get(1).doubleValue(),
              epsilon == null ? 1e-8 : epsilon,
              decay == null ? 0 : decay);
    } catch (InputException e) {
      throw ApiException.badRequest(null, SessionRequest.worded(e.getMessage()));
    }
    return new Asked(
        (training, turn) -> {
          if (training.pending() == 0) {
            throw ApiException.conflict(
                "There is no gradient to update by: forward_backward comes first");
          }
          TokenTrainer.Update update = training.step(config, rate, norm == null ? 0 : norm);
          return done(
              object().put("steps", update.steps()).put("gradient_norm", update.gradNorm()));
        },
        BYTES_OF_SMALL);
  }

  private static Asked sample(Fields body, TrainingSession session) {
    int last = session.vocabulary() - 1;
    JsonNode given = body.any("prompt");
    boolean isText = given != null && given.isTextual();
    int[] ids = isText ? null : body.integers("prompt", 0, last);
    if (given == null || !isText && ids.length == 0) {
      throw ApiException.badRequest(
          "prompt", "'prompt' is missing or empty; it is a text, or an array of token ids");
    }
    Long most = body.integer("max_tokens", 1, Integer.MAX_VALUE);
    int maxTokens = most == null ? USUAL_TOKENS : (int) (long) most;
    Long n = body.integer("n", 1, MOST_SAMPLES);
    int count = n == null ? 1 : (int) (long) n;
    int[] stops = body.integers("stop_tokens", 0, last);
    Sampling sampling = sampling(body);
    AdapterTraining.Sample how = new AdapterTraining.Sample(sampling, maxTokens, stops);
    String text = isText ? given.textValue() : null;
    if (isText) {
      LongTexts.checkLetters("prompt", session.length(), text);
    } else {
      checkLength(ids, maxTokens, session);
    }
    return new Asked(
        (training, turn) -> {
          if (isText) {
            new LongTexts("prompt", session.length(), t -> training.encode(t).length, () -> {})
                .check(text);
          }
          int[] prompt = isText ? training.encode(text) : ids;
          if (prompt.length == 0) {
            throw ApiException.badRequest("prompt", "'prompt' has no tokens");
          }
          checkLength(prompt, maxTokens, session);
          List<Completion> done = training.sample(prompt, how, count);
          List<Sampled> kept =
              done.stream().map(one -> Sampled.of(one, training.decode(one.tokens()))).toList();
          return sampled(prompt, sampling.seed(), kept);
        },
        BYTES_OF_SMALL + (isText ? 2L * text.length() : (long) Integer.BYTES * ids.length));
  }

  private static Sampling sampling(Fields body) {
    Double temperature = body.number("temperature", 0, 100);
    Long topK = body.integer("top_k", 0, Integer.MAX_VALUE);
    Double topP = body.number("top_p", 0, 1);
    Long seed = body.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE);
    try {
      return new Sampling(
          temperature == null ? 1 : temperature,
          topK == null ? 0 : (int) (long) topK,
          topP == null ? 1 : topP,
          0,
          1,
          seed == null ? RANDOM.nextInt(Integer.MAX_VALUE) : seed);
    } catch (InputException e) {
      throw ApiException.badRequest(null, SessionRequest.worded(e.getMessage()));
    }
  }

  private static void checkLength(int[] prompt, int maxTokens, TrainingSession session) {
    if ((long) prompt.length + maxTokens > session.length()) {
      throw ApiException.contextLength(
          "prompt",
          "A text of this session has at most "
              + session.length()
              + " tokens, its max_length, and "
              + prompt.length
              + " of the prompt and "
              + maxTokens
              + " that are to be sampled are asked for");
    }
  }

  /** What is kept of a completion, whose objects for each token take several times as much. */
  private record Sampled(int[] tokens, double[] logprobs, String text, String finish) {
    static Sampled of(Completion one, String text) {
      double[] logprobs = one.logprobs().stream().mapToDouble(TokenLogprobs::logprob).toArray();
      return new Sampled(
          one.tokens(), logprobs, text, one.finish() == Finish.END ? "stop" : "length");
    }
  }

  private static Supplier<ObjectNode> sampled(int[] prompt, long seed, List<Sampled> kept) {
    return () -> {
      ObjectNode json = object().put("seed", seed);
      ids(json.putArray("prompt"), prompt);
      ArrayNode samples = json.putArray("samples");
      for (Sampled one : kept) {
        ObjectNode sample = samples.addObject();
        ids(sample.putArray("tokens"), one.tokens());
        ArrayNode logprobs = sample.putArray("logprobs");
        for (double logprob : one.logprobs()) {
          logprobs.add(logprob);
        }
        sample.put("text", one.text());
        sample.put("finish_reason", one.finish());
      }
      return json;
    };
  }

  static ArrayNode ids(ArrayNode array, int[] ids) {
    for (int id : ids) {
      array.add(id);
    }
    return array;
  }

  private static String name(Fields body, String field) {
    String name = body.text(field);
    if (name != null && !NAME.matcher(name).matches()) {
      throw ApiException.badRequest(
          field,
          "'"
              + field
              + "' is '"
              + name
              + "'; it has 1 to 64 letters, digits, dots, hyphens and underscores");
    }
    return name;
  }

  private static String requiredName(Fields body) {
    body.requiredText("name");
    return name(body, "name");
  }

  private Asked saveState(Fields body, TrainingSession session) {
    String name = requiredName(body);
    return new Asked(
        (training, turn) -> {
          if (training.pending() > 0) {
            throw ApiException.conflict(
                "The gradients of "
                    + training.pending()
                    + " calls wait for an update, which a state does not hold: optim_step comes"
                    + " first");
          }
          return done(workshop.save(session, training, name, turn, 0).toJson());
        },
        BYTES_OF_SMALL);
  }

  private Asked loadState(Fields body, TrainingSession session) {
    String name = requiredName(body);
    String from = body.text("session");
    String source =
        from == null ? session.id() : workshop.find(session.tenant(), from, "session").id();
    return new Asked(
        (training, turn) -> done(workshop.load(training, source, name).toJson()), BYTES_OF_SMALL);
  }

  private Asked saveAdapter(Fields body, TrainingSession session) {
    String suffix = name(body, "suffix");
    return new Asked(
        (training, turn) ->
            done(
                object()
                    .put(
                        "model",
                        workshop.serve(session, training, suffix == null ? "" : suffix).id())),
        BYTES_OF_SMALL);
  }
}
