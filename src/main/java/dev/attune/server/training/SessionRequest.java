package dev.attune.server.training;

import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.Term;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

/**
 * What a client asks for when it begins a session.
 *
 * @param model id
 * @param options of a run, by which the model is opened
 * @param length tokens of an example at the most; null: the usual
 * @param json the body, to be kept and shown
 */
record SessionRequest(
    String model, Map<RunOption, String> options, Integer length, ObjectNode json) {
  private static final Pattern MODULE = Pattern.compile("[A-Za-z0-9._-]{1,64}");
  private static final int MOST_RANK = 4096;
  private static final double MOST_ALPHA = 1e6;
  private static final Map<String, RunOption> WEIGHTS =
      Map.of(
          "nf4", RunOption.LOAD_IN_4BIT,
          "int8", RunOption.LOAD_IN_8BIT,
          "bf16", RunOption.LOAD_IN_BF16);

  /** Options of runs as this API has them. */
  private static final Map<String, String> WORDS =
      Map.ofEntries(
          Map.entry("MODEL", "model"),
          Map.entry("BASE_MODEL", "model"),
          Map.entry("LORA_R", "lora.rank"),
          Map.entry("LORA_ALPHA", "lora.alpha"),
          Map.entry("LORA_DROPOUT", "lora.dropout"),
          Map.entry("LORA_TARGETS", "lora.targets"),
          Map.entry("DROPOUT", "dropout"),
          Map.entry("SEED", "seed"),
          Map.entry("PRECISION", "precision"),
          Map.entry("LOAD_IN_4BIT", "weights nf4"),
          Map.entry("LOAD_IN_8BIT", "weights int8"),
          Map.entry("LOAD_IN_BF16", "weights bf16"),
          Map.entry("MAX_LENGTH", "max_length"),
          Map.entry("ADAM_BETA1", "betas[0]"),
          Map.entry("ADAM_BETA2", "betas[1]"),
          Map.entry("ADAM_EPSILON", "eps"),
          Map.entry("WEIGHT_DECAY", "weight_decay"),
          Map.entry("TEMPERATURE", "temperature"),
          Map.entry("TOP_P", "top_p"),
          Map.entry("TOP_K", "top_k"));

  /** Reads one, and refuses what it does not know. */
  static SessionRequest of(Fields body) {
    Map<RunOption, String> options = new EnumMap<>(RunOption.class);
    String model = body.requiredText("model");
    Fields lora = body.object("lora");
    if (lora != null) {
      put(options, RunOption.LORA_R, lora.integer("rank", 1, MOST_RANK));
      put(options, RunOption.LORA_ALPHA, lora.number("alpha", 0, MOST_ALPHA));
      put(options, RunOption.LORA_DROPOUT, lora.number("dropout", 0, 1));
      put(options, RunOption.LORA_TARGETS, targets(lora.textList("targets")));
      lora.refuseOthers();
    }
    put(options, RunOption.DROPOUT, body.number("dropout", 0, 1));
    put(options, RunOption.SEED, body.integer("seed", Long.MIN_VALUE, Long.MAX_VALUE));
    put(
        options,
        RunOption.PRECISION,
        body.word("precision", null, List.of("auto", "bf16", "fp32")));
    String weights = body.word("weights", "auto", List.of("auto", "bf16", "int8", "nf4"));
    if (WEIGHTS.containsKey(weights)) {
      options.put(WEIGHTS.get(weights), "true");
    }
    Long length = body.integer("max_length", 2, Integer.MAX_VALUE);
    body.refuseOthers();
    return new SessionRequest(
        model, Map.copyOf(options), length == null ? null : (int) (long) length, body.json());
  }

  /** The same of a model by another name. */
  SessionRequest of(String other) {
    return new SessionRequest(other, options, length, json.deepCopy().put("model", other));
  }

  private static void put(Map<RunOption, String> options, RunOption option, Object value) {
    if (value != null) {
      options.put(option, value.toString());
    }
  }

  private static String targets(List<String> names) {
    if (names == null) {
      return null;
    }
    for (int i = 0; i < names.size(); i++) {
      if (!MODULE.matcher(names.get(i)).matches()) {
        throw ApiException.badRequest(
            "lora.targets[" + i + "]",
            "'lora.targets["
                + i
                + "]' is no name of a module: letters, digits, dots, hyphens and underscores");
      }
    }
    return String.join(",", names);
  }

  /**
   * The options of the training that it is.
   *
   * @param folder of the model
   * @param base of the adapter's base; null: it is none
   */
  RunConfig config(Path folder, Path base) {
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    config.set(RunOption.TASK, "causal-lm");
    config.set(RunOption.MODEL, folder.toString());
    if (base != null) {
      config.set(RunOption.BASE_MODEL, base.toString());
    }
    options.forEach(config::set);
    return config.build();
  }

  /** A message of the rooms below in the words of this API. */
  static String worded(String message) {
    return Term.worded(
        message,
        (term, value) -> {
          String word = WORDS.get(term);
          return word == null || value == null ? word : word + " " + value;
        });
  }
}
