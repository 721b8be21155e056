package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * A model as it was on the way.
 *
 * @param id such as {@code ftckpt_…}
 * @param job id
 * @param created second
 * @param model its name to clients
 * @param metrics of its step
 */
record JobCheckpoint(
    String id, String job, long step, long created, String model, ObjectNode metrics) {
  /** As OpenAI shows checkpoints. */
  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("object", "fine_tuning.job.checkpoint");
    json.put("id", id);
    json.put("created_at", created);
    json.put("fine_tuned_model_checkpoint", model);
    json.put("fine_tuning_job_id", job);
    json.set("metrics", metrics);
    json.put("step_number", step);
    return json;
  }
}
