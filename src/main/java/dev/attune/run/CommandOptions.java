package dev.attune.run;

import static dev.attune.run.RunOption.ADAPTER_MEMORY;
import static dev.attune.run.RunOption.BACKEND;
import static dev.attune.run.RunOption.BASE_MODEL;
import static dev.attune.run.RunOption.BATCH_SIZE;
import static dev.attune.run.RunOption.CACHE_MEMORY;
import static dev.attune.run.RunOption.CHAT;
import static dev.attune.run.RunOption.CHECK;
import static dev.attune.run.RunOption.COLUMNS;
import static dev.attune.run.RunOption.COMMIT_MESSAGE;
import static dev.attune.run.RunOption.CONFUSION_MATRIX;
import static dev.attune.run.RunOption.CREATE_PR;
import static dev.attune.run.RunOption.DATA_DIR;
import static dev.attune.run.RunOption.DELIMITER;
import static dev.attune.run.RunOption.DOC_STRIDE;
import static dev.attune.run.RunOption.DROPOUT;
import static dev.attune.run.RunOption.DRY_RUN;
import static dev.attune.run.RunOption.ENCODING;
import static dev.attune.run.RunOption.EVALUATE_WITH;
import static dev.attune.run.RunOption.EXPIRES;
import static dev.attune.run.RunOption.FILE;
import static dev.attune.run.RunOption.FIXED_LENGTH;
import static dev.attune.run.RunOption.FORMAT;
import static dev.attune.run.RunOption.GENERATOR;
import static dev.attune.run.RunOption.GRADIENT_CHECKPOINTING;
import static dev.attune.run.RunOption.HOST;
import static dev.attune.run.RunOption.HYPOTHESIS_TEMPLATE;
import static dev.attune.run.RunOption.INTERACTIVE;
import static dev.attune.run.RunOption.ISA;
import static dev.attune.run.RunOption.KEY_NAME;
import static dev.attune.run.RunOption.LABELS;
import static dev.attune.run.RunOption.LABEL_DESCRIPTIONS;
import static dev.attune.run.RunOption.LABEL_NAMES;
import static dev.attune.run.RunOption.LANGUAGE;
import static dev.attune.run.RunOption.LENGTH_PENALTY;
import static dev.attune.run.RunOption.LICENSE;
import static dev.attune.run.RunOption.LOAD_IN_4BIT;
import static dev.attune.run.RunOption.LOAD_IN_8BIT;
import static dev.attune.run.RunOption.LOAD_IN_BF16;
import static dev.attune.run.RunOption.LOGPROBS;
import static dev.attune.run.RunOption.LORA_ALPHA;
import static dev.attune.run.RunOption.LORA_DROPOUT;
import static dev.attune.run.RunOption.LORA_R;
import static dev.attune.run.RunOption.LORA_TARGETS;
import static dev.attune.run.RunOption.MASK_REPLACE_PROB;
import static dev.attune.run.RunOption.MAX_ANSWER_LENGTH;
import static dev.attune.run.RunOption.MAX_EVAL_SAMPLES;
import static dev.attune.run.RunOption.MAX_LENGTH;
import static dev.attune.run.RunOption.MAX_NEW_TOKENS;
import static dev.attune.run.RunOption.MAX_STEPS;
import static dev.attune.run.RunOption.METRIC;
import static dev.attune.run.RunOption.MIN_P;
import static dev.attune.run.RunOption.MLM_PROBABILITY;
import static dev.attune.run.RunOption.MODEL;
import static dev.attune.run.RunOption.MODEL_MEMORY;
import static dev.attune.run.RunOption.MULTI_LABEL;
import static dev.attune.run.RunOption.NORMALIZE;
import static dev.attune.run.RunOption.NULL_THRESHOLD;
import static dev.attune.run.RunOption.NUM_BEAMS;
import static dev.attune.run.RunOption.N_BEST;
import static dev.attune.run.RunOption.OPTIMIZER;
import static dev.attune.run.RunOption.OUTPUT;
import static dev.attune.run.RunOption.OUTPUT_DIR;
import static dev.attune.run.RunOption.OVERWRITE;
import static dev.attune.run.RunOption.PORT;
import static dev.attune.run.RunOption.PRECISION;
import static dev.attune.run.RunOption.PRIVATE;
import static dev.attune.run.RunOption.PROFILE;
import static dev.attune.run.RunOption.PROMPT;
import static dev.attune.run.RunOption.PROMPTS;
import static dev.attune.run.RunOption.PROMPT_LOOKUP_NUM_TOKENS;
import static dev.attune.run.RunOption.PROMPT_NAME;
import static dev.attune.run.RunOption.QUOTING;
import static dev.attune.run.RunOption.RANDOM_REPLACE_PROB;
import static dev.attune.run.RunOption.REPETITION_PENALTY;
import static dev.attune.run.RunOption.REPO;
import static dev.attune.run.RunOption.REPORT_TO;
import static dev.attune.run.RunOption.REQUIRE_KEYS;
import static dev.attune.run.RunOption.REVISION;
import static dev.attune.run.RunOption.RUN_STORE;
import static dev.attune.run.RunOption.SCOPE;
import static dev.attune.run.RunOption.SEED;
import static dev.attune.run.RunOption.SESSION_IDLE;
import static dev.attune.run.RunOption.SHAPE;
import static dev.attune.run.RunOption.SKIP_BAD_ROWS;
import static dev.attune.run.RunOption.STATUS;
import static dev.attune.run.RunOption.STOP;
import static dev.attune.run.RunOption.STOP_TIMEOUT;
import static dev.attune.run.RunOption.STREAMS;
import static dev.attune.run.RunOption.STRIDE;
import static dev.attune.run.RunOption.SYSTEM;
import static dev.attune.run.RunOption.TARGETS;
import static dev.attune.run.RunOption.TASK;
import static dev.attune.run.RunOption.TEMPERATURE;
import static dev.attune.run.RunOption.TENANT;
import static dev.attune.run.RunOption.TENANT_FILE_BYTES;
import static dev.attune.run.RunOption.TENANT_JOBS;
import static dev.attune.run.RunOption.TENANT_MODELS;
import static dev.attune.run.RunOption.TENANT_MODEL_BYTES;
import static dev.attune.run.RunOption.TENANT_REQUESTS;
import static dev.attune.run.RunOption.TENANT_SESSIONS;
import static dev.attune.run.RunOption.THREADS;
import static dev.attune.run.RunOption.TLS_CERT;
import static dev.attune.run.RunOption.TLS_KEY;
import static dev.attune.run.RunOption.TOP_K;
import static dev.attune.run.RunOption.TOP_LOGPROBS;
import static dev.attune.run.RunOption.TOP_P;
import static dev.attune.run.RunOption.TRAINING_MEMORY;
import static dev.attune.run.RunOption.TRAIN_ON_PROMPT;
import static dev.attune.run.RunOption.TRUNCATE_DIM;
import static dev.attune.run.RunOption.USE_DORA;
import static dev.attune.run.RunOption.USE_RSLORA;
import static dev.attune.run.RunOption.WEBHOOK;
import static dev.attune.run.RunOption.WHOLE_WORD_MASK;
import static dev.attune.run.RunOption.WORST;
import static dev.attune.run.RunOption.ZERO_SHOT;

