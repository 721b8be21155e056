package dev.attune.run;

import dev.attune.core.Term;
import java.util.Locale;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The options of runs: their names on the command line and in config files, what they take, their
 * defaults. One list, so that help, files and overrides cannot disagree.
 */
public enum RunOption {
  MODEL(
      "NAME|DIR",
      null,
      "minilm, bge-small-en, bge-small-zh, e5-small, a Hugging Face folder, or ORG/NAME[@REVISION]"
          + " of the Hugging Face Hub",
      OnResume.BY_CONTENT),
  TASK(
      "TASK",
      "classification",
      "classification, multi-label-classification, regression, token-classification,"
          + " question-answering, causal-lm, masked-lm, replaced-token-detection, embedding,"
          + " few-shot or few-shot-multi-label",
      OnResume.STAYS),
  TRAIN_FILE(
      "FILE",
      null,
      "training data: .csv, .tsv, .jsonl, .json, .parquet, .arrow, .conll, or .txt (one running"
          + " text), also in .gz or .zst; a folder or a pattern of such; several: give it again; -:"
          + " standard input; hf://datasets/ORG/NAME/path/file.csv",
      OnResume.BY_CONTENT),
  VALIDATION_FILE("FILE", null, "data to evaluate on while training", OnResume.BY_CONTENT),
  TEST_FILE("FILE", null, "data to evaluate on once, at the end", OnResume.MAY_CHANGE),
  OUTPUT_DIR("DIR", null, "where the fine-tuned model goes", OnResume.MAY_CHANGE),
  COLUMNS(
      "LIST",
      null,
      "text=NAME,label=NAME; of a file without header: text,label",
      OnResume.BY_CONTENT),
  FORMAT(
      "NAME",
      null,
      "how files are written, whatever their names: csv, tsv, jsonl, json, parquet, arrow, conll,"
          + " txt, lines (a text a line) or fasttext (__label__NAME text)",
      OnResume.BY_CONTENT),
  ENCODING("NAME", null, "of text files, such as windows-1252; else UTF-8", OnResume.BY_CONTENT),
  DELIMITER(
      "NAME",
      null,
      "between the fields of a table: comma, semicolon, tab, pipe, or the character",
      OnResume.BY_CONTENT),
  QUOTING(
      "KIND",
      null,
      "of a table's fields: csv (one in quotes may hold anything) or none (quotes are text)",
      OnResume.BY_CONTENT),
  LABEL_NAMES(
      "LIST|FILE",
      null,
      "of labels or tags that are numbers from 0: NAME,NAME, or a file of one a line",
      OnResume.BY_CONTENT),
  SKIP_BAD_ROWS(
      null,
      "false",
      "leave out rows that cannot be read or have no label, and count them",
      OnResume.BY_CONTENT),
  VALIDATION_SPLIT(
      "X",
      null,
      "share of the training file to evaluate on, in place of --validation-file",
      OnResume.STAYS),
  TEST_SPLIT(
      "X", null, "share of the training file to test on, in place of --test-file", OnResume.STAYS),
  K_FOLD(
      "K",
      "0",
      "cross-validation: K runs, each evaluated on another part of the training file; 0: none",
      OnResume.STAYS),
  KEEP_FOLD_MODELS(null, "false", "leave the model of each fold of --k-fold", OnResume.MAY_CHANGE),
  INTERLEAVE_PROBS(
      "LIST",
      null,
      "draw each training row from one of several --train-file, with these probabilities: 0.7,0.3",
      OnResume.STAYS),
  STOPPING_STRATEGY(
      "NAME",
      "first_exhausted",
      "when --interleave-probs has drawn enough: first_exhausted (of the files), or all_exhausted,"
          + " where shorter ones begin again",
      OnResume.STAYS),
  STREAMING(
      null,
      "false",
      "read the rows of --train-file while they are learned from, JSON Lines or a text a line: what"
          + " grows, or has no end (-); needs --max-steps",
      OnResume.STAYS),
  SHUFFLE_BUFFER_SIZE(
      "N",
      "1000",
      "with --streaming: rows that are read ahead, from which the next is drawn; the first N tell"
          + " columns and labels",
      OnResume.STAYS),
  MAX_TRAIN_SAMPLES("N", null, "train on the first N rows only", OnResume.STAYS),
  MAX_EVAL_SAMPLES("N", null, "evaluate on the first N rows only", OnResume.BY_CONTENT),
  EPOCHS("N", "3", "passes over the training data; 0.5 is half of one", OnResume.MAY_GROW),
  MAX_STEPS("N", "0", "optimizer steps in all; 0: as the epochs say", OnResume.MAY_GROW),
  BATCH_SIZE("N", "32", "examples in a batch", OnResume.STAYS),
  GRADIENT_ACCUMULATION_STEPS("N", "1", "batches in an optimizer step", OnResume.STAYS),
  LEARNING_RATE(
      "X", "2e-5", "peak learning rate; of adapters 2e-4 where not given", OnResume.STAYS),
  HEAD_LEARNING_RATE(
      "X", null, "peak learning rate of the head; as the rest where not given", OnResume.STAYS),
  LAYER_LR_DECAY(
      "X",
      "1",
      "each layer learns at X times the rate of the one above, the embeddings slowest; 1: all"
          + " alike",
      OnResume.STAYS),
  LR_SCHEDULER(
      "KIND",
      "linear",
      "linear, cosine, cosine_with_restarts, cosine_with_min_lr, cosine_warmup_with_min_lr,"
          + " polynomial, inverse_sqrt, constant (without warmup), constant_with_warmup,"
          + " warmup_stable_decay, reduce_lr_on_plateau or greedy (without warmup)",
      OnResume.STAYS),
  LR_SCHEDULER_KWARGS(
      "LIST",
      null,
      "numbers of that shape by Transformers' names: power=2,lr_end=1e-6",
      OnResume.STAYS),
  WARMUP_RATIO("X", "0.1", "share of the steps that warm up", OnResume.STAYS),
  WARMUP_STEPS("N", "-1", "steps that warm up, in place of --warmup-ratio", OnResume.STAYS),
  OPTIMIZER(
      "KIND",
      "adamw",
      "adamw, adamw-bf16 or adamw-8bit (whose moments take a half or a quarter of the memory), sgd",
      OnResume.STAYS),
  WEIGHT_DECAY("X", "0.01", "decay of matrices and embeddings", OnResume.STAYS),
  ADAM_BETA1("X", "0.9", "decay of the first moment", OnResume.STAYS),
  ADAM_BETA2("X", "0.999", "decay of the second moment", OnResume.STAYS),
  ADAM_EPSILON("X", "1e-8", "added to the root of the second moment", OnResume.STAYS),
  SGD_MOMENTUM("X", "0.9", "momentum of --optimizer sgd", OnResume.STAYS),
  MAX_GRAD_NORM("X", "1.0", "bound on the gradient norm; 0: none", OnResume.STAYS),
  ON_NONFINITE(
      "WHAT",
      "stop",
      "a step whose loss or gradient is infinite or NaN changes nothing, and stop ends the run,"
          + " skip goes on with the next step",
      OnResume.STAYS),
  CHECK_NUMERICS(
      null,
      "false",
      "read all that ops make, and name the one that makes the first value that is infinite or NaN;"
          + " slow",
      OnResume.MAY_CHANGE),
  LABEL_SMOOTHING("X", "0", "share of a label's weight spread over all labels", OnResume.STAYS),
  MAX_LENGTH("N", "512", "tokens of an example; longer ones are cut, and counted", OnResume.STAYS),
  TRAIN_ON_PROMPT(
      null, "false", "learn prompts and all turns too, not only what answers them", OnResume.STAYS),
  MLM_PROBABILITY(
      "P", null, "share of the tokens that are masked; 0.15, of ModernBERT 0.3", OnResume.STAYS),
  MASK_REPLACE_PROB(
      "P",
      null,
      "share of the masked tokens that become the mask token; 0.8, of whole words 1, of"
          + " replaced-token-detection 0.85",
      OnResume.STAYS),
  RANDOM_REPLACE_PROB(
      "P",
      null,
      "share of the masked tokens that become any token, the rest staying; 0.1, of whole words and"
          + " replaced-token-detection 0",
      OnResume.STAYS),
  WHOLE_WORD_MASK(
      null, "false", "mask words as a whole, as the tokenizer divides texts", OnResume.STAYS),
  GENERATOR(
      "DIR",
      null,
      "of replaced-token-detection: folder of the masked language model that replaces tokens",
      OnResume.BY_CONTENT),
  CLASS_WEIGHTS(
      "LIST",
      null,
      "what classes count in the loss, NAME=X,NAME=X, or balanced: inversely to their frequency",
      OnResume.STAYS),
  POS_WEIGHT(
      "LIST",
      null,
      "of several labels a row: weight of positives, NAME=X,NAME=X, or auto: negatives over"
          + " positives",
      OnResume.STAYS),
  TUNE_THRESHOLDS(
      null,
      "false",
      "at the end set thresholds for the best F1 on validation data",
      OnResume.STAYS),
  DOC_STRIDE(
      "N",
      null,
      "tokens that windows of a long context share; 128 for a new model",
      OnResume.STAYS),
  MAX_ANSWER_LENGTH("N", null, "tokens of an answer at most; 30 for a new model", OnResume.STAYS),
  N_BEST("N", null, "answers to consider; 20 for a new model", OnResume.STAYS),
  NULL_THRESHOLD(
      "X",
      null,
      "how much likelier than the best answer it must be that there is none; 0 for a new model",
      OnResume.STAYS),
  FREEZE(
      "LIST",
      null,
      "parts that keep their weights: embeddings, and layers counted from 0, as layers.0-3",
      OnResume.STAYS),
  FREEZE_LAYERS(
      "N", "0", "keep the weights of the embeddings and of the first N layers", OnResume.STAYS),
  FREEZE_BASE(null, "false", "keep all weights but the head's (linear probing)", OnResume.STAYS),
  DPO_BETA(
      "X",
      null,
      "of --task dpo: how much a difference between the answers' log-ratios counts, the less the"
          + " further the model may go from where it began; 0.1",
      OnResume.STAYS),
  LOSS(
      "NAME",
      null,
      "of embeddings: multiple-negatives-ranking (the default of pairs and triplets),"
          + " multiple-negatives-symmetric-ranking, cosent (the default of scores),"
          + " cosine-similarity or triplet; of --task dpo: sigmoid (the default), hinge or ipo",
      OnResume.STAYS),
  LOSS_SCALE("X", null, "of cosines in a ranking loss and in cosent; 20", OnResume.STAYS),
  LOSS_MARGIN("X", null, "of the triplet loss; 5", OnResume.STAYS),
  TRIPLET_DISTANCE(
      "NAME", null, "of the triplet loss: euclidean, the default, or cosine", OnResume.STAYS),
  MATRYOSHKA_DIMS(
      "LIST", null, "learn vectors that may be cut to these lengths: 384,256,128", OnResume.STAYS),
  MATRYOSHKA_WEIGHTS("LIST", null, "weight of the loss at each; 1", OnResume.STAYS),
  POOLING(
      "NAME",
      null,
      "how embeddings are made of tokens: mean, cls or lasttoken; else as the model has it",
      OnResume.STAYS),
  NORMALIZE(null, "false", "make embeddings unit vectors, if the model does not", OnResume.STAYS),
  QUERY_PROMPT("TEXT", null, "put before the first text of each row", OnResume.STAYS),
  PASSAGE_PROMPT("TEXT", null, "put before the other texts of each row", OnResume.STAYS),
  MINI_BATCH_SIZE(
      "N",
      null,
      "of embeddings: rows that the model reads at a time, in the memory of so many; the loss stays"
          + " that of the whole batch",
      OnResume.STAYS),
  BATCH_SAMPLER(
      "NAME",
      null,
      "of embeddings: batch, the default, or no-duplicates: no text twice in a batch",
      OnResume.STAYS),
  SAMPLING_STRATEGY(
      "NAME",
      null,
      "of few-shot: what pairs of rows vectors learn from: batch, the default (all pairs of each"
          + " batch), halves (the same of texts and their halves), or as SetFit lists them,"
          + " oversampling, undersampling or unique",
      OnResume.STAYS),
  NUM_ITERATIONS(
      "N", null, "of listed pairs: so many of each kind for each row instead", OnResume.STAYS),
  LABEL_TEMPLATE(
      "TEXT",
      null,
      "of few-shot: a sentence that says a label, learned as eight texts of it; none: no such"
          + " sentences. Of two to five labels that are words, 'This text is about {}.'",
      OnResume.STAYS),
  HEAD_C(
      "X",
      null,
      "of few-shot: how much rows count in the logistic regression beside short weights"
          + " (scikit-learn's C); 1",
      OnResume.STAYS),
  LORA_R(
      "N",
      "0",
      "train low-rank adapters of this rank, and freeze the model; 0: train it all",
      OnResume.STAYS),
  LORA_ALPHA(
      "X",
      null,
      "adapters are scaled by alpha / r; twice the rank where not given",
      OnResume.STAYS),
  LORA_DROPOUT("P", "0", "dropout on the input of adapters", OnResume.STAYS),
  LORA_TARGETS(
      "LIST",
      "all-linear",
      "products with an adapter, e.g. q_proj,v_proj; or a regular expression of whole names",
      OnResume.STAYS),
  LORA_EXCLUDE_MODULES("LIST", null, "modules that get none after all", OnResume.STAYS),
  LORA_LAYERS(
      "LIST", null, "layers with adapters, e.g. 0,4-7; all where not given", OnResume.STAYS),
  LORA_RANK_PATTERN(
      "LIST", null, "ranks of single modules: pattern=rank,pattern=rank", OnResume.STAYS),
  LORA_ALPHA_PATTERN(
      "LIST", null, "alphas of single modules: pattern=alpha,pattern=alpha", OnResume.STAYS),
  LORA_MODULES_TO_SAVE(
      "LIST",
      null,
      "modules to train whole beside the adapters, e.g. embed_tokens",
      OnResume.STAYS),
  LORA_TRAINABLE_TOKEN_INDICES(
      "LIST",
      null,
      "tokens whose rows of the word embedding are trained beside the adapters, by their ids:"
          + " 5,100-103",
      OnResume.STAYS),
  LORA_BIAS("KIND", "none", "biases to train: none, all or lora_only", OnResume.STAYS),
  INIT_LORA_WEIGHTS(
      "KIND",
      "true",
      "how adapters begin: true (A random, B zero), gaussian, pissa or olora",
      OnResume.STAYS),
  USE_RSLORA(null, "false", "scale adapters by alpha / sqrt(r)", OnResume.STAYS),
  USE_DORA(
      null,
      "false",
      "train the norms of adapted weights' rows apart (weight-decomposed)",
      OnResume.STAYS),
  LOAD_IN_4BIT(null, "false", "hold frozen weights in 4 bits (QLoRA's NF4)", OnResume.STAYS),
  LOAD_IN_8BIT(null, "false", "hold frozen weights in 8 bits", OnResume.STAYS),
  GRADIENT_CHECKPOINTING(
      null,
      "false",
      "keep each layer's input only: less memory, a third more work",
      OnResume.MAY_CHANGE),
  DROPOUT("P", null, "replaces every dropout of the model", OnResume.STAYS),
  SEED("N", "42", "seed of the order, dropout and new weights", OnResume.STAYS),
  NO_SHUFFLE(null, "false", "train in the order of the file", OnResume.STAYS),
  PRECISION(
      "KIND",
      "auto",
      "auto, bf16 or fp32; or int8, to predict, evaluate or embed",
      OnResume.BY_CONTENT),
  BACKEND("KIND", "auto", "auto, cpu, cuda or torch", OnResume.BY_CONTENT),
  ISA(
      "LEVEL",
      "auto",
      "instruction set of the CPU's kernels: auto (the fastest for the precision), portable, avx2,"
          + " avx512, avx512_bf16, amx or best (the highest)",
      OnResume.BY_CONTENT),
  THREADS("N", "0", "threads; 0: all cores", OnResume.MAY_CHANGE),
  EVAL_STEPS(
      "N",
      "0",
      "evaluate every N steps; 0: after each epoch",
      OnResume.STAYS_WHERE_EVALUATIONS_COUNT),
  EVAL_STRATEGY(
      "WHEN",
      null,
      "no (at the end alone), epoch or steps; as --eval-steps says where not given",
      OnResume.STAYS_WHERE_EVALUATIONS_COUNT),
  SAVE_STEPS(
      "N", "0", "save a checkpoint every N steps; 0: only when interrupted", OnResume.MAY_CHANGE),
  SAVE_TOTAL_LIMIT("N", "2", "checkpoints to keep, at least 2", OnResume.MAY_CHANGE),
  SAVE_LAST(
      null,
      "false",
      "keep a checkpoint of the end too, from which --resume goes on with more --epochs or"
          + " --max-steps",
      OnResume.MAY_CHANGE),
  SAVE_RETRY_MINUTES(
      "N",
      "30",
      "how long the finished model waits for room on the disk where nobody is asked; 0: not at all",
      OnResume.MAY_CHANGE),
  EARLY_STOPPING_PATIENCE(
      "N", "0", "evaluations without improvement to stop after; 0: never", OnResume.STAYS),
  METRIC_FOR_BEST_MODEL(
      "NAME",
      null,
      "what makes weights the best: loss, or any metric; where given, the best are kept",
      OnResume.STAYS),
  LOAD_BEST_MODEL_AT_END(
      null,
      "false",
      "end with the weights of the best evaluation; early stopping always does",
      OnResume.STAYS),
  LOGGING_STEPS("N", "1", "a line in metrics.jsonl every N steps", OnResume.MAY_CHANGE),
  RUN_STORE(
      "DIR", null, "folder of the store that records runs; none: not at all", OnResume.MAY_CHANGE),
  REPORT_TO(
      "LIST",
      null,
      "where else steps and metrics go: tensorboard, mlflow, openmetrics",
      OnResume.MAY_CHANGE),
  METRICS_PORT(
      "N",
      "0",
      "port of this machine for --report-to openmetrics; 0: a file alone",
      OnResume.MAY_CHANGE),
  REPORT(
      null, "false", "leave report.html and curves.svg in the output folder", OnResume.MAY_CHANGE),
  ADD_TOKENS(
      "LIST|FILE",
      null,
      "words to add to the vocabulary, NAME,NAME, or a file of one a line; each begins as the mean"
          + " of its pieces",
      OnResume.STAYS),
  FROM_SCRATCH(
      null,
      "false",
      "draw all weights anew: of the model's folder config.json and the tokenizer count alone",
      OnResume.STAYS),
  NEW_HEAD(null, "false", "draw the head anew, though the model has one that fits", OnResume.STAYS),
  RESUME(
      null, "false", "go on from the newest checkpoint in the output folder", OnResume.MAY_CHANGE),
  OVERWRITE(null, "false", "replace the model in the output folder", OnResume.MAY_CHANGE),
  FILE("FILE", null, "data to evaluate or predict"),
  OUTPUT("FILE", null, "where results go: .jsonl, or .csv or .tsv; of embeddings .jsonl or .npy"),
  EVALUATE_WITH(
      "WAY",
      "loss",
      "of language models: loss, or generate and compare with the answers",
      OnResume.STAYS_WHERE_EVALUATIONS_COUNT),
  STRIDE("N", null, "of a running text: windows of max length, N tokens apart; else end to end"),
  BASE_MODEL(
      "NAME|DIR",
      null,
      "the base model, where it is not what the adapter or the run says",
      OnResume.BY_CONTENT),
  PROMPT("TEXT", null, "what to continue"),
  PROMPT_NAME("NAME", null, "the prompt of the model to put before texts, such as query"),
  TRUNCATE_DIM("N", null, "keep the first N numbers of each embedding"),
  PROMPTS("FILE", null, "many prompts: .txt, one a line, or rows with a prompt or messages"),
  INTERACTIVE(null, "false", "a conversation on the terminal"),
  CHAT(null, "false", "the prompt is a user's message: apply the chat template"),
  SYSTEM("TEXT", null, "system message of --chat and --interactive"),
  MAX_NEW_TOKENS("N", "256", "tokens to generate at most", OnResume.STAYS_WHERE_EVALUATIONS_COUNT),
  TEMPERATURE(
      "X",
      null,
      "sample, with logits divided by this; 0: always the most probable token; of --zero-shot:"
          + " scores"),
  TOP_K("N", "0", "sample among the K most probable tokens; 0: all"),
  TARGETS("LIST", null, "tokens that alone are scored for a mask: good,bad"),
  TOP_P("P", "1", "sample among the fewest tokens whose probabilities reach P"),
  MIN_P("P", "0", "drop tokens less probable than this share of the most probable one"),
  REPETITION_PENALTY(
      "X", null, "of tokens that have occurred; 1: none; else as generation_config.json says"),
  NUM_BEAMS("N", "1", "beam search over so many texts"),
  LENGTH_PENALTY("X", "1", "of beam search: scores are divided by length to this power"),
  STOP(
      "TEXT",
      null,
      "end the text before this string; \\n is a line end",
      OnResume.STAYS_WHERE_EVALUATIONS_COUNT),
  STREAMS("N", "16", "prompts in work at a time", OnResume.MAY_CHANGE),
  PROMPT_LOOKUP_NUM_TOKENS(
      "N",
      "0",
      "propose up to N tokens that follow in the text where its last ones stood before: the same"
          + " texts, sooner where much is copied; 0: none",
      OnResume.MAY_CHANGE),
  LOGPROBS(null, "false", "tell each token's log-probability"),
  TOP_LOGPROBS("N", "0", "of --logprobs: tell so many of the most probable tokens too, up to 20"),
  LOAD_IN_BF16(
      null, "false", "hold a language model's weights in bf16, though --precision is fp32"),
  SHAPE(
      "NAME",
      null,
      "random weights of this shape: minilm, bert-base, bert-large, gpt2, llama-160m, llama-1b"),
  FIXED_LENGTH(null, "false", "random texts of exactly --max-length tokens"),
  PROFILE(null, "false", "time each kernel", OnResume.MAY_CHANGE),
  REPO("ORG/NAME", null, "the repository of the hub, which is made where there is none"),
  REVISION("BRANCH", null, "the branch to commit to, which is made where there is none; else main"),
  COMMIT_MESSAGE("TEXT", null, "of the commit; else what it is: Upload model"),
  CREATE_PR(null, "false", "propose the commit as a pull request; the branch stays as it is"),
  PRIVATE(null, "false", "only its owners may see the repository"),
  LICENSE("NAME", null, "for the card, as the hub names it: apache-2.0, mit, cc-by-4.0 …"),
  LANGUAGE("LIST", null, "for the card, codes of languages: en,de"),
  WORST("N", null, "show the N rows that are predicted worst, with what they say"),
  CONFUSION_MATRIX(null, "false", "count what was predicted by what rows say, of all labels"),
  DRY_RUN(null, "false", "only tell what would be done"),
  STATUS("NAME", null, "only runs that are running, finished, failed or interrupted"),
  METRIC("LIST", null, "series by name: train/loss,eval/accuracy"),
  PORT("N", "7007", "of this machine; 0: one that is free"),
  ZERO_SHOT(
      null, "false", "choose among labels that the model has not learned, which --labels names"),
  LABELS("LIST|FILE", null, "of --zero-shot: NAME,NAME, or a file of one a line"),
  LABEL_DESCRIPTIONS(
      "FILE", null, "of --zero-shot: what stands for labels in texts, NAME=TEXT a line"),
  HYPOTHESIS_TEMPLATE(
      "TEXT", null, "of --zero-shot: a sentence that says a label, 'This example is {}.'"),
  MULTI_LABEL(null, "false", "of --zero-shot by entailment: each label holds or not by itself"),
  HOST(
      "ADDRESS",
      "127.0.0.1",
      "to listen on; on any but this machine's own, API keys are asked for (0.0.0.0: all)"),
  DATA_DIR("DIR", "attune-data", "where the server keeps its journal, files and models"),
  REQUIRE_KEYS(null, "false", "ask for API keys also on this machine, before there is one"),
  TLS_CERT("FILE", null, "answer over TLS: the certificate and those above it, PEM"),
  TLS_KEY("FILE", null, "the certificate's private key: PEM, PKCS#8, without a password"),
  TENANT_FILE_BYTES("N", null, "bytes that the files of one tenant may have together"),
  TENANT_JOBS("N", null, "jobs of one tenant that may wait or run at a time"),
  TENANT_REQUESTS("N", null, "requests that one tenant may make in a minute"),
  TENANT_SESSIONS("N", "16", "training sessions that one tenant may have"),
  TENANT_MODELS("N", null, "tuned models that one tenant may have"),
  TENANT_MODEL_BYTES(
      "N",
      null,
      "bytes that the tuned models of one tenant, and the states of its training sessions, may have"
          + " together: saves beyond it are refused, and new jobs once it is used up; jobs that"
          + " run, and models that learn, may pass it"),
  SESSION_IDLE(
      "SECONDS",
      "1800",
      "after which the model of a training session that nobody uses is saved and closed, until"
          + " somebody does"),
  TRAINING_MEMORY(
      "BYTES", null, "memory that jobs and training sessions may take; else half of the machine's"),
  WEBHOOK(
      "URL",
      null,
      "tell this address of the ends of all jobs, signed with the secret (whsec_...) in the"
          + " variable ATTUNE_WEBHOOK_SECRET"),
  STOP_TIMEOUT("SECONDS", "30", "how long requests that have begun are waited for at the end"),
  MODEL_MEMORY(
      "BYTES", null, "of models that are open to answer; half of the machine's unless given"),
  ADAPTER_MEMORY("BYTES", null, "of adapters beside their bases; a sixteenth of the machine's"),
  CACHE_MEMORY("BYTES", null, "of keys and values of a language model; a sixteenth likewise"),
  CHECK(null, "false", "serve nothing: compare all that the data folder holds with its journal"),
  SCOPE("LIST", "inference,training", "what a key allows: inference, training, admin"),
  TENANT("NAME", "local", "whose files, jobs and models a key opens"),
  EXPIRES("TIME", null, "after what time a key opens nothing: 90d, 12h, 30m; else never"),
  KEY_NAME("TEXT", null, "what its owner calls a key");

