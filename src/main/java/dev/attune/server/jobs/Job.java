package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * A job as it stands at one time.
 *
 * @param number in the order in which jobs came
 * @param id such as {@code ftjob-…}
 * @param tenant whose it is
 * @param created second
 * @param finished second; null: it has not ended
 * @param started millisecond when it last began to run; 0: never
 * @param hasPrecedence whether it was at work when something else than its owner stopped it
 * @param plan null: its files are not validated yet
 * @param tunedModel null: there is none yet
 * @param resultFile id; null: there is none
 * @param trainedTokens null: it has not ended
 * @param error null: none
 */
record Job(
    long number,
    String id,
    String tenant,
    JobStatus status,
    long created,
    Long finished,
    long started,
    boolean hasPrecedence,
    JobRequest request,
    JobPlan plan,
    String tunedModel,
    String resultFile,
    Long trainedTokens,
    JobError error) {
  /** As names of models and folders have it. */
  String shortId() {
    return id.substring(id.indexOf('-') + 1).substring(0, 8);
  }

  /** Memory that it takes; 0: not known yet. */
  long needBytes() {
    return plan == null ? 0 : plan.need().bytes();
  }

  private JobRequest.Hyperparameters shownHyperparameters() {
    JobRequest.Hyperparameters asked = request.hyperparameters();
    if (plan == null) {
      return asked;
    }
    return new JobRequest.Hyperparameters(
        asked.epochs() == null ? Double.valueOf(JobRequest.USUAL_EPOCHS) : asked.epochs(),
        plan.batchSize(),
        asked.multiplier() == null ? Double.valueOf(1) : asked.multiplier(),
        asked.beta());
  }

  /**
   * As OpenAI shows jobs.
   *
   * @param progress of one that runs; null: it does not
   */
  ObjectNode toJson(JobProgress progress) {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("id", id);
    json.put("object", "fine_tuning.job");
    json.put("created_at", created);
    json.set("error", error == null ? JsonNodeFactory.instance.nullNode() : error.toJson());
    json.put("estimated_finish", progress == null ? null : progress.estimatedFinish());
    json.put("fine_tuned_model", tunedModel);
    json.put("finished_at", finished);
    JobRequest.Hyperparameters shown = shownHyperparameters();
    json.set("hyperparameters", shown.toJson(request.isDpo()));
    json.set("method", request.methodJson(shown));
    json.putArray("integrations");
    json.set("metadata", request.toJson().get("metadata"));
    json.put("model", request.model());
    json.put("organization_id", tenant);
    List.of(resultFile == null ? new String[0] : new String[] {resultFile})
        .forEach(json.putArray("result_files")::add);
    json.put("seed", request.seed());
    json.put("status", status.word());
    json.put("trained_tokens", trainedTokens);
    json.put("training_file", request.trainingFile());
    json.put("validation_file", request.validationFile());
    json.put("user_provided_suffix", request.suffix().isEmpty() ? null : request.suffix());
    ObjectNode attune = request.attuneJson();
    if (plan != null) {
      attune.set("plan", plan.toJson());
    }
    if (progress != null) {
      attune.put("step", progress.step());
      attune.put("steps_per_second", progress.stepsPerSecond());
    }
    json.set("attune", attune);
    return json;
  }
}
