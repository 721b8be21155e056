package dev.attune.track;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Map;

/**
 * What is known of a run when it begins.
 *
 * @param name for people; need not be the only one of its kind
 * @param folder where its model goes: whole and real, so that a resume finds the run by it
 * @param task what is learned
 * @param model what it begins with
 * @param resumedAt the step that it goes on after; 0: it begins
 * @param createdMillis when, since 1970
 * @param documents what else is known, by kind: see {@link Documents}
 */
public record RunStart(
    String name,
    Path folder,
    String task,
    String model,
    long resumedAt,
    long createdMillis,
    Map<String, JsonNode> documents) {}
