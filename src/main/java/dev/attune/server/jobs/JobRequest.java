package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.RunOption;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;

/**
 * What a client asks for.
 *
 * @param model to tune: a base, or one that was tuned before
 * @param trainingFile id
 * @param validationFile id; null: none
 * @param method supervised or dpo
 * @param hyperparameters of the method
 * @param seed of all that is random
 * @param suffix of the name of the tuned model; empty: none
 * @param metadata of the client's own
 * @param options of Attune's runs, by their names
 * @param priority jobs of a higher one go first
 * @param deadline second by which it must have ended; null: none
 */
record JobRequest(
    String model,
    String trainingFile,
    String validationFile,
    String method,
    Hyperparameters hyperparameters,
    long seed,
    String suffix,
    Map<String, String> metadata,
    Map<RunOption, String> options,
    int priority,
    Long deadline) {
  static final String SUPERVISED = "supervised";
  static final String DPO = "dpo";

  /** Kept with a request whose model will be the same whatever becomes live; else not there. */
  static final String PINNED = "pinned";

  /** Passes over the data. */
  static final int USUAL_EPOCHS = 3;

  /** That of {@code attune train}. */
  private static final long USUAL_SEED = 42;

  private static final int MOST_PAIRS = 16;
  private static final int LONGEST_KEY = 64;
  private static final int LONGEST_VALUE = 512;
  private static final int MOST_PRIORITY = 10;
  private static final Pattern SUFFIX = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final String AUTO = "auto";

  /**
   * Numbers of a method.
   *
   * @param epochs passes over the data; null: auto
   * @param batchSize examples in a batch; null: auto
   * @param multiplier of the usual learning rate; null: auto
   * @param beta of dpo; null: auto, or another method
   */
  record Hyperparameters(Double epochs, Integer batchSize, Double multiplier, Double beta) {
    static final Hyperparameters USUAL = new Hyperparameters(null, null, null, null);

    static Hyperparameters of(Fields fields, boolean isDpo) {
      if (fields == null) {
        return USUAL;
      }
      Double batch = orAuto(fields, "batch_size", 1, 4096);
      if (batch != null && batch != Math.rint(batch)) {
        fields.integer("batch_size", 1, 4096); // refuses it
      }
      Hyperparameters read =
          new Hyperparameters(
              orAuto(fields, "n_epochs", 0.001, 1000),
              batch == null ? null : batch.intValue(),
              orAuto(fields, "learning_rate_multiplier", 1e-6, 1e6),
              isDpo ? orAuto(fields, "beta", 1e-6, 100) : null);
      fields.refuseOthers();
      return read;
    }

    private static Double orAuto(Fields fields, String name, double least, double most) {
      JsonNode value = fields.any(name);
      return value == null || value.isTextual() && value.textValue().equals(AUTO)
          ? null
          : fields.number(name, least, most);
    }

    ObjectNode toJson(boolean isDpo) {
      ObjectNode json = JsonNodeFactory.instance.objectNode();
      put(json, "n_epochs", epochs);
      put(json, "batch_size", batchSize == null ? null : batchSize.doubleValue());
      put(json, "learning_rate_multiplier", multiplier);
      if (isDpo) {
        put(json, "beta", beta);
      }
      return json;
    }

    /** Whole numbers as such: clients read them into integers. */
    private static void put(ObjectNode json, String name, Double value) {
      if (value == null) {
        json.put(name, AUTO);
      } else if (value == Math.rint(value)) {
        json.put(name, value.longValue());
      } else {
        json.put(name, value);
      }
    }
  }

  /** The same of a model by another name. */
  JobRequest of(String other) {
    return new JobRequest(
        other,
        trainingFile,
        validationFile,
        method,
        hyperparameters,
        seed,
        suffix,
        metadata,
        options,
        priority,
        deadline);
  }

  /**
   * Reads a request's body.
   *
   * @throws ApiException naming a field that cannot be meant so, or is not supported
   */
  static JobRequest of(Fields body) {
    String model = body.requiredText("model");
    String training = body.requiredText("training_file");
    String validation = body.text("validation_file");
    Fields method = body.object("method");
    String type =
        method == null ? SUPERVISED : method.word("type", SUPERVISED, List.of(SUPERVISED, DPO));
    JobRequest request =
        new JobRequest(
            model,
            training,
            validation,
            type,
            hyperparameters(body, method, type),
            seed(body),
            suffix(body),
            metadata(body),
            Map.of(),
            0,
            null);
    integrations(body);
    JobRequest whole = request.with(body.object("attune"));
    body.refuseOthers();
    return whole;
  }

  private static Hyperparameters hyperparameters(Fields body, Fields method, String type) {
    Fields old = body.object("hyperparameters");
    boolean isDpo = type.equals(DPO);
    Hyperparameters of = Hyperparameters.USUAL;
    if (method != null) {
      Fields part = method.object(type);
      if (part != null) {
        Fields given = part.object("hyperparameters");
        if (given != null && old != null) {
          throw ApiException.badRequest(
              "hyperparameters",
              "'hyperparameters' are given twice, here and in 'method'; leave these out");
        }
        of = Hyperparameters.of(given, isDpo);
        part.refuseOthers();
      }
      method.refuseOthers();
    }
    return old == null ? of : Hyperparameters.of(old, isDpo);
  }

  private static long seed(Fields body) {
    Long seed = body.integer("seed", 0, Integer.MAX_VALUE);
    return seed == null ? USUAL_SEED : seed;
  }

  private static String suffix(Fields body) {
    String suffix = body.text("suffix");
    if (suffix != null && !suffix.isEmpty() && !SUFFIX.matcher(suffix).matches()) {
      throw ApiException.badRequest(
          "suffix",
          "'suffix' becomes a part of the model's name: up to 64 letters, digits, dots, hyphens and"
              + " underscores");
    }
    return suffix == null ? "" : suffix;
  }

  private static Map<String, String> metadata(Fields body) {
    Map<String, String> metadata = new TreeMap<>(body.texts("metadata"));
    if (metadata.size() > MOST_PAIRS) {
      throw ApiException.badRequest(
          "metadata", "'metadata' has " + metadata.size() + " pairs; there may be " + MOST_PAIRS);
    }
    metadata.forEach(
        (key, value) -> {
          if (key.isEmpty() || key.length() > LONGEST_KEY || value.length() > LONGEST_VALUE) {
            throw ApiException.badRequest(
                "metadata",
                "'metadata' has a key or a value that is too long: keys have 1 to "
                    + LONGEST_KEY
                    + " characters, values up to "
                    + LONGEST_VALUE);
          }
        });
    return metadata;
  }

  private static void integrations(Fields body) {
    List<Fields> integrations = body.objects("integrations");
    if (integrations != null && !integrations.isEmpty()) {
      throw ApiException.unsupported(
          "integrations",
          "'integrations' with '"
              + integrations.get(0).text("type")
              + "' is not supported: this server sends what it trains on to nobody. The events and"
              + " the results file of a job have all of its metrics");
    }
  }

  /** With what stands in Attune's own field. */
  private JobRequest with(Fields attune) {
    if (attune == null) {
      return this;
    }
    Long asked = attune.integer("priority", -MOST_PRIORITY, MOST_PRIORITY);
    Long by = attune.integer("deadline", 0, Long.MAX_VALUE / 1000);
    if (by != null && by <= Instant.now().getEpochSecond()) {
      throw ApiException.badRequest(
          "attune.deadline",
          "'attune.deadline' is "
              + by
              + ", which has passed: it is the second since 1970 by which the job must have ended");
    }
    Map<RunOption, String> given = JobOptions.read(attune, false);
    if (given.containsKey(RunOption.LEARNING_RATE) && hyperparameters.multiplier() != null) {
      throw ApiException.badRequest(
          "attune.learning_rate",
          "'attune.learning_rate' and 'learning_rate_multiplier' are both given; leave one of them"
              + " out");
    }
    return new JobRequest(
        model,
        trainingFile,
        validationFile,
        method,
        hyperparameters,
        seed,
        suffix,
        metadata,
        given,
        asked == null ? 0 : asked.intValue(),
        by);
  }

  /** Ids of the files that it reads. */
  List<String> files() {
    return validationFile == null ? List.of(trainingFile) : List.of(trainingFile, validationFile);
  }

  boolean isDpo() {
    return method.equals(DPO);
  }

  /** Whether a client wants the batch size chosen by the number of rows. */
  boolean choosesBatchSize() {
    return hyperparameters.batchSize() == null;
  }

  /** As a body that {@link #of} reads. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("model", model);
    json.put("training_file", trainingFile);
    json.put("validation_file", validationFile);
    json.set("method", methodJson(hyperparameters));
    json.put("seed", seed);
    json.put("suffix", suffix);
    ObjectNode pairs = json.putObject("metadata");
    metadata.forEach(pairs::put);
    return json;
  }

  /** The method as clients see it. */
  ObjectNode methodJson(Hyperparameters shown) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("type", method);
    json.putObject(method).set("hyperparameters", shown.toJson(isDpo()));
    return json;
  }

  /** Attune's own field; its options as they were given. */
  ObjectNode attuneJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    options.forEach((option, value) -> json.put(JobOptions.name(option), value));
    json.put("priority", priority);
    json.put("deadline", deadline);
    return json;
  }

  /** How the journal keeps it: what {@link #toJson} says, of a model whose name is pinned. */
  ObjectNode keptJson() {
    return toJson().put(PINNED, true);
  }

  /** One that the journal has kept, whose deadline may have passed. */
  static JobRequest kept(ObjectNode request, ObjectNode attune) {
    Fields kept = Fields.of(request);
    kept.any(PINNED); // of no meaning for the request itself
    Fields own = Fields.of(attune);
    Long priority = own.integer("priority", -MOST_PRIORITY, MOST_PRIORITY);
    Long deadline = own.integer("deadline", 0, Long.MAX_VALUE);
    JobRequest read = of(kept);
    return new JobRequest(
        read.model,
        read.trainingFile,
        read.validationFile,
        read.method,
        read.hyperparameters,
        read.seed,
        read.suffix,
        read.metadata,
        JobOptions.read(own, true),
        priority.intValue(),
        deadline);
  }
}
