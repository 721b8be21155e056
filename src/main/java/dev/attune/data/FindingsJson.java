package dev.attune.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/** Findings as JSON and back, to be kept. */
final class FindingsJson {
  private FindingsJson() {}

  static ArrayNode of(List<Finding> findings) {
    ArrayNode list = JsonNodeFactory.instance.arrayNode();
    for (Finding finding : findings) {
      ObjectNode node = list.addObject();
      node.put("severity", finding.severity().name());
      node.put("code", finding.code());
      node.put("split", finding.split());
      node.put("message", finding.message());
      finding.rows().forEach(node.putArray("rows")::add);
      node.put("count", finding.count());
      finding.reasons().forEach(node.putArray("reasons")::add);
    }
    return list;
  }

  static List<Finding> findings(JsonNode list) {
    List<Finding> findings = new ArrayList<>();
    for (JsonNode node : list) {
      List<Integer> rows = new ArrayList<>();
      node.path("rows").forEach(row -> rows.add(row.asInt()));
      List<String> reasons = new ArrayList<>();
      node.path("reasons").forEach(reason -> reasons.add(reason.asText()));
      findings.add(
          new Finding(
              Finding.Severity.valueOf(node.path("severity").asText()),
              node.path("code").asText(),
              node.path("split").asText(),
              node.path("message").asText(),
              rows,
              node.path("count").asInt(),
              List.copyOf(reasons)));
    }
    return findings;
  }
}
