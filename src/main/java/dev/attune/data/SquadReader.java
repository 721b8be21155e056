package dev.attune.data;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Check;
import dev.attune.core.InputException;
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
    this.bad = new BadRows(options.skipBadRows());
  }

  Dataset read(Utf8Lines lines) {
    StringBuilder text = new StringBuilder();
    for (String line = lines.next(); line != null; line = lines.next()) {
      text.append(line).append('\n');
    }
    JsonNode root;
    try {
      root = JSON.readTree(text.toString());
    } catch (JsonProcessingException e) {
      throw new InputException(file + " is not valid JSON: " + e.getOriginalMessage(), e);
    }
    if (!root.path("data").isArray()) {
      throw new InputException(
          file
              + " is no file of SQuAD: a .json file needs {\"data\": [{\"paragraphs\": ...}]}. A"
              + " .json array of rows becomes .jsonl with: jq -c '.[]' in.json > out.jsonl");
    }
    List<Example> examples = new ArrayList<>();
    int row = 0;
    for (JsonNode article : root.get("data")) {
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
