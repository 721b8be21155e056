package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.run.TrainEstimate;
import dev.attune.run.TrainEstimate.Need;

/**
 * What was found out about a job when its files were validated.
 *
 * @param rows of the training file
 * @param batchSize examples in a batch
 * @param steps of the whole job
 * @param saveSteps from one checkpoint to the next
 * @param need memory
 * @param base what the base was, by content; null: the job is of a server that did not look
 */
record JobPlan(int rows, int batchSize, long steps, long saveSteps, Need need, String base) {
  /** Checkpoints of a job, where steps are few. */
  private static final int CHECKPOINTS = 10;

  /** What a kill may cost at most. */
  private static final long MOST_STEPS_BETWEEN = 100;

  static JobPlan of(TrainEstimate estimate) {
    long steps = estimate.steps();
    return new JobPlan(
        estimate.rows(),
        estimate.batchSize(),
        steps,
        Math.max(1, Math.min(MOST_STEPS_BETWEEN, (steps + CHECKPOINTS - 1) / CHECKPOINTS)),
        estimate.need(),
        estimate.baseContent());
  }

  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("rows", rows).put("batch_size", batchSize).put("steps", steps);
    json.put("save_steps", saveSteps);
    json.put("base", base);
    ObjectNode memory = json.putObject("memory_bytes");
    memory.put("weights", need.weightBytes());
    memory.put("frozen_weights", need.frozenBytes());
    memory.put("optimizer", need.optimizerBytes());
    memory.put("activations", need.activationBytes());
    memory.put("data", need.dataBytes());
    memory.put("checkpoint_copy", need.copyBytes());
    return json;
  }

  static JobPlan fromJson(JsonNode json) {
    JsonNode memory = json.path("memory_bytes");
    return new JobPlan(
        json.path("rows").asInt(),
        json.path("batch_size").asInt(),
        json.path("steps").asLong(),
        json.path("save_steps").asLong(),
        new Need(
            memory.path("weights").asLong(),
            memory.path("frozen_weights").asLong(),
            memory.path("optimizer").asLong(),
            memory.path("activations").asLong(),
            memory.path("data").asLong(),
            memory.path("checkpoint_copy").asLong()),
        json.path("base").asText(null));
  }
}
