package dev.attune.train;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.batch.Cursor;
import java.util.Arrays;

/** What a run knows beyond its buffers: saved in checkpoints, restored by a resume. */
final class TrainState {
  /** Optimizer steps done. */
  long step;

  /** Steps of the whole run. */
  long totalSteps;

  /** Micro-batches done: keys the dropout masks. */
  long microStep;

  Cursor cursor = Cursor.START;
  long tokens;
  long examples;
  double lossSum;
  double bestScore = Double.NaN;
  long bestStep;
  int evaluationsSinceBest;

  /** Whether early stopping ended the run. */
  boolean stoppedEarly;

  /** What a rate that follows evaluations knows of them; null where it goes by the step alone. */
  double[] evaluatedRate;

  /** Whether the evaluation after this step was due, and has not ended. */
  boolean evaluationDue;

  /** Steps that changed nothing, because a loss or gradient was not finite. */
  long skipped;

  /** How many of them were the last ones. */
  int skippedInARow;

  /** Has no best weights any more: the next evaluation finds the first. */
  void forgetBest() {
    bestScore = Double.NaN;
    bestStep = 0;
    evaluationsSinceBest = 0;
  }

  ObjectNode toJson() {
    ObjectNode json = JsonNodeFactory.instance.objectNode();
    json.put("step", step).put("total_steps", totalSteps);
    json.put("stopped_early", stoppedEarly)
        .put("micro_step", microStep)
        .set("cursor", cursor.toJson());
    json.put("tokens", tokens).put("examples", examples);
    // Bits, not decimals: a resumed run must report the same numbers.
    json.put("loss_sum_bits", Double.doubleToRawLongBits(lossSum));
    json.put("best_score_bits", Double.doubleToRawLongBits(bestScore));
    json.put("evaluation_due", evaluationDue);
    json.put("skipped_steps", skipped).put("skipped_in_a_row", skippedInARow);
    json.put("best_step", bestStep).put("evaluations_since_best", evaluationsSinceBest);
    if (evaluatedRate != null) {
      ArrayNode bits = json.putArray("evaluated_rate_bits");
      Arrays.stream(evaluatedRate).mapToLong(Double::doubleToRawLongBits).forEach(bits::add);
    }
    return json;
  }

  static TrainState fromJson(JsonNode json) {
    TrainState state = new TrainState();
    state.step = json.path("step").asLong();
    state.totalSteps = json.path("total_steps").asLong();
    state.stoppedEarly = json.path("stopped_early").asBoolean();
    state.microStep = json.path("micro_step").asLong();
    state.cursor = Cursor.fromJson(json.path("cursor"));
    state.tokens = json.path("tokens").asLong();
    state.examples = json.path("examples").asLong();
    state.lossSum = Double.longBitsToDouble(json.path("loss_sum_bits").asLong());
    state.bestScore = Double.longBitsToDouble(json.path("best_score_bits").asLong());
    state.bestStep = json.path("best_step").asLong();
    state.evaluationsSinceBest = json.path("evaluations_since_best").asInt();
    state.evaluationDue = json.path("evaluation_due").asBoolean();
    state.skipped = json.path("skipped_steps").asLong();
    state.skippedInARow = json.path("skipped_in_a_row").asInt();
    JsonNode bits = json.path("evaluated_rate_bits");
    if (bits.isArray()) {
      state.evaluatedRate = new double[bits.size()];
      Arrays.setAll(state.evaluatedRate, i -> Double.longBitsToDouble(bits.get(i).longValue()));
    }
    return state;
  }
}
