package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import dev.attune.text.ChatMessage;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of which a part could be passed over without a word. */
class SilentReadingTest {
  @TempDir private Path folder;

  private Dataset read(String name, String content, Columns columns, boolean asTurns) {
    try {
      Path file = Files.writeString(folder.resolve(name), content);
      return DataReader.read(file, new ReadOptions(columns, false, asTurns, FileOptions.AUTOMATIC));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private String refusal(String name, String content, Columns columns) {
    InputException e =
        assertThrows(InputException.class, () -> read(name, content, columns, false));
    return RunOption.worded(e.getMessage()).replace(folder + "/", "");
  }

  @Test
  void answersToAnInstructionAreComparedAfterItAndItsInput() {
    String row =
        "{\"system\": \"S\", \"instruction\": \"Add\", \"input\": \"1+1\", \"chosen\": \"2\","
            + " \"rejected\": \"3\"}\n";
    Columns columns = Columns.automatic().forPreferences();
    Example turns = read("a.jsonl", row, columns, true).get(0);
    assertEquals(
        List.of(
            ChatMessage.of("system", "S"),
            ChatMessage.of("user", "Add\n1+1"),
            ChatMessage.of("assistant", "2")),
        turns.messages());
    assertEquals(ChatMessage.of("assistant", "3"), turns.rejected().messages().get(2));
    Dataset plain = read("b.jsonl", row, columns, false);
    String prompt = plain.get(0).prompt();
    assertTrue(prompt.contains("### Instruction:\nAdd\n\n### Input:\n1+1\n\n"), prompt);
    assertEquals("2", plain.get(0).completion());
    assertEquals("3", plain.get(0).rejected().completion());
    assertEquals(
        "instruction, input, system, chosen, rejected: as Alpaca's prompts", plain.columns());
  }

  @Test
  void aPromptIsThePromptWhateverStandsBesideIt() {
    String row = "{\"prompt\": \"P\", \"input\": \"I\", \"chosen\": \"2\", \"rejected\": \"3\"}\n";
    Dataset data = read("a.jsonl", row, Columns.automatic().forPreferences(), false);
    assertEquals("P", data.get(0).prompt());
    assertEquals("prompt, chosen, rejected; not used: input", data.columns());
  }

  @Test
  void pairsOfWhichSomeAreSaidNotToBeAlikeAreNotAllLearnedAsAlike() {
    String rows = "question1,question2,is_duplicate\na b,c d,1\ne f,g h,0\n";
    assertEquals(
        "a.csv: \"is_duplicate\" seems to say of each pair whether its texts are alike, and all"
            + " pairs would be learned as alike. Where it says that, give --columns"
            + " text=question1,text_pair=question2,label=is_duplicate, or leave out the rows whose"
            + " texts are not alike; where it does not, or once they are left out, --columns"
            + " text=question1,text_pair=question2",
        refusal("a.csv", rows, Columns.automatic().forPairs()));
    String anchors =
        "{\"anchor\": \"a b\", \"positive\": \"c d\", \"label\": 0.2}\n"
            + "{\"anchor\": \"e f\", \"positive\": \"g h\", \"label\": 0.7}\n";
    assertTrue(
        refusal("b.jsonl", anchors, Columns.automatic().forPairs())
            .contains("--columns text=anchor,text_pair=positive,label=label"));
    for (String said :
        List.of(
            "text=question1,text_pair=question2,label=is_duplicate",
            "text=question1,text_pair=question2")) {
      Dataset data = read("a.csv", rows, Columns.parse(said).forPairs(), false);
      assertEquals("c d", data.get(0).textPair());
      assertEquals(said.contains("label") ? "1" : null, data.get(0).label());
    }
    Dataset scored =
        read(
            "b.jsonl",
            anchors,
            Columns.parse("text=anchor,text_pair=positive,label=label").forPairs(),
            false);
    assertEquals("0.2", scored.get(0).label());
  }

  @Test
  void flagsAndWordsSayWhichPairsAreNotAlikeToo() {
    Columns pairs = Columns.automatic().forPairs();
    String numbers = ", with numbers in place of words: 1 for alike, 0 for not, or";
    String row = "{\"anchor\": \"a b\", \"positive\": \"c d\", \"same\": %s}\n";
    String refusal = refusal("a.jsonl", row.formatted(true) + row.formatted(false), pairs);
    assertTrue(refusal.contains("label=same" + numbers), refusal);
    refusal = refusal("b.csv", "anchor,positive,same\na,b,True\nc,d,False\n", pairs);
    assertTrue(refusal.contains("label=same" + numbers), refusal);
    for (String other : List.of("contradiction", "no")) {
      refusal =
          refusal("c.csv", "anchor,positive,label\na,b,entailment\nc,d," + other + "\n", pairs);
      assertTrue(refusal.contains("label=label" + numbers), refusal);
    }
    refusal =
        refusal("d.csv", "question1,question2,is_duplicate,y\na,b,1,0\nc,d,0,0\ne,f,0,1\n", pairs);
    assertTrue(refusal.contains("\"is_duplicate\", \"y\" seem to say"), refusal);
    assertTrue(refusal.contains("label=is_duplicate or --columns"), refusal);
    assertTrue(refusal.contains("label=y, or"), refusal);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"is_verified", "has_image", "hasImage", "containsUrl", "is_test", "nsfw", "bot"})
  void propertiesOfOneTextDoNotStopPairsAndAreNamed(String name) {
    String rows = "anchor,positive," + name + "\na b,c d,1\ne f,g h,0\n";
    Dataset data = read("a.csv", rows, Columns.automatic().forPairs(), false);
    assertEquals(2, data.size());
    Finding said = data.reading().findings().get(0);
    assertEquals(Finding.Severity.WARNING, said.severity());
    assertEquals(
        "\""
            + name
            + "\" is taken for a property of one text, and all pairs are learned as alike. Where one"
            + " says of pairs whether they are, give --columns text=anchor,text_pair=positive,label="
            + name,
        RunOption.worded(said.message()));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "is_duplicate",
        "isDuplicate",
        "has_answer",
        "contains_answer",
        "is_selected",
        "same",
        "is_relevant",
        "verified_match",
        "test_label",
        "y",
        "gold",
        "is_paraphrase",
        "flag",
        "ok",
        "entailed",
        "ist_gleich",
        "hit",
        "correct",
        "is_translation"
      })
  void whatMaySpeakOfBothTextsStopsPairs(String name) {
    String rows = "anchor,positive," + name + "\na b,c d,1\ne f,g h,0\n";
    String refusal = refusal("a.csv", rows, Columns.automatic().forPairs());
    assertTrue(refusal.contains("\"" + name + "\" seems to say of each pair"), refusal);
  }

