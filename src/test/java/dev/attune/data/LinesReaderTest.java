package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** JSON Lines and CoNLL. */
class LinesReaderTest extends ReadingTest {
  // ---- JSONL

  @Test
  void jsonlKeepsFieldsInOrderAndReadsLabelsOfAnyScalarType() {
    Dataset data =
        read(
            "a.jsonl",
            "{\"id\": 3, \"text\": \"a\\nb\", \"label\": 1}\n\n{\"sentence\": \"c\", \"label\":"
                + " \"pos\", \"x\": [1, {\"y\": null}]}\n{\"text\": \"d\", \"label\": 2.5}\n"
                + "{\"text\": \"e\", \"label\": true}\n{\"text\": \"f\", \"label\": null}\n",
            null);
    assertEquals("a\nb", data.get(0).text());
    assertEquals(Map.of("id", 3, "text", "a\nb", "label", 1), data.get(0).fields());
    assertEquals(List.of("id", "text", "label"), List.copyOf(data.get(0).fields().keySet()));
    List<String> labels = new ArrayList<>();
    data.examples().forEach(e -> labels.add(e.label()));
    assertEquals("[1, pos, 2.5, true, null]", labels.toString());
    assertEquals(List.of(1, 3, 4, 5, 6), data.examples().stream().map(Example::row).toList());
  }

  @Test
  void jsonlReadsTokensAndTagsAndPrompts() {
    Example words =
        read("a.jsonl", "{\"words\": [\"a\", \"b\"], \"ner_tags\": [0, 1]}", null).get(0);
    assertEquals(List.of("a", "b"), words.tokens());
    assertEquals(List.of("0", "1"), words.tags());
    Example prompt = read("b.jsonl", "{\"prompt\": \"p\", \"completion\": \"c\"}", null).get(0);
    assertNull(prompt.text());
    assertEquals("c", prompt.field("completion"));
    assertEquals("p", prompt.prompt());
    assertEquals("c", prompt.completion());
  }

  @Test
  void promptsAndCompletionsAreReadFromAnyTableByAnyName() {
    Example named =
        read(
                "a.csv",
                "id,instruction,output\n1,\"p, q\",c\n",
                "prompt=instruction,completion=output")
            .get(0);
    assertEquals("p, q", named.prompt());
    assertEquals("c", named.completion());
    Example placed = read("b.tsv", "p\tc\n", "prompt,completion").get(0);
    assertEquals("p", placed.prompt());
    assertEquals("c", placed.completion());
  }

  @Test
  void conversationsKeepEveryFieldOfATurn() {
    Example example =
        read(
                "a.jsonl",
                "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\":"
                    + " \"assistant\", \"content\": null, \"tool_calls\": [{\"name\": \"f\"}]},"
                    + " {\"role\": \"assistant\", \"content\": \"ok\"}]}",
                null)
            .get(0);
    assertEquals(
        List.of("user", "assistant", "assistant"),
        example.messages().stream().map(m -> m.role()).toList());
    assertEquals("hi", example.messages().get(0).content());
    assertEquals("", example.messages().get(1).content());
    assertEquals(
        List.of(Map.of("name", "f")), example.messages().get(1).fields().get("tool_calls"));
  }