import java.util.List;
import java.util.stream.Stream;

/** Which options each command takes, in the order of its help. */
public final class CommandOptions {
  /** What the rows of files are. */
  private static final List<RunOption> ROWS =
      List.of(COLUMNS, FORMAT, ENCODING, DELIMITER, QUOTING);

  /** How weights are held. */
  private static final List<RunOption> WEIGHTS = List.of(LOAD_IN_4BIT, LOAD_IN_8BIT, LOAD_IN_BF16);

  /** Where and how models compute. */
  private static final List<RunOption> COMPUTING = List.of(PRECISION, BACKEND, ISA, THREADS);

  /** Options of {@code attune train}. */
  public static final List<RunOption> TRAIN =
      Stream.concat(
              Stream.of(RunOption.values()).filter(option -> option.compareTo(FILE) < 0),
              Stream.of(BASE_MODEL, EVALUATE_WITH, MAX_NEW_TOKENS, STOP, STREAMS, PROFILE))
          .toList();

  private static final List<RunOption> INFERENCE =
      joined(
          List.of(
              List.of(MODEL, BASE_MODEL, FILE),
              ROWS,
              List.of(
                  SKIP_BAD_ROWS,
                  MAX_LENGTH,
                  TRAIN_ON_PROMPT,
                  DOC_STRIDE,
                  MAX_ANSWER_LENGTH,
                  N_BEST,
                  NULL_THRESHOLD,
                  ZERO_SHOT,
                  LABELS,
                  LABEL_DESCRIPTIONS,
                  HYPOTHESIS_TEMPLATE,
                  MULTI_LABEL,
                  TEMPERATURE),
              WEIGHTS,
              COMPUTING));

  /** Options of {@code attune embed}. */
  public static final List<RunOption> EMBED =
      joined(
          List.of(
              List.of(MODEL, BASE_MODEL, FILE, OUTPUT),
              ROWS,
              List.of(PROMPT_NAME, TRUNCATE_DIM, NORMALIZE, MAX_LENGTH),
              COMPUTING));

