package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.text.ChatMessage;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Conversations in the forms in which files have them. */
class ConversationFilesTest extends FormatTrial {
  private static final ChatMessage HI = ChatMessage.of("user", "hi");
  private static final ChatMessage YO = ChatMessage.of("assistant", "yo");
  private static final String TURNS =
      "[{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\", \"content\":"
          + " \"yo\"}]";

  private static Dataset turns(java.nio.file.Path file) {
    return DataReader.read(
        file, new ReadOptions(Columns.automatic(), false, true, FileOptions.AUTOMATIC));
  }

  private static List<String> said(Dataset data) {
    return data.reading().findings().stream().map(Finding::message).toList();
  }

  private static String quoted(String text) {
    return '"' + text.replace("\"", "\"\"") + '"';
  }

  private static String json(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        TURNS,
        "[{'role': 'user', 'content': 'hi'}, {'role': 'assistant', 'content': \"yo\"}]",
        "[{'content': 'hi', 'role': 'user', 'name': None}\n {'content': 'yo', 'role': 'assistant',"
            + " 'name': None}]",
        "[{\"from\": \"human\", \"value\": \"hi\"}, {\"from\": \"gpt\", \"value\": \"yo\"}]"
      })
  void turnsInACellAreReadAndSaid(String cell) {
    for (Dataset data :
        List.of(
            read(file("a.csv", "id,messages\n1," + quoted(cell) + "\n")),
            read(
                file("b.jsonl", "{\"conversations\": " + json(cell.replace("\n", " ")) + "}\n")))) {
      List<ChatMessage> messages = data.get(0).messages();
      assertEquals(List.of("hi", "yo"), messages.stream().map(ChatMessage::content).toList());
      assertEquals(List.of("user", "assistant"), messages.stream().map(ChatMessage::role).toList());
      assertTrue(said(data).get(0).endsWith("are read as lists of turns"), said(data).toString());
    }
  }

  @Test
  void whatIsNoListOfTurnsIsRefusedWithItsRow() {
    String message = refusal(file("a.csv", "messages\n" + quoted(TURNS) + "\nhello\n"));
    assertEquals(
        "a.csv, row 3: \"messages\" must be a list of turns ({\"role\": ..., \"content\": ...}), or"
            + " the text of one, not hello",
        message);
  }

  @Test
  void promptsAndAnswersInCellsAreTurnsWhereAllAre() {
    String prompt = "[{\"role\": \"user\", \"content\": \"hi\"}]";
    String answer = "[{\"role\": \"assistant\", \"content\": \"yo\"}]";
    Dataset data =
        read(file("a.csv", "prompt,completion\n" + quoted(prompt) + "," + quoted(answer) + "\n"));
    assertEquals(List.of(HI, YO), data.get(0).messages());
    Dataset compared =
        DataReader.read(
            file(
                "b.csv",
                "chosen,rejected\n"
                    + quoted(TURNS)
                    + ","
                    + quoted(TURNS.replace("yo", "no"))
                    + "\n"),
            Columns.automatic().forPreferences());
    assertEquals(YO, compared.get(0).messages().get(1));
    assertEquals("no", compared.get(0).rejected().messages().get(1).content());
    // A text that is to be written may well be such a list.
    Dataset texts = read(file("c.csv", "prompt,completion\nwrite," + quoted(TURNS) + "\n"));
    assertEquals(TURNS, texts.get(0).completion());
  }

  @Test
  void turnsThatATextAnswersEndInIt() {
    String row =
        "{\"prompt\": [{\"role\": \"user\", \"content\": \"hi\"}], \"completion\": \"yo\"}";
    assertEquals(List.of(HI, YO), read(file("a.jsonl", row)).get(0).messages());
  }

  @Test
  void partsOfAContentAreOneText() {
    String row =
        "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"h\"},"
            + " {\"type\": \"text\", \"text\": \"i\", \"image\": null}]}, {\"role\": \"assistant\","
            + " \"content\": [{\"type\": \"text\", \"text\": \"yo\"}]}]}\n";
    Dataset data = read(file("a.jsonl", row));
    assertEquals(List.of(HI, YO), data.get(0).messages());
    assertEquals(List.of("1 turn has several parts of text, read as one text"), said(data));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"type\": \"image_url\", \"image_url\": {\"url\": \"u\"}}|turn 1 has a part of the type"
            + " \"image_url\", and only text is read",
        "{\"type\": \"input_audio\"}|turn 1 has a part of the type \"input_audio\"",
        "{\"type\": \"text\", \"text\": \"a\", \"image\": \"x\"}|turn 1 has a part with \"image\"",
        "{\"type\": \"text\", \"text\": null}|turn 1 has a part whose text is null",
        "{\"text\": \"a\"}|turn 1: a part of the content is {\"type\": \"text\"",
      })
  void partsThatAreNoTextAreRefusedByName(String part, String expected) {
    String row = "{\"messages\": [{\"role\": \"user\", \"content\": [" + part + "]}]}\n";
    String message = refusal(file("a.jsonl", row));
    assertTrue(message.contains(expected), message);
  }

  @Test
  void functionsOfShareGptAreCallsOfTools() {
    String row =
        "{\"conversations\": [{\"from\": \"system\", \"value\": \"s\"}, {\"from\": \"human\","
            + " \"value\": \"hi\"}, {\"from\": \"function_call\", \"value\": \"{\\\"name\\\":"
            + " \\\"f\\\", \\\"arguments\\\": {\\\"b\\\": 1, \\\"a\\\": 0.50}}\"}, {\"from\":"
            + " \"observation\", \"value\": \"3\"}, {\"from\": \"gpt\", \"value\": \"yo\"}],"
            + " \"tools\": \"[{\\\"name\\\": \\\"f\\\", \\\"parameters\\\": {}}]\"}\n";
    Dataset data = read(file("a.jsonl", row));
    List<ChatMessage> messages = data.get(0).messages();
    assertEquals(
        List.of("system", "user", "assistant", "tool", "assistant"),
        messages.stream().map(ChatMessage::role).toList());
    assertEquals("", messages.get(2).content());
    assertEquals(
        "[{type=function, function={name=f, arguments={b=1, a=0.5}}}]",
        messages.get(2).fields().get("tool_calls").toString());
    assertEquals(
        "[{type=function, function={name=f, parameters={}}}]", data.tools(data.get(0)).toString());
    assertEquals("messages <- conversations (guessed by its name), tools", data.columns());
    assertEquals(
        List.of("1 turn calls or answers a function, and is read as of a tool"), said(data));
    String message =
        refusal(file("b.jsonl", row.replace("{\\\"name\\\": \\\"f\\\", \\\"arg", "x")));
    assertTrue(message.contains("turn 3 is a function call, which is {\"name\""), message);
  }

  @Test
  void argumentsThatOpenAiHasAsTextAreTheObjectThatTheySay() {
    String row =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
            + " \"content\": null, \"tool_calls\": [{\"id\": \"c1\", \"type\": \"function\","
            + " \"function\": {\"name\": \"f\", \"arguments\": \"{\\\"a\\\": [1, true, null]}\"}}]},"
            + " {\"role\": \"tool\", \"tool_call_id\": \"c1\", \"content\": \"3\"}, {\"role\":"
            + " \"assistant\", \"content\": \"yo\"}]}\n";
    Dataset data = read(file("a.jsonl", row));
    assertEquals(
        "[{id=c1, type=function, function={name=f, arguments={a=[1, true, null]}}}]",
        data.get(0).messages().get(1).fields().get("tool_calls").toString());
    assertTrue(said(data).get(0).startsWith("1 turn has the arguments of a call as text"));
    String legacy =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}, {\"role\": \"assistant\","
            + " \"content\": null, \"function_call\": {\"name\": \"f\", \"arguments\": \"{}\"}},"
            + " {\"role\": \"function\", \"name\": \"f\", \"content\": \"3\"}]}\n";
    List<ChatMessage> old = read(file("b.jsonl", legacy)).get(0).messages();
    assertEquals("tool", old.get(2).role());
    assertEquals(
        "[{type=function, function={name=f, arguments={}}}]",
        old.get(1).fields().get("tool_calls").toString());
  }

  @Test
  void argumentsThatAreNoObjectAreCounted() {
    String row =
        "{\"messages\": [{\"role\": \"assistant\", \"content\": \"\", \"tool_calls\":"
            + " [{\"name\": \"f\", \"arguments\": %s}]}]}\n";
    for (String none : List.of("\"\"", "\"{}\"")) {
      Dataset data = read(file("a.jsonl", row.formatted(none)));
      assertEquals(
          "[{name=f, arguments={}}]",
          data.get(0).messages().get(0).fields().get("tool_calls").toString());
    }
    assertEquals(
        "[{name=f, arguments={a=NaN}}]",
        read(file("a.jsonl", row.formatted("\"{\\\"a\\\": 1, \\\"a\\\": NaN}\"")))
            .get(0)
            .messages()
            .get(0)
            .fields()
            .get("tool_calls")
            .toString());
    for (String other : List.of("\"[1]\"", "\"{a\"", "\"print(1)\"")) {
      Finding found = read(file("a.jsonl", row.formatted(other))).reading().findings().get(0);
      assertEquals(Finding.Severity.WARNING, found.severity());
      assertEquals(
          "1 turn has arguments of a call that are no object of JSON: the template gets them as the"
              + " text that they are",
          found.message());
    }
  }

  @Test
  void aPromptOrASpeakerMayBeMissing() {
    String answers = "{\"completion\": " + json(TURNS) + ", \"text\": \"a\"}\n";
    assertEquals("a", read(file("a.jsonl", answers)).get(0).text());
    String nobody = "{\"messages\": [{\"from\": null, \"value\": \"hi\"}]}\n";
    String message = refusal(file("b.jsonl", nobody));
    assertTrue(message.contains("turn 1 is from \"null\""), message);
  }

  @Test
  void aSystemBesideAPromptIsItsTurn() {
    String row = "{\"system\": \"s\", \"prompt\": \"hi\", \"completion\": \"yo\"}\n";
    Dataset data = turns(file("a.jsonl", row + "{\"prompt\": \"hi\", \"completion\": \"yo\"}\n"));
    assertEquals(List.of(ChatMessage.of("system", "s"), HI, YO), data.get(0).messages());
    assertEquals(List.of(HI, YO), data.get(1).messages(), "rows of one file are of one form");
    assertEquals(
        "prompt, completion, system: as turns of the model's chat template", data.columns());
    Dataset plain = read(file("b.jsonl", row));
    assertEquals("s\n\nhi\n", plain.get(0).prompt());
    assertEquals(
        "prompt, completion, system: as prompts that end in a line break", plain.columns());
    assertEquals(
        "hi",
        turns(file("c.jsonl", "{\"prompt\": \"hi\", \"completion\": \"yo\"}\n")).get(0).prompt());
  }

  @Test
  void earlierTurnsComeBeforeThePrompt() {
    String row = "{\"instruction\": \"hi\", \"output\": \"yo\", \"history\": [[\"a\", \"b\"]]}\n";
    Dataset data = turns(file("a.jsonl", row));
    assertEquals(
        List.of(ChatMessage.of("user", "a"), ChatMessage.of("assistant", "b"), HI, YO),
        data.get(0).messages());
    assertEquals(
        "completion <- output (guessed by its name), instruction, history: as turns of the model's"
            + " chat template",
        data.columns());
    assertEquals(
        "a.jsonl, row 1: \"history\" holds earlier turns, and the model has no chat template to"
            + " write them with. Use a model that has one, or write those turns into the prompt",
        refusal(file("a.jsonl", row)));
    Dataset table =
        turns(file("b.csv", "prompt,response,history\nhi,yo,\"[('a', 'b')]\"\nhi,yo,\nhi,yo,[]\n"));
    assertEquals(
        List.of(4, 2, 2), table.examples().stream().map(e -> e.messages().size()).toList());
  }

  private static Dataset compared(java.nio.file.Path file) {
    return DataReader.read(
        file,
        new ReadOptions(Columns.automatic().forPreferences(), false, true, FileOptions.AUTOMATIC));
  }

  @Test
  void earlierTurnsComeBeforeComparedAnswersToo() {
    String row =
        "{\"prompt\": \"hi\", \"history\": [[\"a\", \"b\"]], \"chosen\": \"yo\","
            + " \"rejected\": \"no\"}\n";
    Dataset data = compared(file("a.jsonl", row));
    assertEquals(
        List.of(ChatMessage.of("user", "a"), ChatMessage.of("assistant", "b"), HI, YO),
        data.get(0).messages());
    assertEquals(4, data.get(0).rejected().messages().size());
    String turns = "[{\"role\": \"assistant\", \"content\": \"yo\"}]";
    String prompt = "[{\"role\": \"user\", \"content\": \"hi\"}]";
    for (String other :
        List.of(
            row.replace("\"hi\"", prompt).replace("\"yo\"", turns).replace("\"no\"", turns),
            row.replace("\"prompt\": \"hi\", ", "")
                .replace("\"yo\"", json("\n\nHuman: hi\n\nAssistant: yo").replace("\n", "\\n"))
                .replace("\"no\"", json("\n\nHuman: hi\n\nAssistant: no").replace("\n", "\\n")))) {
      String message =
          assertThrows(InputException.class, () -> compared(file("b.jsonl", other))).getMessage();
      assertTrue(message.contains("\"history\" holds earlier turns, and the row has"), message);
    }
    String learned =
        "{\"prompt\": " + prompt + ", \"completion\": " + turns + ", \"history\": %s}\n";
    String message = refusal(file("c.jsonl", learned.formatted("[[\"a\", \"b\"]]")));
    assertTrue(message.contains("\"history\" holds earlier turns, and the row has"), message);
    assertEquals(List.of(HI, YO), read(file("d.jsonl", learned.formatted("[]"))).get(0).messages());
  }

  @Test
  void aHistoryOfAnotherKindCanBeLeftOut() {
    String row = "{\"prompt\": \"hi\", \"completion\": \"yo\", \"history\": %s}\n";
    assertEquals(
        List.of("hi", "yo", "hi", "yo"),
        turns(file("a.jsonl", row.formatted(TURNS))).get(0).messages().stream()
            .map(ChatMessage::content)
            .toList());
    java.nio.file.Path text = file("b.jsonl", row.formatted("\"bought before\""));
    String message = refusal(text);
    assertTrue(
        message.endsWith(
            "To leave it out, say what is read: --columns instruction=prompt,completion=completion"),
        message);
    for (String asked : List.of("instruction=prompt,completion=completion", "prompt=prompt")) {
      Dataset data = DataReader.read(text, Columns.parse(asked));
      assertTrue(data.columns().endsWith("not used: history"), data.columns());
    }
  }

  @Test
  void aPromptThatRepeatsATurnIsPassedOver() {
    String row = "{\"prompt\": \"hi\", \"prompt_id\": \"x\", \"messages\": " + TURNS + "}\n";
    Dataset data = read(file("a.jsonl", row));
    assertNull(data.get(0).prompt());
    assertEquals(List.of(HI, YO), data.get(0).messages());
    assertEquals(
        List.of("1 row has a prompt that is a turn of the messages, which alone are read"),
        said(data));
    assertEquals(
        2, read(file("b.jsonl", row.replace("\"hi\", \"p", "\"ho\", \"p"))).get(0).sources());
  }

  @Test
  void twoTextsOfTheSystemAreRefused() {
    String row =
        "{\"system\": \"%s\", \"messages\": [{\"role\": \"system\", \"content\": \"s\"},"
            + " {\"role\": \"user\", \"content\": \"hi\"}]}\n";
    assertEquals(2, read(file("a.jsonl", row.formatted("s"))).get(0).messages().size());
    String message = refusal(file("a.jsonl", row.formatted("t")));
    assertTrue(message.contains("two different texts of the system"), message);
  }

  @Test
  void valuesInCellsAreThoseOfJsonPythonAndNumpy() {
    assertEquals(
        Map.of("a", List.of("x"), "b", List.of(1, 2)),
        CellValue.parse("{'a': array(['x'], dtype=object), 'b': array([1, 2], dtype=int32)}"));
    assertEquals(
        List.of("é", "😀", "a\"b'"), CellValue.parse("['\\xe9', \"\\ud83d\\ude00\", 'a\"b\\'']"));
    for (String none :
        List.of(
            "",
            "x",
            "[",
            "[1",
            "[1 2",
            "{'a' 1}",
            "{'a': 1, 'a': 2}",
            "['a' ... 'b']",
            "[1]]",
            "[nan]",
            "['\\q']",
            "[".repeat(5000) + "]".repeat(5000))) {
      assertNull(CellValue.parse(none), none);
    }
  }
}
