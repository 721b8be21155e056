package dev.attune.server.feedback;

import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.folder.ModelFolder;
import dev.attune.server.http.ApiException;
import dev.attune.server.models.ModelCatalog;
import dev.attune.server.models.ModelLine;
import dev.attune.task.Classification;
import dev.attune.task.Task;
import dev.attune.task.TaskOptions;
import dev.attune.task.Tasks;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/** What models can be taught by corrections, and which labels they know: by their files alone. */
final class Classifiers {
  private final ModelCatalog models;
  private final Map<Path, List<String>> labels = new ConcurrentHashMap<>();

  Classifiers(ModelCatalog models) {
    this.models = models;
  }

  /**
   * The labels of a classifier.
   *
   * @throws ApiException if it is none that corrections can teach
   */
  List<String> labels(ModelLine line) {
    return labels.computeIfAbsent(line.original().folder(), folder -> read(line, folder));
  }

  private List<String> read(ModelLine line, Path folder) {
    Path base = models.baseOf(line.original());
    try {
      Task task =
          Tasks.of(
              ModelFolder.open(folder, base == null ? null : base.toString()), TaskOptions.NONE);
      Check.input(
          task.type() == Classification.TYPE,
          "it was trained for %s; corrections teach models for %s",
          task.name(),
          Classification.TYPE.name());
      return List.copyOf(task.labels().names());
    } catch (InputException e) {
      throw ApiException.badRequest(
          "model", "'" + line.model() + "' takes no corrections: " + Learner.reason(line, e));
    }
  }

  /** Refuses a label that the model does not know. */
  void check(ModelLine line, String param, String label) {
    List<String> known = labels(line);
    if (!known.contains(label)) {
      throw ApiException.badRequest(
          param,
          "'"
              + param
              + "' is '"
              + label
              + "', which '"
              + line.model()
              + "' does not know; its labels are "
              + String.join(", ", known));
    }
  }
}
