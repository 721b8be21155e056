package dev.attune.core;

import java.util.Locale;
import java.util.function.BiFunction;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a user can set or call, where messages must name it though each face of the product has its
 * own word: the command line says {@code --max-length}, the API {@code maxLength}. A message
 * carries the term in marks, "‹max length› is 5; …", and the face that shows it puts its word there
 * by {@link #worded}.
 */
public enum Term {
  /** Training, as something to call. */
  TRAINING,
  /** Predicting, likewise. */
  PREDICTION,

  ADAM_BETA1,
  ADAM_BETA2,
  ADAM_EPSILON,
  ADD_TOKENS,
  BASE_MODEL,
  BATCH_SAMPLER,
  BATCH_SIZE,
  CHECK_NUMERICS,
  CLASS_WEIGHTS,
  COLUMNS,
  DELIMITER,
  DOC_STRIDE,
  DPO_BETA,
  DROPOUT,
  EARLY_STOPPING_PATIENCE,
  ENCODING,
  EPOCHS,
  EVALUATE_WITH,
  EVAL_STEPS,
  FORMAT,
  FREEZE,
  FREEZE_BASE,
  FREEZE_LAYERS,
  GENERATOR,
  GRADIENT_ACCUMULATION_STEPS,
  GRADIENT_CHECKPOINTING,
  HEAD_C,
  HEAD_LEARNING_RATE,
  HYPOTHESIS_TEMPLATE,
  INTERLEAVE_PROBS,
  LABELS,
  LABEL_DESCRIPTIONS,
  LABEL_NAMES,
  LABEL_SMOOTHING,
  LABEL_TEMPLATE,
  LAYER_LR_DECAY,
  LEARNING_RATE,
  LOAD_BEST_MODEL_AT_END,
  LOAD_IN_4BIT,
  LOAD_IN_8BIT,
  LOGPROBS,
  LORA_ALPHA,
  LORA_ALPHA_PATTERN,
  LORA_BIAS,
  LORA_DROPOUT,
  LORA_EXCLUDE_MODULES,
  LORA_LAYERS,
  LORA_MODULES_TO_SAVE,
  LORA_R,
  LORA_RANK_PATTERN,
  LORA_TARGETS,
  LORA_TRAINABLE_TOKEN_INDICES,
  LOSS,
  LOSS_MARGIN,
  LOSS_SCALE,
  LR_SCHEDULER,
  LR_SCHEDULER_KWARGS,
  MATRYOSHKA_DIMS,
  MATRYOSHKA_WEIGHTS,
  MAX_ANSWER_LENGTH,
  MAX_GRAD_NORM,
  MAX_LENGTH,
  MAX_NEW_TOKENS,
  MAX_STEPS,
  METRIC_FOR_BEST_MODEL,
  MASK_REPLACE_PROB,
  MINI_BATCH_SIZE,
  MIN_P,
  MLM_PROBABILITY,
  MODEL,
  MULTI_LABEL,
  NORMALIZE,
  N_BEST,
  NULL_THRESHOLD,
  NUM_BEAMS,
  NUM_ITERATIONS,
  ON_NONFINITE,
  OPTIMIZER,
  PASSAGE_PROMPT,
  POOLING,
  POS_WEIGHT,
  PRECISION,
  PROMPT_LOOKUP_NUM_TOKENS,
  PROMPT_NAME,
  QUERY_PROMPT,
  QUOTING,
  RANDOM_REPLACE_PROB,
  REPETITION_PENALTY,
  REPORT_TO,
  RESUME,
  RUN_STORE,
  SAMPLING_STRATEGY,
  SAVE_STEPS,
  SEED,
  SGD_MOMENTUM,
  SHUFFLE_BUFFER_SIZE,
  SKIP_BAD_ROWS,
  STREAMING,
  STREAMS,
  STRIDE,
  TASK,
  TEMPERATURE,
  TOP_K,
  TOP_LOGPROBS,
  TOP_P,
  TRAIN_ON_PROMPT,
  TRIPLET_DISTANCE,
  TRUNCATE_DIM,
  TUNE_THRESHOLDS,
  USE_DORA,
  VALIDATION_FILE,
  VALIDATION_SPLIT,
  WARMUP_RATIO,
  WEIGHT_DECAY,
  WHOLE_WORD_MASK,
  ZERO_SHOT;

  private static final Pattern MARKED =
      Pattern.compile("‹([a-z0-9]+(?: [a-z0-9]+)*)(?:=((?:[^›]++|››)*+))?›(?!›)");

  /** The term in a message: ‹max length›. */
  @Override
  public String toString() {
    return marked(name(), null);
  }

  /** The term with a value in a message, where the two are one thing to do: ‹precision=fp32›. */
  public String of(Object value) {
    return marked(name(), value.toString());
  }

  /**
   * A term of a list above, likewise.
   *
   * @param name of the constant: MAX_LENGTH
   * @param value null: none
   */
  public static String marked(String name, String value) {
    String words = name.toLowerCase(Locale.ROOT).replace('_', ' ');
    return "‹" + words + (value == null ? "" : "=" + value.replace("›", "››")) + "›";
  }

  /**
   * A message in a face's words.
   *
   * @param words of a constant's name (MAX_LENGTH), and of its value or null; null where it is no
   *     term, and the message says what it says
   */
  public static String worded(String message, BiFunction<String, String, String> words) {
    return MARKED
        .matcher(message)
        .replaceAll(
            mark -> {
              String name = mark.group(1).toUpperCase(Locale.ROOT).replace(' ', '_');
              String value = mark.group(2) == null ? null : mark.group(2).replace("››", "›");
              String word = words.apply(name, value);
              return Matcher.quoteReplacement(word == null ? mark.group() : word);
            });
  }
}
