package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** JSON in the shapes that files have. */
class JsonFormatsTest extends FormatTrial {
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[{\"text\": \"good\", \"label\": 1},~ {\"text\": \"bad\", \"label\": 0}]|a list of objects",
        "{\"version\": 1, \"data\": [{\"text\": \"good\"}, {\"text\": \"bad\"}], \"x\": {}}"
            + "|the list \"data\"",
        "{\"train\": [{\"text\": \"good\"}, {\"text\": \"bad\"}]}|the list \"train\"",
        "{\"text\": \"good\"}~{\"text\": \"bad\"}~|one object a line",
      })
  void jsonIsReadByItsShapeWhichIsStated(String content, String form) {
    Dataset data = read(file("a.json", content.replace('~', '\n')));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals(List.of(1, 2), data.examples().stream().map(Example::row).toList());
    assertEquals(form, form(data));
  }

  @Test
  void oneObjectThatIsARowIsOneRow() {
    assertEquals(1, read(file("a.json", "{\"text\": \"a\", \"label\": 1}")).size());
    String chat = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}";
    assertEquals(1, read(file("b.json", chat)).get(0).messages().size());
  }

  @Test
  void aListUnderTheNameOfLinesIsRead() {
    Dataset data = read(file("a.jsonl", "[{\"text\": \"good\"},\n{\"text\": \"bad\"}]"));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals("a list of objects", form(data));
  }

  @Test
  void earlierTurnsOfAPromptAreNotLeftOut() {
    String row = "{\"query\": \"hi\", \"response\": \"yo\", \"history\": [%s]}\n";
    String refusal = refusal(file("a.jsonl", row.formatted("[\"a\", \"b\"]")));
    assertTrue(refusal.startsWith("a.jsonl, row 1: \"history\" holds earlier turns"), refusal);
    assertEquals("hi\n", read(file("b.jsonl", row.formatted(""))).get(0).prompt());
    String text = "{\"text\": \"good\", \"label\": 1, \"history\": [1]}\n";
    assertEquals(List.of("good"), texts(read(file("c.jsonl", text))), "of another kind");
  }

  @Test
  void squadKeepsItsReading() {
    Dataset data =
        read(
            file(
                "a.json",
                "{\"version\": \"1.1\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\":"
                    + " \"a b\", \"qas\": [{\"id\": \"1\", \"question\": \"q\", \"answers\":"
                    + " [{\"text\": \"b\", \"answer_start\": 2}]}]}]}]}"));
    assertEquals("q", data.get(0).text());
    assertEquals("b", data.get(0).answers().get(0).text());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"train\": [{\"text\": \"a\"}], \"test\": [{\"text\": \"b\"}]}|a.json holds several lists of"
            + " objects: \"train\", \"test\". Write the one to read to a file of its own: jq .train",
        "{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": 1}}|a.json is not written by row: \"text\","
            + " \"label\" each hold many values. Write a list of rows: in pandas,"
            + " frame.to_json(file, orient=\"records\")",
        "{\"text\": [\"a\"], \"label\": [1]}|a.json is not written by row",
        "{\"a\": 1}|a.json is one object that is no row (\"a\") and holds no list of objects",
        "[1, 2]|a.json, row 1 is a number, not an object",
        "[{\"text\": \"a\"}, []]|a.json, row 2 is a list, not an object",
        "\"text\"|a.json holds a string, no rows",
        "[{\"text\": \"a\"|a.json is not valid JSON (line 1, character 14): it ends too early",
        "[{\"text\": \"a\", \"text\": \"b\"}]|a.json is not valid JSON (line 1, character 22):"
            + " Duplicate field 'text'",
        "[{'text': 'a'}]|a.json is not valid JSON (line 1, character 3): Unexpected character",
      })
  void otherJsonIsRefusedByItsShape(String content, String expected) {
    String message = refusal(file("a.json", content));
    assertTrue(message.startsWith(expected), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"NaN", "Infinity", "-Infinity"})
  void whatJsonDoesNotKnowIsSaidWithoutTheParsersSwitches(String value) {
    String message = refusal(file("a.json", "[{\"text\": \"a\", \"n\": " + value + "}]"));
    assertTrue(message.contains("'" + value), message);
    assertFalse(message.contains("Feature") || message.contains("enable"), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.json", "a.jsonl"})
  void truncatedJsonIsSaidInOurWords(String name) {
    String whole = "{\"text\": \"a\", \"more\": [1, {\"x\": \"y\"}]}";
    for (int length = 1; length < whole.length(); length++) {
      String message = refusal(file(name, whole.substring(0, length)));
      assertTrue(message.contains("ends too early"), message);
      assertFalse(message.contains("Source") || message.contains("REDACTED"), message);
    }
  }

  @Test
  void numbersStayAsTheyWereWritten() throws IOException {
    Dataset data =
        read(
            file(
                "a.jsonl",
                "{\"text\": \"a\", \"label\": 0.50, \"x\": [1e400, 0.1000, -0, 1.5, 12345678901234567890,"
                    + " 1E2]}\n"));
    assertEquals(
        "[1e400,0.1000,-0,1.5,12345678901234567890,1E2]",
        new ObjectMapper().writeValueAsString(data.get(0).fields().get("x")));
    assertEquals("0.5", data.get(0).label());
  }
}
