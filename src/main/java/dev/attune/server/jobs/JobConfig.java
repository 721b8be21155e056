package dev.attune.server.jobs;

import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.run.CommandOptions;
import dev.attune.run.OptionNames;
import dev.attune.run.RunConfig;
import dev.attune.run.RunOption;
import dev.attune.run.TrainRun;
import dev.attune.server.files.FileStore;
import dev.attune.server.files.StoredFile;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelRoom;
import dev.attune.server.models.ServedModel;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * From what a client asked for to the options of a run, with what {@code auto} stands for.
 *
 * @param model that is tuned
 * @param files the training file and, where there is one, the validation file
 * @param config of the run
 */
record JobConfig(ServedModel model, List<StoredFile> files, RunConfig config) {
  private static final int USUAL_RANK = 16;
  private static final int USUAL_MOST_BATCH = 32;
  private static final String CAUSAL_LM = "causal-lm";
  private static final String DPO = "dpo";

  /** Tasks whose models are adapters unless a client says otherwise. */
  private static final Set<String> ADAPTED =
      Set.of(
          CAUSAL_LM,
          DPO,
          "classification",
          "multi-label-classification",
          "regression",
          "token-classification",
          "question-answering");

  /** Endings of files whose form a run tells by them. */
  private static final Set<String> KNOWN =
      Set.of("jsonl", "json", "csv", "tsv", "parquet", "conll", "txt");

  /** What makes the files and the model of a job; what it makes is to have room. */
  record Sources(
      FileStore files, ModelCatalog models, ModelRoom room, JobFolders folders, Path runStore) {}

  /** Where files come from: see {@link FileStore#find} and {@link FileStore#findNeeded}. */
  private interface Files {
    StoredFile of(String tenant, String id);
  }

  /**
   * The options of a job's run.
   *
   * @throws ApiException if a file or the model has gone, or cannot be for this
   */
  static JobConfig of(Job job, Sources sources) {
    return of(job, job.request().model(), sources);
  }

  /**
   * A message on the job as its client understands it, without places on the disk.
   *
   * @param output folder of the run
   */
  String worded(String message, Path output) {
    String words =
        JobWords.of(message, files)
            .replace(output.getParent().toString(), "the job's folder")
            .replace(model.folder().toString(), "'" + model.id() + "'");
    String base = config.text(RunOption.BASE_MODEL);
    return base == null ? words : words.replace(base, "'" + model.base() + "'");
  }

  /** The same of a job that is of another model. */
  static JobConfig of(Job job, String model, Sources sources) {
    return of(
        job.tenant(),
        job.request().of(model),
        job.plan(),
        sources.folders().model(job),
        sources,
        sources.files()::findNeeded);
  }

  /**
   * The options of a run that a job would be.
   *
   * @throws ApiException if it cannot be one, naming the field that is to blame
   */
  static JobConfig ofNew(String tenant, JobRequest request, Sources sources) {
    JobConfig made;
    try {
      made = of(tenant, request, null, sources.folders().models(), sources, sources.files()::find);
      sources.models().baseOf(made.model()); // refuses an adapter whose base has changed
    } catch (InputException e) {
      throw ApiException.badRequest(null, JobWords.of(e.getMessage()));
    }
    try {
      TrainRun.check(made.config());
    } catch (InputException e) {
      throw ApiException.badRequest(null, JobWords.of(e.getMessage(), made.files()));
    }
    return made;
  }

  private static JobConfig of(
      String tenant, JobRequest request, JobPlan plan, Path output, Sources sources, Files find) {
    ServedModel model = sources.models().findPinned(tenant, request.model());
    List<StoredFile> files = files(tenant, request, find);
    String task = task(request);
    RunConfig.Builder config = RunConfig.builder(CommandOptions.TRAIN);
    config.set(RunOption.TASK, task);
    config.set(RunOption.MODEL, model.folder().toString());
    boolean isAdapter = ModelFolder.isAdapter(model.folder());
    if (isAdapter) {
      config.set(RunOption.BASE_MODEL, base(model, sources.models()).toString());
    }
    config.set(RunOption.TRAIN_FILE, files.get(0).path().toString());
    if (files.size() > 1) {
      config.set(RunOption.VALIDATION_FILE, files.get(1).path().toString());
    }
    if (!KNOWN.contains(form(files.get(0)))) {
      config.set(RunOption.FORMAT, "jsonl");
    }
    boolean isWhole = "0".equals(request.options().get(RunOption.LORA_R));
    boolean adapts = !isAdapter && !isWhole && ADAPTED.contains(task);
    if (adapts) {
      config.set(RunOption.LORA_R, Integer.toString(USUAL_RANK));
    }
    numbers(config, request, plan, adapts || isAdapter);
    config.set(RunOption.OUTPUT_DIR, output.toString());
    config.set(RunOption.RUN_STORE, sources.runStore().toString());
    config.set(RunOption.RESUME, "true");
    request
        .options()
        .forEach((option, value) -> config.set(option, JobOptions.forRun(option, value)));
    return new JobConfig(model, files, config.build());
  }