  /** Options of {@code attune generate}. */
  public static final List<RunOption> GENERATE =
      joined(
          List.of(
              List.of(MODEL, BASE_MODEL, PROMPT, PROMPTS),
              ROWS,
              List.of(
                  SKIP_BAD_ROWS,
                  INTERACTIVE,
                  CHAT,
                  SYSTEM,
                  OUTPUT,
                  MAX_NEW_TOKENS,
                  TEMPERATURE,
                  TOP_K,
                  TOP_P,
                  MIN_P,
                  REPETITION_PENALTY,
                  NUM_BEAMS,
                  LENGTH_PENALTY,
                  STOP,
                  STREAMS,
                  PROMPT_LOOKUP_NUM_TOKENS,
                  LOGPROBS,
                  TOP_LOGPROBS,
                  SEED,
                  MAX_LENGTH),
              WEIGHTS,
              COMPUTING));

  /** Options of {@code attune fill}. */
  public static final List<RunOption> FILL =
      joined(List.of(List.of(MODEL, TOP_K, TARGETS, MAX_LENGTH), COMPUTING));

  /** Options of {@code attune merge}. */
  public static final List<RunOption> MERGE =
      List.of(MODEL, BASE_MODEL, OUTPUT_DIR, OVERWRITE, THREADS);

  /** Options of {@code attune hub}. */
  public static final List<RunOption> HUB = List.of(DRY_RUN);

  /** Options of {@code attune runs}. */
  public static final List<RunOption> RUNS =
      List.of(RUN_STORE, STATUS, TASK, MODEL, METRIC, OUTPUT, REPORT_TO, DRY_RUN);

  /** Options of {@code attune report}. */
  public static final List<RunOption> REPORT = List.of(RUN_STORE, OUTPUT);

  /** Options of {@code attune board}. */
  public static final List<RunOption> BOARD = List.of(RUN_STORE, PORT);

  /** Options of {@code attune serve}. */
  public static final List<RunOption> SERVE =
      List.of(
          PORT,
          HOST,
          DATA_DIR,
          BASE_MODEL,
          REQUIRE_KEYS,
          TLS_CERT,
          TLS_KEY,
          TENANT_FILE_BYTES,
          TENANT_JOBS,
          TENANT_REQUESTS,
          TENANT_SESSIONS,
          TENANT_MODELS,
          TENANT_MODEL_BYTES,
          SESSION_IDLE,
          TRAINING_MEMORY,
          WEBHOOK,
          STOP_TIMEOUT,
          PRECISION,
          THREADS,
          STREAMS,
          MODEL_MEMORY,
          ADAPTER_MEMORY,
          CACHE_MEMORY,
          CHECK);

  /** Options of {@code attune keys}. */
  public static final List<RunOption> KEYS = List.of(DATA_DIR, SCOPE, TENANT, EXPIRES, KEY_NAME);

  /** Options of {@code attune push}. */
  public static final List<RunOption> PUSH =
      List.of(
          REPO,
          REVISION,
          COMMIT_MESSAGE,
          CREATE_PR,
          PRIVATE,
          LICENSE,
          LANGUAGE,
          BASE_MODEL,
          DRY_RUN);

  /** Options of {@code attune evaluate}. */
  public static final List<RunOption> EVALUATE =
      joined(
          List.of(
              INFERENCE,
              List.of(
                  LABEL_NAMES,
                  MLM_PROBABILITY,
                  MASK_REPLACE_PROB,
                  RANDOM_REPLACE_PROB,
                  WHOLE_WORD_MASK,
                  GENERATOR,
                  MAX_EVAL_SAMPLES,
                  STRIDE,
                  EVALUATE_WITH,
                  MAX_NEW_TOKENS,
                  STOP,
                  STREAMS,
                  WORST,
                  CONFUSION_MATRIX)));

  /** Options of {@code attune predict}. */
  public static final List<RunOption> PREDICT =
      joined(List.of(INFERENCE, List.of(OUTPUT, WORST, CONFUSION_MATRIX)));

  /** Options of {@code attune bench}. */
  public static final List<RunOption> BENCH =
      joined(
          List.of(
              List.of(MODEL, SHAPE, FILE),
              ROWS,
              List.of(
                  SKIP_BAD_ROWS,
                  BATCH_SIZE,
                  MAX_STEPS,
                  MAX_LENGTH,
                  FIXED_LENGTH,
                  LORA_R,
                  LORA_ALPHA,
                  LORA_DROPOUT,
                  LORA_TARGETS,
                  USE_RSLORA,
                  USE_DORA),
              WEIGHTS,
              List.of(
                  GRADIENT_CHECKPOINTING,
                  OPTIMIZER,
                  DROPOUT,
                  STREAMS,
                  MAX_NEW_TOKENS,
                  PROMPT_LOOKUP_NUM_TOKENS),
              COMPUTING,
              List.of(SEED, PROFILE)));

  private CommandOptions() {}

  private static List<RunOption> joined(List<List<RunOption>> parts) {
    return parts.stream().flatMap(List::stream).toList();
  }

  /**
   * Whether an option may be given several times, each value beside the others. A server has
   * several bases.
   *
   * @param known the options of the command
   */
  public static boolean isList(RunOption option, List<RunOption> known) {
    return option.isList() || option == BASE_MODEL && known == SERVE;
  }
}