  /** Whether a resumed run may have another value than the run that it goes on with. */
  public enum OnResume {
    /** Decides what is learned or noted: must be as the run was begun. */
    STAYS,

    /** Says how long the run is: may become longer. */
    MAY_GROW,

    /**
     * Decides what evaluations find: must be as it was where the best weights are kept, where rates
     * follow evaluations, and in a cross-validation.
     */
    STAYS_WHERE_EVALUATIONS_COUNT,

    /** Another name for the same thing will do: what it stands for is compared, by content. */
    BY_CONTENT,

    /** Changes nothing in the result. */
    MAY_CHANGE,

    /** No option of training. */
    NOT_OF_TRAINING
  }

  private static final Pattern PLAIN_WORD = Pattern.compile("[\\p{L}\\p{N}_./:=,@%+…-]+");

  private final String argument;
  private final String defaultValue;
  private final String help;
  private final OnResume onResume;
  private final Term term;

  RunOption(String argument, String defaultValue, String help) {
    this(argument, defaultValue, help, OnResume.NOT_OF_TRAINING);
  }

  RunOption(String argument, String defaultValue, String help, OnResume onResume) {
    this.argument = argument;
    this.defaultValue = defaultValue;
    this.help = help;
    this.onResume = onResume;
    this.term =
        Stream.of(Term.values()).filter(t -> t.name().equals(name())).findFirst().orElse(null);
  }

