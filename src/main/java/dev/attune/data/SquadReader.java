package dev.attune.data;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Check;
import dev.attune.core.InputException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A file of SQuAD, version 1 or 2: {@code data[].paragraphs[].{context, qas[].{id, question,
 * answers[], is_impossible}}}. Rows are questions, counted from 1; their fields are those of the
 * flat form ({@code id, title, question, context, answers}).
 */
final class SquadReader {
  private static final ObjectMapper JSON = new ObjectMapper();

  private final Path file;
  private final BadRows bad;

  SquadReader(Path file, ReadOptions options) {
    this.file = file;
    this.bad = new BadRows(options.skipBadRows(), "row");
  }

  /** Reads articles one by one from the start of a text. */
  Dataset read(JsonParser parser) throws IOException {
    List<Example> examples = new ArrayList<>();
    int row = 0;
    parser.nextToken();
    while (parser.nextToken() == JsonToken.FIELD_NAME) {
      boolean data = parser.currentName().equals("data");
      parser.nextToken();
      if (!data) {
        parser.skipChildren();
        continue;
      }
      while (parser.nextToken() != JsonToken.END_ARRAY) {
        JsonNode article = JSON.readTree(parser);
        for (JsonNode paragraph : article.path("paragraphs")) {
          for (JsonNode question : paragraph.path("qas")) {
            row++;
            try {
              examples.add(example(row, article, paragraph, question));
            } catch (InputException e) {
              bad.add(row, e);
            }
          }
        }
      }
    }
    return bad.noted(new Dataset(file, examples, "SQuAD's questions, contexts and answers"));
  }

  private Example example(int row, JsonNode article, JsonNode paragraph, JsonNode question) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("id", question.path("id").asText());
    fields.put("title", article.path("title").asText());
    String asked = string(row, question, "question");
    String context = string(row, paragraph, "context");
    fields.put("question", asked);
    fields.put("context", context);
    List<GoldAnswer> answers = null;
    if (question.path("is_impossible").asBoolean(false)) {
      Check.input(
          question.path("answers").isEmpty(),
          "%s, row %d: the question is said to have no answer (is_impossible), and has answers; take"
              + " one of the two away",
          file,
          row);
      answers = List.of();
    } else if (question.hasNonNull("answers")) {
      try {
        answers = AnswerFields.of(JSON.convertValue(question.get("answers"), Object.class));
      } catch (InputException e) {
        throw new InputException(file + ", row " + row + ": " + e.getMessage(), e);
      }
    }
    if (answers != null) {
      fields.put("answers", columns(answers));
    }
    String broken = WholeCharacters.broken(fields);
    if (broken != null) {
      throw new InputException(file + ", row " + row + " has " + WholeCharacters.describe(broken));
    }
    return Example.ofQuestion(row, asked, context, answers, fields);
  }

  private static Map<String, Object> columns(List<GoldAnswer> answers) {
    Map<String, Object> columns = new LinkedHashMap<>();
    columns.put("text", answers.stream().map(GoldAnswer::text).toList());
    columns.put("answer_start", answers.stream().map(GoldAnswer::start).toList());
    return columns;
  }

  private String string(int row, JsonNode node, String key) {
    if (!node.path(key).isTextual()) {
      throw new InputException(file + ", row " + row + ": " + key + " is not a string");
    }
    return node.get(key).asText();
  }
}
