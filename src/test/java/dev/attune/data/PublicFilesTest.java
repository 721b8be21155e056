package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTimeout;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.time.Duration;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Files in the forms in which public data sets come. */
class PublicFilesTest extends FormatTrial {
  private static final int ROWS = 12;

  /** A file of several rows, made of one: # is the row's number, ~ is 0 or 1 in turn. */
  private static String rows(String header, String row) {
    StringBuilder out = new StringBuilder(header.isEmpty() ? "" : header + "\n");
    for (int i = 0; i < ROWS; i++) {
      out.append(row.replace("#", String.valueOf(i)).replace("~", String.valueOf(i % 2)));
      out.append('\n');
    }
    return out.toString();
  }

  private static List<String> codes(Dataset data) {
    return data.reading().findings().stream().map(Finding::code).toList();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"question\": \"who # is\", \"sentence\": \"he # is\", \"label\": ~}|text <- question"
            + " (guessed by its name), text_pair <- sentence (guessed by its name), label",
        "{\"question\": \"who # is\", \"passage\": \"he # is\", \"label\": ~}|text <- question"
            + " (guessed by its name), text_pair <- passage (guessed by its name), label",
        "{\"sentence1\": \"a # b\", \"sentence2\": \"c # d\", \"genre\": \"g~\", \"gold_label\":"
            + " \"l~\"}|text <- sentence1, text_pair <- sentence2, label <- gold_label (guessed by"
            + " its name); not used: genre",
        "{\"reviewText\": \"a # b\", \"overall\": ~.0, \"verified\": true}|text <- reviewText (guessed"
            + " by its name), label <- overall (guessed by its name); not used: verified",
      })
  void columnsOfPublicSetsAreFound(String row, String described) {
    assertEquals(described, read(file("a.jsonl", rows("", row))).columns());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"premise\": \"a # b\", \"choice1\": \"c d\", \"choice2\": \"e f\", \"label\": ~}"
            + "|\"choice1\", \"choice2\" hold|text=premise,label=label",
        "{\"question\": \"a # b\", \"options\": [\"c\", \"d\"], \"answer\": \"A\"}|\"options\" holds"
            + "|instruction=question,completion=answer",
        "{\"text\": \"a # b\", \"ending0\": \"c d\", \"ending1\": \"e f\", \"label\": ~}|\"ending0\","
            + " \"ending1\" hold|text=text,label=label",
        "{\"sentence\": \"a # b\", \"option1\": \"c\", \"option2\": \"e\", \"answer\": \"~\","
            + " \"label\": ~}|\"option1\", \"option2\" hold|text=sentence,label=label",
      })
  void answersToChooseFromAreNotPassedOver(String row, String said, String option) {
    String content = rows("", row);
    String message = refusal(file("a.jsonl", content));
    assertTrue(message.startsWith("a.jsonl: " + said + " answers to choose from"), message);
    assertTrue(message.endsWith("To leave them out: --columns " + option), message);
    assertEquals(ROWS, DataReader.read(file("a.jsonl", content), Columns.parse(option)).size());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "Quality,#1 ID,#2 ID,#1 String,#2 String|~,#,9#,one # two,two # one|'text=#1"
            + " String,text_pair=#2 String,label=Quality'",
        "v1,v2,,,|s~,some # text,,,|text=v2,label=v1",
        "|gj04,~,,some # text|_,label,_,text",
        "|x#.json,~,some # text of it,0,1,0,0,0,a mailer|_,label,text,_,_,_,_,_,_",
      })
  void whatNamesDoNotSayIsAdvisedByContent(String header, String row, String option) {
    String content = rows(header == null ? "" : header, row);
    String message = refusal(file("a.csv", content));
    assertTrue(message.contains("--columns " + option), message);
    String given = option.replace("'", "");
    Dataset data = DataReader.read(file("a.csv", content), Columns.parse(given));
    assertEquals(List.of("0", "1").contains(data.get(0).label()) || header != null, true);
    assertTrue(data.get(0).text().contains(" 0"), data.get(0).text());
  }

  @Test
  void namesThatComeAgainAreToldApartWhereNothingIsReadFromThem() {
    Dataset data = read(file("a.csv", rows("text,label,x,x", "a # b,~,p,q")));
    assertEquals("text, label; not used: x, x.1", data.columns());
    assertEquals("q", data.get(0).fields().get("x.1"));
    assertEquals(List.of("columns_again"), codes(data));
    assertEquals(
        "b.csv, row 1: the column \"text\" is there twice. Give one of the two another name",
        refusal(file("b.csv", rows("text,label,text", "a # b,~,p"))));
    for (String twice : List.of("output", "highlights", "text_a", "system_prompt", "choice1")) {
      String header = "instruction," + twice + ',' + twice;
      assertTrue(refusal(file("b.csv", rows(header, "a,b,c"))).contains("is there twice"), twice);
    }
    String again = rows("text,label,x,x", "a # b,~,p,q") + "text,label,x,x\n";
    assertTrue(refusal(file("c.csv", again)).contains("row 14 is the header once more"));
  }

  @Test
  void namesOfColumnsThatComeAgainCanBeAskedForAndAreNoOthers() {
    Columns asked = Columns.parse("text=text,label=x.1");
    Dataset data = DataReader.read(file("a.csv", rows("text,x,x", "a # b,p,~")), asked);
    assertEquals("0", data.get(0).label());
    data = DataReader.read(file("b.csv", rows("text,x,x,x.1", "a # b,p,q,~")), asked);
    assertEquals("0", data.get(0).label());
    assertEquals("q", data.get(0).fields().get("x.2"));
  }

  @Test
  void manyColumnsAreReadQuickly() {
    String names = IntStream.range(0, 2000).mapToObj(i -> "x").collect(Collectors.joining(","));
    String row = names.replace('x', 'y');
    assertTimeout(
        Duration.ofSeconds(20),
        () -> read(file("a.csv", "text,label," + names + "\n" + ("a,b," + row + "\n").repeat(20))));
  }

  @Test
  void aDelimiterAtTheEndOfEveryRowIsHarmless() {
    Dataset data = read(file("a.csv", rows("text,label", "a # b,~,")));
    assertEquals("0", data.get(0).label());
    assertEquals(List.of("trailing_fields"), codes(data));
    String some = rows("text,label", "a # b,~,") + "c,d\n";
    assertTrue(refusal(file("b.csv", some)).contains("row 2 has 3 fields instead of 2"));
    String full = rows("text,label", "a # b,~,x");
    assertTrue(refusal(file("c.csv", full)).contains("row 2 has 3 fields instead of 2"));
  }

  @Test
  void adviceNamesNoIdentifiersAndAllLists() {
    Dataset hot = read(file("a.csv", rows("text,rater_id,joy,anger", "a # b,1,~,0")));
    assertTrue(
        RunOption.worded(hot.reading().advice()).endsWith("'text=text,labels=joy;anger'"),
        RunOption.worded(hot.reading().advice()));
    Dataset lists =
        read(file("b.jsonl", rows("", "{\"text\": \"a # b\", \"topics\": [\"x\", \"y~\"]}")));
    assertEquals(
        "For several labels a row give --task multi-label-classification --columns"
            + " text=text,label=topics",
        RunOption.worded(lists.reading().advice()));
    Dataset question = read(file("c.csv", rows("question,context,answer", "who #,he is #,he")));
    assertEquals(
        "Where it is one: --columns answer_text=answer",
        RunOption.worded(question.reading().advice()));
    assertEquals(
        "he",
        DataReader.read(temp.resolve("c.csv"), Columns.parse("answer_text=answer"))
            .get(0)
            .answers()
            .get(0)
            .text());
  }

  @Test
  void aTextThatIsChosenIsAdvisedWithItsLabel() {
    InputException e =
        Assertions.assertThrows(
            InputException.class,
            () -> read(file("a.csv", rows("kind,title,description", "~,a # b,c # d e f"))));
    assertTrue(
        RunOption.worded(e.getMessage()).contains("--columns text=description,label=kind"),
        e.getMessage());
  }

  @Test
  void dialoguesAsTextsAreAPromptWithTwoAnswers() {
    String row =
        "{\"chosen\": \"\\n\\nHuman: hi\\n\\nAssistant: yo\", \"rejected\": \"\\n\\nHuman:"
            + " hi\\n\\nAssistant: you\"}\n";
    Columns columns = Columns.automatic().forPreferences();
    Dataset data = DataReader.read(file("a.jsonl", row), columns);
    assertEquals("\n\nHuman: hi\n\nAssistant:", data.get(0).prompt());
    assertEquals(" yo", data.get(0).completion());
    assertEquals(" you", data.get(0).rejected().completion());
    assertEquals(List.of("dialogues"), codes(data));
    InputException e =
        Assertions.assertThrows(
            InputException.class,
            () ->
                DataReader.read(
                    file("b.jsonl", "{\"chosen\": \"a\", \"rejected\": \"b\"}\n"), columns));
    assertTrue(e.getMessage().contains("the answers have no prompt"), e.getMessage());
  }

  @Test
  void whatSeemsToBelongToAPromptOrAnAnchorIsNotPassedOverSilently() {
    Dataset data =
        read(file("a.jsonl", "{\"prompt\": \"a b\", \"input\": \"c\", \"output\": \"d\"}\n"));
    String said = RunOption.worded(data.reading().findings().get(0).message());
    assertTrue(
        said.endsWith("give --columns instruction=prompt,input=input,completion=output"), said);
    assertEquals(
        2,
        DataReader.read(
                temp.resolve("a.jsonl"),
                new ReadOptions(
                    Columns.parse("instruction=prompt,input=input,completion=output"),
                    false,
                    true,
                    FileOptions.AUTOMATIC))
            .get(0)
            .messages()
            .size());
    Dataset anchors =
        DataReader.read(
            file("b.jsonl", "{\"query\": \"a\", \"pos\": [\"b\"], \"prompt\": \"Q: \"}\n"),
            Columns.automatic().forPairs());
    said = RunOption.worded(anchors.reading().findings().get(0).message());
    assertTrue(said.endsWith("is given with --query-prompt"), said);
  }

  @Test
  void whatStandsWithinObjectsAndListsIsAdvisedAsRows() {
    String message =
        refusal(file("a.jsonl", "{\"id\": 1, \"translation\": {\"de\": \"a\", \"en\": \"b\"}}\n"));
    assertTrue(message.endsWith("jq -c '. + .\"translation\"' a.jsonl > rows.jsonl"), message);
    message = refusal(file("b.jsonl", "[\"a\", \"b\"]\n[\"c\", \"d\"]\n"));
    assertTrue(message.endsWith("jq -c '{text: .[0], label: .[1]}' b.jsonl > rows.jsonl"), message);
    message = refusal(file("b.json", "[\"a\", \"b\"]"));
    assertTrue(message.endsWith("jq -c '.[] | {text: .}' b.json > rows.jsonl"), message);
    message = refusal(file("b.json", "[[\"a\", \"b\"], [\"c\", \"d\"]]"));
    assertTrue(
        message.endsWith("jq -c '.[] | {text: .[0], label: .[1]}' b.json > rows.jsonl"), message);
    message = refusal(file("c.csv", rows("de,en", "ein # wort,a # word")));
    assertTrue(message.contains("--columns prompt=de,completion=en"), message);
    InputException e =
        Assertions.assertThrows(
            InputException.class,
            () ->
                DataReader.read(
                    file("d.tsv", rows("", "a #\tb #\tc #")), Columns.automatic().forPairs()));
    assertTrue(
        RunOption.worded(e.getMessage()).endsWith("--columns anchor,positive,negative"),
        e.getMessage());
  }
}
