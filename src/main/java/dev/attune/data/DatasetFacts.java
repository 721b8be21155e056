package dev.attune.data;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.mapped.Store;
import dev.attune.data.mapped.Stores;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What is known of stored rows beside the rows, as JSON and back. */
final class DatasetFacts {
  private DatasetFacts() {}

  static ObjectNode of(Dataset data, StoredExamples examples) {
    ObjectNode facts = JsonNodeFactory.instance.objectNode();
    facts.put("source", data.source().toString());
    facts.put("records", examples.name());
    examples.codec().names().forEach(facts.putArray("names")::add);
    FileReading reading = data.reading();
    ObjectNode read = facts.putObject("reading");
    read.put("columns", reading.columns());
    ObjectNode roles = read.putObject("roles");
    reading.roles().forEach((role, column) -> roles.put(role.name(), column));
    if (reading.positions() != null) {
      reading.positions().forEach(read.putArray("positions")::add);
    }
    read.put("advice", reading.advice());
    read.put("running", reading.isRunning());
    read.set("findings", FindingsJson.of(reading.findings()));
    ArrayNode parts = facts.putArray("parts");
    for (DatasetPart part : data.parts()) {
      parts
          .addObject()
          .put("file", part.file().toString())
          .put("before", part.rowsBefore())
          .put("examples", part.examples())
          .put("form", part.form());
    }
    return facts;
  }

  /**
   * The rows of a store.
   *
   * @param stores where what is found out about them is kept
   */
  static Dataset dataset(Store store, String contentKey, Stores stores) {
    JsonNode facts = store.facts();
    String records = facts.path("records").asText();
    ExampleCodec codec = new ExampleCodec(texts(facts.path("names")));
    JsonNode read = facts.path("reading");
    Map<ColumnRole, String> roles = new LinkedHashMap<>();
    read.path("roles")
        .properties()
        .forEach(role -> roles.put(ColumnRole.valueOf(role.getKey()), role.getValue().asText()));
    List<DatasetPart> parts = new ArrayList<>();
    for (JsonNode part : facts.path("parts")) {
      parts.add(
          new DatasetPart(
              Path.of(part.path("file").asText()),
              part.path("before").asInt(),
              part.path("examples").asInt(),
              part.path("form").asText()));
    }
    return new Dataset(
        Path.of(facts.path("source").asText()),
        new StoredExamples(store.records(records), codec, records, contentKey, stores),
        new FileReading(
            read.path("columns").asText(),
            roles,
            read.has("positions") ? texts(read.path("positions")) : null,
            read.path("advice").asText(),
            FindingsJson.findings(read.path("findings")),
            read.path("running").asBoolean()),
        parts);
  }

  private static List<String> texts(JsonNode list) {
    List<String> texts = new ArrayList<>();
    list.forEach(text -> texts.add(text.asText()));
    return texts;
  }
}