  /** The folder of what an adapter was tuned from. */
  private static Path base(ServedModel model, ModelCatalog models) {
    if (model.base() == null) {
      throw ApiException.badRequest(
          "model",
          "'"
              + model.id()
              + "' is an adapter that the server has as a base; what it was tuned from is not known"
              + " here, so that it cannot be tuned. Tune another model");
    }
    Path base = models.baseFolder(model);
    if (base == null) {
      throw ApiException.badRequest(
          "model",
          "'"
              + model.id()
              + "' was tuned from '"
              + model.base()
              + "', which this server has no more, so that it cannot be tuned on. Tune another"
              + " model, or ask who runs this server for that base");
    }
    return base;
  }

  private static void numbers(
      RunConfig.Builder config, JobRequest request, JobPlan plan, boolean adapts) {
    JobRequest.Hyperparameters asked = request.hyperparameters();
    double epochs = asked.epochs() == null ? JobRequest.USUAL_EPOCHS : asked.epochs();
    config.set(RunOption.EPOCHS, plain(BigDecimal.valueOf(epochs)));
    if (plan != null) {
      config.set(RunOption.BATCH_SIZE, Integer.toString(plan.batchSize()));
      config.set(RunOption.SAVE_STEPS, Long.toString(plan.saveSteps()));
    } else if (asked.batchSize() != null) {
      config.set(RunOption.BATCH_SIZE, Integer.toString(asked.batchSize()));
    }
    if (asked.multiplier() != null) {
      BigDecimal usual = new BigDecimal(adapts ? "2e-4" : "2e-5");
      config.set(
          RunOption.LEARNING_RATE, plain(usual.multiply(BigDecimal.valueOf(asked.multiplier()))));
    }
    if (asked.beta() != null) {
      beta().ifPresent(option -> config.set(option, plain(BigDecimal.valueOf(asked.beta()))));
    }
    config.set(RunOption.SEED, Long.toString(request.seed()));
  }

  private static String plain(BigDecimal number) {
    return number.stripTrailingZeros().toPlainString();
  }

  private static List<StoredFile> files(String tenant, JobRequest request, Files find) {
    List<StoredFile> files = new ArrayList<>();
    files.add(file(tenant, "training_file", request.trainingFile(), find));
    if (request.validationFile() != null) {
      files.add(file(tenant, "validation_file", request.validationFile(), find));
    }
    if (files.size() > 1 && !form(files.get(0)).equals(form(files.get(1)))) {
      throw ApiException.badRequest(
          "validation_file",
          "The training file '"
              + files.get(0).name()
              + "' and the validation file '"
              + files.get(1).name()
              + "' are of different forms, as their names say; give both in one");
    }
    return files;
  }

  private static StoredFile file(String tenant, String field, String id, Files find) {
    StoredFile file;
    try {
      file = find.of(tenant, id);
    } catch (ApiException e) {
      throw ApiException.badRequest(field, "'" + field + "': there is no file '" + id + "'");
    }
    if (!file.purpose().equals("fine-tune")) {
      throw ApiException.badRequest(
          field,
          "'"
              + field
              + "': the file '"
              + id
              + "' has the purpose '"
              + file.purpose()
              + "'; upload it with 'fine-tune'");
    }
    return file;
  }

  /** By the ending of its name; jsonl where that says nothing. */
  private static String form(StoredFile file) {
    String name = file.path().getFileName().toString().replaceFirst("\\.(gz|zst)$", "");
    String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    return name.indexOf('.') >= 0 && KNOWN.contains(ending) ? ending : "";
  }

  private static String task(JobRequest request) {
    String asked = request.options().get(RunOption.TASK);
    if (!request.isDpo()) {
      return asked == null ? CAUSAL_LM : asked;
    }
    if (asked != null && !asked.equals(DPO)) {
      throw ApiException.badRequest(
          "attune.task",
          "'attune.task' is '"
              + asked
              + "', and the method of the job is dpo; leave one of the two"
              + " out");
    }
    if (beta().isEmpty()) {
      throw ApiException.unsupported(
          "method.type", "'method.type' dpo is not supported by this version of the server yet");
    }
    return DPO;
  }

  /** The option of dpo's beta; empty: there is none yet. */
  private static Optional<RunOption> beta() {
    return OptionNames.find("dpo-beta", CommandOptions.TRAIN);
  }

  /**
   * Examples in a batch where a client leaves that open: the power of two at most a 32nd of the
   * rows, from 1 to 32, so that an epoch has about 32 steps or more.
   */
  static int usualBatch(int rows) {
    return Math.max(1, Math.min(USUAL_MOST_BATCH, Integer.highestOneBit(rows / USUAL_MOST_BATCH)));
  }
}
