package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.type.TypeReference;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.json.JsonMapper;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** One JSON object a line to rows. Blank lines are allowed. */
final class JsonlReader {
  private static final ObjectReader OBJECT =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build()
          .readerFor(new TypeReference<LinkedHashMap<String, Object>>() {});

  private final Path file;
  private final ReadOptions options;

  JsonlReader(Path file, ReadOptions options) {
    this.file = file;
    this.options = options;
  }

  Dataset read(Utf8Lines lines) {
    Check.input(
        !options.columns().isPositional(),
        "%s: the rows of a .jsonl file name their fields, so %s by position has no meaning."
            + " Name them: %s",
        file,
        Term.COLUMNS,
        Term.COLUMNS.of(Columns.BY_NAME));
    BadRows bad = new BadRows(options.skipBadRows());
    List<ExampleReader.Row> rows = new ArrayList<>();
    for (String line = lines.next(); line != null; line = lines.next()) {
      if (!line.isBlank()) {
        try {
          Map<String, Object> fields = fields(lines.number(), line);
          rows.add(new ExampleReader.Row(lines.number(), fields, fields));
        } catch (InputException e) {
          bad.add(lines.number(), e);
        }
      }
    }
    if (lines.number() == 0) {
      throw new InputException(file + " is empty");
    }
    return new ExampleReader(file, options, false, bad).read(rows);
  }

  private Map<String, Object> fields(int row, String line) {
    Map<String, Object> fields;
    try {
      fields = OBJECT.readValue(line);
    } catch (JsonProcessingException e) {
      String where =
          e.getLocation() == null ? "" : " (character " + e.getLocation().getColumnNr() + ")";
      throw new InputException(
          at(row)
              + " is not one JSON object"
              + where
              + ": "
              + e.getOriginalMessage().lines().findFirst().orElse("")
              + ". A .jsonl file has one {...} on each line.",
          e);
    }
    for (Map.Entry<String, Object> field : fields.entrySet()) {
      String broken = WholeCharacters.broken(field.getValue());
      if (broken != null) {
        throw new InputException(
            at(row) + ": '" + field.getKey() + "' has " + WholeCharacters.describe(broken));
      }
    }
    String brokenName = WholeCharacters.broken(List.copyOf(fields.keySet()));
    if (brokenName != null) {
      throw new InputException(
          at(row) + ": the name of a field has " + WholeCharacters.describe(brokenName));
    }
    return fields;
  }

  private String at(int row) {
    return file + ", row " + row;
  }
}
