package dev.attune.server.jobs;

import dev.attune.core.Term;
import dev.attune.run.RunOption;
import dev.attune.server.files.StoredFile;
import java.util.Collection;
import java.util.Locale;
import java.util.Map;
import java.util.stream.Stream;

/** Messages of the rooms below in the words of this API: the fields of a job. */
final class JobWords {
  private static final Map<String, String> FIELDS =
      Map.of(
          "MODEL", "model",
          "TRAIN_FILE", "training_file",
          "VALIDATION_FILE", "validation_file",
          "EPOCHS", "n_epochs",
          "BATCH_SIZE", "batch_size",
          "SEED", "seed",
          "DPO_BETA", "beta",
          "TRAINING", "a job",
          "PREDICTION", "a classification",
          "OUTPUT_DIR", "the job's folder");

  private JobWords() {}

  /** A message as a client understands it. */
  static String of(String message) {
    return Term.worded(message, JobWords::word);
  }

  /**
   * The same of a message on files, which clients know by their names.
   *
   * @param files whose places on the server's disk stand in it
   */
  static String of(String message, Collection<StoredFile> files) {
    String words = of(message);
    for (StoredFile file : files) {
      words = words.replace(file.path().toString(), file.name());
    }
    return words;
  }

  private static String word(String term, String value) {
    String field = FIELDS.get(term);
    if (field == null && Stream.of(RunOption.values()).anyMatch(o -> o.name().equals(term))) {
      field = "attune." + term.toLowerCase(Locale.ROOT);
    }
    return field == null || value == null ? field : field + " " + value;
  }
}
