package dev.attune.run;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.folder.ContentDigest;
import dev.attune.folder.FinishedModel;
import dev.attune.task.Task;
import dev.attune.train.TrainResult;
import java.nio.file.Path;

/** What a run leaves, at its end or on its way. */
final class TrainedFolder {
  private TrainedFolder() {}

  /** The model as it is to stand in a folder. */
  static FinishedModel of(PreparedRun run, Task task, TrainResult result) {
    TrainPlan plan = run.plan();
    ObjectNode json = run.config();
    ObjectNode attune = JsonNodeFactory.instance.objectNode();
    // An adapter's folder has no config.json: what the outputs mean must stand elsewhere.
    task.describe(plan.lora() == null ? json : attune, attune);
    attune.put("task", task.type().leaves().name());
    attune.put("base_model", run.baseName());
    if (plan.lora() != null) {
      attune.put(ContentDigest.BASE_CONTENT, run.baseContent());
    }
    attune.put("max_length", run.maxLength());
    attune.put("steps", result.steps());
    attune.put("epochs", result.epochs());
    if (result.endsWithBest() && result.bestStep() > 0) {
      attune.put("best_step", result.bestStep()); // whose weights these are
    }
    attune.put("train_loss", result.trainLoss());
    ObjectNode eval = attune.putObject("eval");
    result.evaluation().forEach(eval::put);
    Path generation = run.base().generationConfig();
    FinishedModel finished =
        plan.lora() == null
            ? FinishedModel.whole(run.model(), json, "F32", run.tokenizer(), generation, attune)
            : FinishedModel.adapter(
                run.model(),
                plan.lora(),
                run.baseName(),
                task.type().peftType(),
                run.base().hasOwnVocabulary(),
                run.tokenizer(),
                generation,
                attune);
    return task.finished(finished, run.model().width(), run.maxLength());
  }
}
