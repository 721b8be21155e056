package dev.attune.run;

import dev.attune.core.InputException;
import dev.attune.core.NearestName;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * From what a user typed to an option: its own name, with dashes or underscores, or the name that
 * it has in Transformers, its example scripts, PEFT and TRL. What has no counterpart is explained,
 * and a typo is answered with the nearest name.
 */
public final class OptionNames {
  private static final Map<String, RunOption> ELSEWHERE =
      Map.ofEntries(
          Map.entry("adam-eps", RunOption.ADAM_EPSILON),
          Map.entry("dataset", RunOption.TRAIN_FILE),
          Map.entry("eval-file", RunOption.VALIDATION_FILE),
          Map.entry("label-smoothing-factor", RunOption.LABEL_SMOOTHING),
          Map.entry("lora-rank", RunOption.LORA_R),
          Map.entry("lora-target-modules", RunOption.LORA_TARGETS),
          Map.entry("lr", RunOption.LEARNING_RATE),
          Map.entry("lr-scheduler-type", RunOption.LR_SCHEDULER),
          Map.entry("max-seq-length", RunOption.MAX_LENGTH),
          Map.entry("model-name-or-path", RunOption.MODEL),
          Map.entry("momentum", RunOption.SGD_MOMENTUM),
          Map.entry("n-best-size", RunOption.N_BEST),
          Map.entry("null-score-diff-threshold", RunOption.NULL_THRESHOLD),
          Map.entry("num-epochs", RunOption.EPOCHS),
          Map.entry("num-train-epochs", RunOption.EPOCHS),
          Map.entry("optim", RunOption.OPTIMIZER),
          Map.entry("output", RunOption.OUTPUT_DIR),
          Map.entry("overwrite-output-dir", RunOption.OVERWRITE),
          Map.entry("per-device-train-batch-size", RunOption.BATCH_SIZE),
          Map.entry("predict-file", RunOption.FILE),
          Map.entry("target-modules", RunOption.LORA_TARGETS),
          Map.entry("test-file", RunOption.FILE),
          Map.entry("train-batch-size", RunOption.BATCH_SIZE));

  private static final String LEAVE_OUT = "; leave it out";

  private static final Map<String, String> EXPLAINED =
      Map.ofEntries(
          Map.entry("bf16", "say " + RunOption.PRECISION.with("bf16")),
          Map.entry(
              "dataloader-num-workers",
              "batches are always prepared ahead, in threads of their own" + LEAVE_OUT),
          Map.entry("do-eval", "a run evaluates where there is a file for it" + LEAVE_OUT),
          Map.entry("do-predict", "the command attune predict does that" + LEAVE_OUT),
          Map.entry("do-train", "the command attune train does that" + LEAVE_OUT),
          Map.entry(
              "fp16",
              "there is no fp16, whose range training overflows; "
                  + RunOption.PRECISION.with("bf16")
                  + " is as fast"),
          Map.entry(
              "group-by-length", "nothing is padded, so there is nothing to group" + LEAVE_OUT),
          Map.entry("line-by-line", "say " + RunOption.FORMAT.with("lines")),
          Map.entry("no-cuda", "say " + RunOption.BACKEND.with("cpu")),
          Map.entry("pad-to-max-length", "nothing is padded, in any batch" + LEAVE_OUT),
          Map.entry(
              "per-device-eval-batch-size",
              "batches of evaluations fill up by tokens, to the same numbers" + LEAVE_OUT),
          Map.entry(
              "push-to-hub", "the command attune push does that once a run has ended" + LEAVE_OUT),
          Map.entry(
              "resume-from-checkpoint",
              "say " + RunOption.RESUME + ": it finds the newest whole checkpoint"),
          Map.entry(
              "save-strategy",
              "say "
                  + RunOption.SAVE_STEPS
                  + ", or leave it out: the end and every interruption save"),
          Map.entry("tf32", "products are never rounded to tf32" + LEAVE_OUT),
          Map.entry("use-cpu", "say " + RunOption.BACKEND.with("cpu")));

  private OptionNames() {}

  /** The option of that name among those that a command takes. */
  public static Optional<RunOption> find(String name, List<RunOption> known) {
    String wanted = plain(name);
    for (RunOption option : known) {
      if (option.option().equals(wanted)) {
        return Optional.of(option);
      }
    }
    return Optional.ofNullable(ELSEWHERE.get(wanted)).filter(known::contains);
  }

  /** What to say of a name that {@link #find} does not know. */
  public static InputException unknown(String name, List<RunOption> known, String where) {
    String wanted = plain(name.replaceFirst("^-+", ""));
    String advice = EXPLAINED.get(wanted);
    if (wanted.equals(RunOption.TASK.option()) && known.contains(RunOption.MODEL)) {
      advice = "the task is what the model's folder says" + LEAVE_OUT;
    }
    if (advice == null) {
      advice =
          NearestName.of(wanted, known.stream().map(RunOption::option).toList())
              .flatMap(meant -> find(meant, known))
              .map(option -> "did you mean " + option + "?")
              .orElse("attune help lists those of each command");
    }
    return new InputException(where + "there is no option '" + name + "'; " + advice);
  }

  private static String plain(String name) {
    return name.toLowerCase(Locale.ROOT).replace('_', '-');
  }
}
