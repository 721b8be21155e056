package dev.attune.server.jobs;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * Why a job has failed.
 *
 * @param code for programs
 * @param message for people
 * @param param the field of the job that is to blame; null: none
 */
record JobError(String code, String message, String param) {
  ObjectNode toJson() {
    return JsonNodeFactory.instance
        .objectNode()
        .put("code", code)
        .put("message", message)
        .put("param", param);
  }
}
