package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.run.CommandOptions;
import dev.attune.run.OptionNames;
import dev.attune.run.RunOption;
import dev.attune.server.http.ApiException;
import dev.attune.server.http.Fields;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The options of runs that a client may set: all but what is the server's to say. */
final class JobOptions {
  private static final String OF_SERVER = "the server says that";

  /** What a client may not set, and why. */
  private static final Map<RunOption, String> REFUSED = refused();

  /** What the command line takes for patterns. */
  private static final Set<RunOption> PATTERNS =
      EnumSet.of(
          RunOption.LORA_TARGETS,
          RunOption.LORA_EXCLUDE_MODULES,
          RunOption.LORA_RANK_PATTERN,
          RunOption.LORA_ALPHA_PATTERN,
          RunOption.LORA_MODULES_TO_SAVE);

  /** What has a sign of regular expressions that is in no module's name. */
  private static final String PATTERN = "(?s).*[\\\\()\\[\\]{}*+?|^$].*";

  /** The others. */
  private static final List<RunOption> ALLOWED =
      CommandOptions.TRAIN.stream().filter(option -> !REFUSED.containsKey(option)).toList();

  private JobOptions() {}

  private static Map<RunOption, String> refused() {
    Map<RunOption, String> refused = new EnumMap<>(RunOption.class);
    refused.put(RunOption.MODEL, "the field 'model' of the job says it");
    refused.put(RunOption.BASE_MODEL, "the field 'model' of the job says it");
    refused.put(RunOption.TRAIN_FILE, "the field 'training_file' of the job says it");
    refused.put(RunOption.VALIDATION_FILE, "the field 'validation_file' of the job says it");
    refused.put(
        RunOption.TEST_FILE, "a job learns and validates; ask the tuned model for the rest");
    refused.put(RunOption.TEST_SPLIT, refused.get(RunOption.TEST_FILE));
    refused.put(RunOption.EPOCHS, "the hyperparameter 'n_epochs' says it");
    refused.put(RunOption.BATCH_SIZE, "the hyperparameter 'batch_size' says it");
    refused.put(RunOption.SEED, "the field 'seed' of the job says it");
    refused.put(RunOption.GENERATOR, "a job cannot name a folder of the server");
    refused.put(RunOption.INTERLEAVE_PROBS, "a job has one training file");
    refused.put(RunOption.STOPPING_STRATEGY, "a job has one training file");
    refused.put(RunOption.K_FOLD, "a job makes one model");
    refused.put(RunOption.KEEP_FOLD_MODELS, "a job makes one model");
    refused.put(RunOption.LOGGING_STEPS, "the results file has all steps");
    refused.put(RunOption.RESUME, "the server goes on with jobs by itself");
    refused.put(RunOption.OVERWRITE, "each job has a folder of its own");
    for (RunOption option :
        List.of(
            RunOption.OUTPUT_DIR,
            RunOption.RUN_STORE,
            RunOption.REPORT_TO,
            RunOption.METRICS_PORT,
            RunOption.REPORT,
            RunOption.PROFILE,
            RunOption.BACKEND,
            RunOption.ISA,
            RunOption.THREADS,
            RunOption.SAVE_LAST,
            RunOption.SAVE_TOTAL_LIMIT,
            RunOption.SAVE_RETRY_MINUTES)) {
      refused.put(option, OF_SERVER);
    }
    return refused;
  }

  /** An option as a field. */
  static String name(RunOption option) {
    return option.name().toLowerCase(Locale.ROOT);
  }

  /**
   * Reads all fields that are left as options.
   *
   * @param isKept whether they were read, and looked at, before
   * @throws ApiException naming one that there is not, or that a client may not set
   */
  static Map<RunOption, String> read(Fields attune, boolean isKept) {
    Map<RunOption, String> options = new EnumMap<>(RunOption.class);
    for (String name : attune.left()) {
      JsonNode value = attune.any(name);
      if (value != null) {
        RunOption option = option(name);
        String text = isKept ? value.asText() : text(name, option, value);
        if (options.put(option, text) != null) {
          throw ApiException.badRequest(
              "attune." + name, "'attune." + name(option) + "' is given twice, by two names");
        }
      }
    }
    return options;
  }

  private static RunOption option(String name) {
    RunOption option = OptionNames.find(name, CommandOptions.TRAIN).orElse(null);
    if (option == null) {
      InputException unknown = OptionNames.unknown(name, ALLOWED, "");
      throw ApiException.unsupported("attune." + name, JobWords.of(unknown.getMessage()));
    }
    if (REFUSED.containsKey(option)) {
      throw ApiException.unsupported(
          "attune." + name, "'attune." + name + "' is not supported: " + REFUSED.get(option));
    }
    return option;
  }

  private static boolean takesNames(RunOption option) {
    return option == RunOption.LABEL_NAMES || option == RunOption.ADD_TOKENS;
  }

  private static String text(String name, RunOption option, JsonNode value) {
    if (takesNames(option)) {
      return names(name, option, value);
    }
    if (!value.isValueNode()) {
      throw ApiException.badRequest(
          "attune." + name,
          "'attune." + name + "' is no plain value; it is: " + JobWords.of(option.help()));
    }
    if (PATTERNS.contains(option) && value.asText().matches(PATTERN)) {
      // Whose time to match has no bound: one would keep all other jobs waiting.
      throw ApiException.unsupported(
          "attune." + name,
          "'attune." + name + "' is a pattern, which jobs do not take; name the modules");
    }
    if (option.isFlag() && !value.asText().equals("true") && !value.asText().equals("false")) {
      throw ApiException.badRequest(
          "attune." + name, "'attune." + name + "' is " + value + "; it must be true or false");
    }
    return value.asText();
  }

  private static String names(String name, RunOption option, JsonNode value) {
    List<String> names = new ArrayList<>();
    if (value.isArray()) {
      value.forEach(item -> names.add(item.isTextual() ? item.textValue() : ""));
    } else {
      names.addAll(List.of(value.asText().split(",", -1)));
    }
    boolean areLabels = option == RunOption.LABEL_NAMES; // tokens such as </think> have slashes
    String refused = areLabels ? "(?s).*[,\n\r/\\\\].*" : "(?s).*[,\n\r].*";
    if (names.isEmpty() || names.stream().anyMatch(n -> n.isBlank() || n.matches(refused))) {
      throw ApiException.badRequest(
          "attune." + name,
          "'attune."
              + name
              + "' is a list of names, in which none may be empty, or have a comma"
              + (areLabels ? ", a slash, a backslash" : "")
              + " or a line end");
    }
    return String.join(",", names);
  }

  /**
   * An option's value for a run. The command line takes a file's name for a list of names too; what
   * has a line end is none, so that no name stands for a file of the server's.
   */
  static String forRun(RunOption option, String value) {
    return takesNames(option) ? value.replace(',', '\n') + "\n" : value;
  }
}
