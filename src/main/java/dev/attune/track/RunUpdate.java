package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.List;
import java.util.Map;

/**
 * What is new of a run.
 *
 * @param points in the order in which they came
 * @param documents by kind, whole: each takes the place of the one before
 * @param step the last that was done; 0: as before
 * @param totalSteps of the run; 0: as before
 * @param status what became of it
 */
public record RunUpdate(
    List<Point> points,
    Map<String, JsonNode> documents,
    long step,
    long totalSteps,
    RunStatus status) {
  /** Nothing is new. */
  static final RunUpdate NONE = new RunUpdate(List.of(), Map.of(), 0, 0, RunStatus.RUNNING);
}
