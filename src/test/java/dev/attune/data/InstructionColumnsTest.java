package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.text.ChatMessage;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What asks and what answers, where nobody says. */
class InstructionColumnsTest extends FormatTrial {
  private Example first(String json, boolean asTurns) {
    return DataReader.read(
            file("a.jsonl", json + "\n"),
            new ReadOptions(Columns.parse(null), false, asTurns, FileOptions.AUTOMATIC))
        .get(0);
  }

  private Dataset read(String name, String content, String columns) {
    return DataReader.read(file(name, content), Columns.parse(columns));
  }

  private String refusal(String name, String content, String columns) {
    return refusal(file(name, content), columns, FileOptions.AUTOMATIC);
  }

  @Test
  void alpacaIsReadWithItsPublishedPrompt() {
    Example plain =
        first("{\"instruction\": \"Add.\", \"input\": \"1 2\", \"output\": \"3\"}", false);
    assertEquals(
        "Below is an instruction that describes a task, paired with an input that provides further"
            + " context. Write a response that appropriately completes the request.\n\n###"
            + " Instruction:\nAdd.\n\n### Input:\n1 2\n\n### Response:",
        plain.prompt());
    assertEquals("3", plain.completion());
    Example bare = first("{\"instruction\": \"Hi.\", \"input\": \"\", \"output\": \"Ho\"}", false);
    assertEquals(
        "Below is an instruction that describes a task. Write a response that appropriately completes"
            + " the request.\n\n### Instruction:\nHi.\n\n### Response:",
        bare.prompt());
  }

  @Test
  void instructionsAreTurnsForModelsWithAChatTemplate() {
    Example turns =
        first(
            "{\"system\": \"Be brief.\", \"instruction\": \"Add.\", \"input\": \"1 2\", \"output\":"
                + " \"3\"}",
            true);
    assertEquals(
        List.of(
            ChatMessage.of("system", "Be brief."),
            ChatMessage.of("user", "Add.\n1 2"),
            ChatMessage.of("assistant", "3")),
        turns.messages());
    assertNull(turns.prompt());
    assertNull(turns.completion());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "prompt|response",
        "question|answer",
        "document|summary",
        "article|highlights",
        "dialogue|summary",
        "problem|solution",
        "input|output",
      })
  void whatAnswersWhatIsRecognised(String asked, String answered) {
    String json = "{\"" + asked + "\": \"a b\", \"" + answered + "\": \"c\"}";
    Example text = first(json, false);
    assertEquals("a b\n", text.prompt());
    assertEquals("c", text.completion());
    Example turns = first(json, true);
    assertEquals(
        List.of(ChatMessage.of("user", "a b"), ChatMessage.of("assistant", "c")), turns.messages());
  }

  @Test
  void promptAndCompletionByTheirOwnNamesAreJoinedAsTheyAre() {
    Example example = first("{\"prompt\": \"a\", \"completion\": \"b\"}", true);
    assertEquals("a", example.prompt());
    assertNull(example.messages());
  }

  @Test
  void shareGptIsReadAsMessages() {
    Example example =
        first(
            "{\"system\": \"s\", \"conversations\": [{\"from\": \"human\", \"value\": \"a\"},"
                + " {\"from\": \"gpt\", \"value\": \"b\"}]}",
            true);
    assertEquals(
        List.of(
            ChatMessage.of("system", "s"),
            ChatMessage.of("user", "a"),
            ChatMessage.of("assistant", "b")),
        example.messages());
  }

  @Test
  void promptAndCompletionMayBeTurns() {
    Example example =
        first(
            "{\"prompt\": [{\"role\": \"user\", \"content\": \"a\"}], \"completion\": [{\"role\":"
                + " \"assistant\", \"content\": \"b\"}]}",
            false);
    assertEquals(
        List.of(ChatMessage.of("user", "a"), ChatMessage.of("assistant", "b")), example.messages());
    assertNull(example.prompt());
    String history =
        refusal(
            "b.jsonl",
            "{\"prompt\": [{\"role\": \"assistant\", \"content\": \"a\"}], \"completion\":"
                + " [{\"role\": \"assistant\", \"content\": \"b\"}]}\n",
            null);
    assertTrue(history.contains("turns of the assistant, which would be learned too"), history);
  }

  @Test
  void preferencesAreRefusedWithTheOptionThatTrainsOnThePreferredAnswers() {
    String row = "{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"c\"}\n";
    assertEquals(
        "a.jsonl: the rows are pairs of a preferred and a rejected answer, from which --task dpo"
            + " learns. To learn the preferred answers alone: --columns"
            + " prompt=prompt,completion=chosen",
        refusal("a.jsonl", row, null));
    assertEquals("b", read("b.jsonl", row, "prompt=prompt,completion=chosen").get(0).completion());
    assertTrue(
        refusal(
                "c.jsonl",
                "{\"chosen\": [{\"role\": \"user\", \"content\": \"a\"}], \"rejected\": []}\n",
                null)
            .endsWith("--columns messages=chosen"));
  }

  @Test
  void answersThatAreJudgedAreRefused() {
    String row = "{\"prompt\": \"a\", \"completion\": \"b\", \"label\": false}\n";
    assertTrue(
        refusal("a.jsonl", row, null)
            .contains("\"label\" says of each answer whether it is wanted"));
  }

  @Test
  void theContextOfAnInstructionIsItsInputAndSystemPromptsAreTurns() {
    Example dolly =
        first(
            "{\"instruction\": \"Add.\", \"context\": \"1 2\", \"response\": \"3\", \"category\":"
                + " \"x\"}",
            true);
    assertEquals(ChatMessage.of("user", "Add.\n1 2"), dolly.messages().get(0));
    Example system =
        first("{\"system_prompt\": \"s\", \"question\": \"a\", \"response\": \"b\"}", true);
    assertEquals(ChatMessage.of("system", "s"), system.messages().get(0));
  }

  @Test
  void theOptionSaysWhichOfSeveralSourcesIsRead() {
    String row =
        "{\"prompt\": \"other\", \"messages\": [{\"role\": \"user\", \"content\": \"a\"},"
            + " {\"role\": \"assistant\", \"content\": \"b\"}]}\n";
    assertEquals(2, read("a.jsonl", row, null).get(0).sources());
    assertEquals(1, read("b.jsonl", row, "messages=messages").get(0).sources());
  }

  @Test
  void questionsOnAContextStayQuestions() {
    Example example = first("{\"question\": \"q\", \"context\": \"a b\", \"answer\": \"x\"}", true);
    assertEquals("q", example.text());
    assertEquals("a b", example.textPair());
  }

  @Test
  void aQuestionThatCannotBeAnsweredHasNoAnswers() {
    String flat =
        "{\"question\": \"q\", \"context\": \"a b\", \"is_impossible\": true, \"answers\": ";
    assertTrue(
        refusal("a.jsonl", flat + "[{\"text\": \"b\", \"answer_start\": 2}]}\n", null)
            .startsWith("a.jsonl, row 1: the question is said to have no answer"));
    assertEquals(List.of(), read("b.jsonl", flat + "[]}\n", null).get(0).answers());
    String squad =
        "{\"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": \"a b\", \"qas\": [{\"id\": \"1\","
            + " \"question\": \"q\", \"is_impossible\": true, \"answers\": [{\"text\": \"b\","
            + " \"answer_start\": 2}]}]}]}]}";
    assertTrue(refusal("c.json", squad, null).contains("row 1: the question is said to have no"));
  }
}