  @Test
  void aTextFileIsOneRunningText() {
    Dataset data = read("a.txt", "one\r\n\n two,three", null);
    assertEquals(1, data.size());
    assertEquals("one\n\n two,three", data.get(0).text());
    assertEquals("one\n", read("b.txt", "one\n", null).get(0).text());
    assertEquals("a.txt is empty", refusal("a.txt", "", null));
    assertEquals(
        "a.txt is one running text and has no columns; leave --columns out",
        refusal("a.txt", "one\n", "text=one"));
    assertTrue(refusal("a.txt", "one\n", "text,label").contains("does not say how the file"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"text\": \"a\"|row 1 is not one JSON object",
        "[1, 2]|row 1 is a number, not an object with named fields",
        "{\"text\": \"a\"} {\"text\": \"b\"}|row 1 is not one JSON object",
        "{\"text\": \"a\", \"text\": \"b\"}|Duplicate field 'text'",
        "{\"text\": 5}|row 1: \"text\" must be a string, not 5",
        "{\"text\": \"a\", \"label\": {}}|\"label\" must be a string, a number or true/false, not"
            + " {}",
        "{\"tokens\": \"a b\"}|\"tokens\" must be a list of strings, not a b",
        "{\"tokens\": [1]}|\"tokens\" must be a list of strings, not [1]",
        "{\"tokens\": [\"a\"], \"tags\": [1.5]}|\"tags\" must be a list of strings or whole numbers",
        "{\"messages\": \"hi\"}|\"messages\" must be a list of turns",
        "{\"messages\": []}|row 1: \"messages\" is an empty list",
        "{\"messages\": [\"hi\"]}|row 1, turn 1 must be an object with role and content, not hi",
        "{\"messages\": [{\"content\": \"hi\"}]}|row 1, turn 1 has no role. Roles: system,"
            + " developer, user, assistant, tool.",
        "{\"messages\": [{\"from\": \"ghost\", \"value\": \"hi\"}]}|turn 1 is from \"ghost\"",
        "{\"messages\": [{\"role\": \"human\", \"content\": \"hi\"}]}|turn 1 has the unknown role"
            + " \"human\"",
        "{\"messages\": [{\"role\": \"user\"}]}|row 1, turn 1: the content must be a string, not"
            + " null",
        "{\"messages\": [{\"role\": \"user\", \"content\": [1]}]}|a part of the content is {\"type\": \"text\"",
        "{\"text\": \"sun \\uD83D\"}|'text' has half a character (\\ud83d, alone) after 4 characters",
        "{\"text\": \"a\", \"b\\uD83D\": 1}|the name of a field has half a character",
        "{\"text\": \"a\", \"more\": [{\"x\": \"\\uDE00\"}]}|'more' has half a character",
        "{\"prompt\": 5, \"completion\": \"a\"}|\"prompt\" must be a string, not 5",
        "{\"stuff\": \"a\"}|row 1 has no text: its fields are \"stuff\"",
      })
  void badJsonlRowsAreRefusedWithTheirRow(String line, String expected) {
    String message = refusal("a.jsonl", line + "\n", null);
    assertTrue(message.startsWith("a.jsonl, row 1"), message);
    assertTrue(message.contains(expected), message);
  }

  @Test
  void answersWithoutATextAreRefused() {
    for (String answers : List.of("{}", "{\"input_text\": [\"a\"], \"answer_start\": [0]}")) {
      String row = "{\"question\": \"q\", \"context\": \"a b\", \"answers\": " + answers + "}";
      String message = refusal("a.jsonl", row + "\n", null);
      assertTrue(message.startsWith("a.jsonl, row 1"), message);
    }
  }

  @Test
  void anAnswerFarBeyondTheContextIsRefused() {
    GoldAnswer answer = new GoldAnswer("a", Integer.MAX_VALUE);
    InputException e = assertThrows(InputException.class, () -> answer.spanIn("a b"));
    assertTrue(e.getMessage().contains("beyond the context"), e.getMessage());
  }

  @Test
  void halvesOfCharactersInMemoryAreRefused() {
    for (Example example :
        List.of(
            Example.of(1, "a \uD83D", "x"),
            Example.ofPrompt(1, "a", "\uDE00 b"),
            Example.ofTokens(1, List.of("a", "\uD83D"), List.of("O", "O")))) {
      InputException e =
          assertThrows(InputException.class, () -> new Dataset(Path.of("x"), List.of(example)));
      assertTrue(e.getMessage().startsWith("x, row 1 has half a character"), e.getMessage());
    }
    assertEquals(1, new Dataset(Path.of("x"), List.of(Example.of(1, "\uD83D\uDE00", "x"))).size());
  }

  @Test
  void wholeCharactersMayBeSpelledAsPairs() {
    Dataset data = read("a.jsonl", "{\"text\": \"sun \\uD83D\\uDE00\"}\n", null);
    assertEquals("sun \uD83D\uDE00", data.get(0).text());
  }

  /** Tools stand in a list, or as the text of one, where every column has one type. */
  @Test
  void toolsAreAListOrItsText() {
    String chat = "\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]";
    List<?> expected = List.of(Map.of("type", "function"));
    for (String tools :
        List.of("[{\"type\": \"function\"}]", "\"[{\\\"type\\\": \\\"function\\\"}]\"")) {
      Dataset data = read("a.jsonl", "{" + chat + ", \"tools\": " + tools + "}\n", null);
      assertEquals(expected, data.tools(data.get(0)));
    }
    for (String none : List.of("null", "[]", "\"\"", "\"[]\"", "\"null\"")) {
      Dataset data = read("a.jsonl", "{" + chat + ", \"tools\": " + none + "}\n", null);
      assertNull(data.tools(data.get(0)), none);
    }
    for (String bad : List.of("5", "\"{\"", "\"a tool\"", "{\"type\": \"function\"}")) {
      Dataset data = read("a.jsonl", "{" + chat + ", \"tools\": " + bad + "}\n", null);
      String message =
          assertThrows(InputException.class, () -> data.tools(data.get(0))).getMessage();
      assertTrue(message.contains("row 1") && message.contains("tools"), message);
    }
  }

  @Test
  void positionsMeanNothingInJsonl() {
    assertTrue(refusal("a.jsonl", "{}", "text,label").contains("by position has no meaning"));
    assertEquals("a", read("b.jsonl", "{\"review\": \"a\"}", "text=review").get(0).text());
  }

  // ---- CoNLL

  @Test
  void conllSentencesArePartedByBlankLines() {
    Dataset data = read("a.conll", "-DOCSTART- O\n\nBob\tB-PER\nruns\tO\n \n\nHi O\n", null);
    assertEquals(2, data.size());
    assertEquals(List.of("Bob", "runs"), data.get(0).tokens());
    assertEquals(List.of("B-PER", "O"), data.get(0).tags());
    assertEquals(3, data.get(0).row());
    assertEquals(7, data.get(1).row());
    assertEquals(List.of("Hi"), data.get(1).fields().get("tokens"));
  }

  @Test
  void commentsBeforeASentenceAreNoWords() {
    String id = "# id 5239 domain=en\nBob _ _ B-PER\n# _ _ O\n\n# id 7 domain=en\nHi _ _ O\n";
    Dataset data = read("a.conll", id, "tokens,_,_,tags");
    assertEquals(List.of("Bob", "#"), data.get(0).tokens());
    assertEquals(List.of("Hi"), data.get(1).tokens());
    assertEquals(
        List.of("2 lines before a sentence (# name = value, # id …) are comments and no words"),
        data.reading().findings().stream().map(Finding::message).toList());
    Dataset universal = read("b.conll", "# sent_id = 1\n# text = Hi\nHi INTJ\n", null);
    assertEquals(List.of("Hi"), universal.get(0).tokens());
    assertEquals(List.of("#"), read("c.conll", "# O\n", null).get(0).tokens());
  }

  @Test
  void conllColumnsMayStandAnywhere() {
    Example example = read("a.conll", "EU NNP B-NP B-ORG\n", "tokens,_,_,tags").get(0);
    assertEquals(List.of("EU"), example.tokens());
    assertEquals(List.of("B-ORG"), example.tags());
  }

  @Test
  void badConllLinesAreRefusedWithTheirRow() {
    assertTrue(
        refusal("a.conll", "Bob\tO\nruns\n", null)
            .startsWith("a.conll, row 2 has 1 column instead of 2: \"runs\"."));
    assertEquals(
        "a.conll, row 1: the tag is missing: \"Bob\", \"\"", refusal("a.conll", "Bob\t\n", null));
    assertTrue(
        refusal("a.conll", "Bob\tO\n", "text,label").contains("needs --columns with tokens and"));
  }
}