  @Test
  void whetherPairsAreAlikeIsSeenInAllRows() {
    Columns pairs = Columns.automatic().forPairs();
    String header = "question1,question2,is_duplicate,truncated\n";
    String alike = "a b,c d,1,0\n".repeat(ColumnValues.SAMPLE + 20);
    assertEquals(ColumnValues.SAMPLE + 20, read("a.csv", header + alike, pairs, false).size());
    String refusal = refusal("b.csv", header + alike + "e f,g h,0,0\n", pairs);
    assertTrue(refusal.contains("\"is_duplicate\" seems to say"), refusal);
    assertEquals(1, read("c.csv", "anchor,positive,label\na,b,no\n", pairs, false).size());
  }

  @Test
  void answersToAPromptAreComparedAfterItsTurnOfTheSystem() {
    Columns columns = Columns.automatic().forPreferences();
    ChatMessage system = ChatMessage.of("system", "S");
    String texts = "{\"system\": \"S\", \"%s\": \"P\", \"chosen\": \"2\", \"rejected\": \"3\"}\n";
    for (String prompt : List.of("prompt", "input")) {
      String row = texts.formatted(prompt);
      Example turns = read("a.jsonl", row, columns, true).get(0);
      assertEquals(
          List.of(system, ChatMessage.of("user", "P"), ChatMessage.of("assistant", "2")),
          turns.messages());
      assertEquals(ChatMessage.of("assistant", "3"), turns.rejected().messages().get(2));
      Dataset plain = read("b.jsonl", row, columns, false);
      assertEquals("S\n\nP\n", plain.get(0).prompt());
      assertEquals("3", plain.get(0).rejected().completion());
      assertTrue(plain.columns().endsWith(": as prompts that end in a line break"));
    }
    String turn = "[{\"role\": \"%s\", \"content\": \"%s\"}]";
    String lists =
        "{\"system_prompt\": \"S\", \"prompt\": "
            + turn.formatted("user", "P")
            + ", \"chosen\": "
            + turn.formatted("assistant", "2")
            + ", \"rejected\": "
            + turn.formatted("assistant", "3")
            + "}\n";
    Example listed = read("c.jsonl", lists, columns, true).get(0);
    assertEquals(system, listed.messages().get(0));
    assertEquals(system, listed.rejected().messages().get(0));
    assertEquals(3, listed.messages().size());
  }

  @Test
  void adviceOnTheLabelOfPairsNamesBothTexts() {
    Dataset data =
        read("a.csv", "question1,question2,same\na,b,no\nc,d,yes\n", Columns.automatic(), false);
    assertEquals(
        "x. Say which column is the label: --columns text=question1,text_pair=question2,label=same",
        RunOption.worded(data.reading().advised("x")));
  }

  @Test
  void wholeNumbersOfListsMayBeWrittenAsFractions() {
    Columns columns = Columns.automatic();
    assertEquals(
        List.of("1", "0"),
        read("a.jsonl", "{\"text\": \"a\", \"labels\": [1.0, 0.0]}\n", columns, false)
            .get(0)
            .labels());
    assertEquals(
        List.of("3", "0"),
        read("b.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [3.0, 0]}\n", columns, false)
            .get(0)
            .tags());
    assertEquals(
        "c.jsonl, row 1: \"labels\" must be a list of strings or whole numbers, not [0.5]",
        refusal("c.jsonl", "{\"text\": \"a\", \"labels\": [0.5]}\n", columns));
  }

  @Test
  void linesThatEndInCarriageReturnsMayHoldLineFeedsInQuotes() {
    Dataset data =
        read("a.csv", "text,label\r\"one\ntwo\",x\rthree,y\r", Columns.automatic(), false);
    assertEquals(2, data.size());
    assertEquals("one\ntwo", data.get(0).text());
    assertEquals("y", data.get(1).label());
  }

  private List<String> lines(String name, String content) throws IOException {
    return DataReader.lines(
        Files.writeString(folder.resolve(name), content), FileOptions.AUTOMATIC);
  }

  @Test
  void quotesOfTextsThatAreNoTablesSayNothingOfLineEnds() throws IOException {
    assertEquals(List.of("He said \"so", "and left"), lines("a.txt", "He said \"so\rand left\r"));
    assertEquals(List.of("a\rb \"one", "two\" three"), lines("b.txt", "a\rb \"one\ntwo\" three\n"));
    Dataset table = read("c.csv", "text,label\rone\",x\rtwo,y\r", Columns.automatic(), false);
    assertEquals(2, table.size());
  }
}