  /** The name in kebab case: {@code train-file}. */
  public String option() {
    return name().toLowerCase(Locale.ROOT).replace('_', '-');
  }

  /** What lower rooms call it; null where they never do. */
  Term term() {
    return term;
  }

  /** The option in a message, which a face words: see {@link Term}. */
  @Override
  public String toString() {
    return Term.marked(name(), null);
  }

  /** The option with a value in a message, where the two are one thing to do. */
  public String with(Object value) {
    return Term.marked(name(), value.toString());
  }

  /** A message in the command line's words: ‹max length› is {@code --max-length}. */
  public static String worded(String message) {
    return Term.worded(message, RunOption::word);
  }

  private static String word(String term, String value) {
    if (term.equals(Term.TRAINING.name())) {
      return value == null ? "attune train" : "attune train " + MODEL.word(value);
    }
    if (term.equals(Term.PREDICTION.name())) {
      return "attune predict";
    }
    return Stream.of(values())
        .filter(option -> option.name().equals(term))
        .map(option -> option.word(value))
        .findFirst()
        .orElse(null);
  }

  private String word(String value) {
    return "--" + option() + (value == null ? "" : " " + quoted(value));
  }

  /** A value as a shell takes it for one word. */
  private static String quoted(String value) {
    return PLAIN_WORD.matcher(value).matches() ? value : "'" + value.replace("'", "'\\''") + "'";
  }

  /** What its value looks like in help; null for a flag. */
  public String argument() {
    return argument;
  }

  public boolean isFlag() {
    return argument == null;
  }

  /** Whether it may be given several times, each value beside the others. */
  public boolean isList() {
    return this == TRAIN_FILE || this == VALIDATION_FILE || this == TEST_FILE || this == FILE;
  }

  /** Whether its value is text for a model, which may be empty. */
  boolean takesAnyText() {
    return this == PROMPT || this == SYSTEM || this == QUERY_PROMPT || this == PASSAGE_PROMPT;
  }

  /** Whether white space alone is a value: a tab that parts fields, a line end that ends a text. */
  boolean takesWhiteSpace() {
    return this == DELIMITER || this == STOP;
  }

  /** Null: none. */
  public String defaultValue() {
    return defaultValue;
  }

  /** One line for help. */
  public String help() {
    return help;
  }

  /** Whether it may change when a run is resumed. */
  OnResume onResume() {
    return onResume;
  }
}
