package dev.attune.server.feedback;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.FileOps;
import dev.attune.storage.AtomicFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;

/**
 * What a model had learned before it began to learn while serving: rows that updates repeat, and
 * rows that they never see, on which they are measured. Kept as the learner found them, since files
 * that a client uploaded may go.
 */
record OldData(List<LabelledText> replay, List<LabelledText> heldOut) {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String REPLAY = "replay.jsonl";
  private static final String HELD_OUT = "held_out.jsonl";

  OldData {
    replay = List.copyOf(replay);
    heldOut = List.copyOf(heldOut);
  }

  /**
   * Keeps it in a folder, which is named after its content.
   *
   * @param line the folder of the model's line
   * @return the folder's name
   */
  String save(Path line) throws IOException {
    String replayed = lines(replay);
    String held = lines(heldOut);
    byte[] digest = LabelledText.digest(replayed + '\0' + held);
    String name = "data-" + HexFormat.of().formatHex(digest, 0, 8);
    Path folder = line.resolve(name);
    FileOps.SYSTEM.createFolder(folder);
    AtomicFile.write(folder.resolve(REPLAY), replayed);
    AtomicFile.write(folder.resolve(HELD_OUT), held);
    return name;
  }

  private static String lines(List<LabelledText> rows) {
    StringBuilder out = new StringBuilder();
    for (LabelledText row : rows) {
      ObjectNode json = JSON.createObjectNode();
      json.put("text", row.text());
      if (row.pair() != null) {
        json.put("text_pair", row.pair());
      }
      json.put("label", row.label());
      out.append(json).append('\n');
    }
    return out.toString();
  }

  /** Reads what {@link #save} has kept. */
  static OldData open(Path line, String name) {
    Path folder = line.resolve(name);
    return new OldData(read(folder.resolve(REPLAY)), read(folder.resolve(HELD_OUT)));
  }

  private static List<LabelledText> read(Path file) {
    try {
      List<LabelledText> rows = new ArrayList<>();
      for (String line : Files.readAllLines(file)) {
        rows.add(row(line));
      }
      return rows;
    } catch (IOException e) {
      throw new UncheckedIOException("a learner's old data cannot be read: " + e.getMessage(), e);
    }
  }

  private static LabelledText row(String line) throws JsonProcessingException {
    JsonNode json = JSON.readTree(line);
    return new LabelledText(
        json.get("text").textValue(),
        json.path("text_pair").textValue(),
        json.get("label").textValue());
  }
}
