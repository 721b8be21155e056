package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import dev.attune.task.Classification;
import dev.attune.task.Task;
import dev.attune.text.ChatMessage;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What tools of annotators and of trainers write beside texts and turns. */
class AnnotationFilesTest extends FormatTrial {
  @Test
  void rejectedAnnotationsAreNotLearnedAsIfTheyWereAccepted() {
    String row = "{\"text\": \"a\", \"label\": \"X\", \"answer\": \"%s\"}\n";
    assertEquals(2, read(file("a.jsonl", row.formatted("accept").repeat(2))).size());
    Finding found = verdicts(file("b.jsonl", row.formatted("accept") + row.formatted("reject")));
    assertTrue(found.message().contains("those that were not are read like"), found.message());
    assertTrue(found.message().contains("learned: jq -c 'select(.answer == \"accept\")'"));
    String two = row.formatted("accept") + row.formatted("reject").replace("X", "Y");
    Dataset judged = read(file("f.jsonl", two));
    Task task = new Classification(Classification.of(judged).labels());
    DataReport learned = DataReport.builder(task).train(judged, null).build();
    Assertions.assertThrows(InputException.class, learned::throwIfFatal);
    DataReport.builder(task).validation(judged, null).build().throwIfFatal();
    assertTrue(
        verdicts(file("b.json", "[" + row.formatted("ignore") + "]"))
            .message()
            .contains("jq -c '.. | objects | select("));
    assertTrue(
        verdicts(file("b.csv", "text,label,answer\na,X,reject\n"))
            .message()
            .contains("in pandas, frame[frame.answer == \"accept\"]"));
    Columns verdict = Columns.parse("text=text,label=answer");
    Dataset data = DataReader.read(file("d.jsonl", row.formatted("reject")), verdict);
    assertEquals("reject", data.get(0).label());
    assertEquals(1, read(file("e.jsonl", row.formatted("Paris"))).size());
  }

  private static Finding verdicts(Path file) {
    return read(file).reading().findings().get(0);
  }

  @Test
  void listsOfOneLabelAreItsLabelWhereEveryRowHasOne() {
    String row = "{\"text\": \"a\", \"label\": %s}\n";
    Dataset ones =
        read(
            file(
                "a.jsonl",
                row.formatted("[\"x\"]") + row.formatted("[\"y\"]") + row.formatted("[1]")));
    Dataset single = LabelLists.ofOne(ones);
    assertEquals(List.of("x", "y", "1"), single.examples().stream().map(Example::label).toList());
    assertNull(single.get(0).labels());
    assertEquals("label_lists", single.reading().findings().get(0).code());
    for (String other : List.of("[]", "[\"x\", \"y\"]", "\"x\"", "null")) {
      Dataset mixed = read(file("b.jsonl", row.formatted("[\"x\"]") + row.formatted(other)));
      assertEquals(mixed, LabelLists.ofOne(mixed));
    }
  }

  @Test
  void choicesOfLabelStudioAreLists() {
    Dataset json =
        read(
            file(
                "a.json",
                "[{\"text\": \"a\", \"label\": {\"choices\": [\"x\", \"y\"]}}, {\"text\": \"b\","
                    + " \"label\": \"x\"}]"));
    assertEquals(List.of("x", "y"), json.get(0).labels());
    assertEquals("x", json.get(1).label());
    Dataset table =
        read(file("b.csv", "text,label\na,\"{\"\"choices\"\":[\"\"x\"\",\"\"y\"\"]}\"\nb,x\n"));
    assertEquals(List.of("x", "y"), table.get(0).labels());
    assertEquals("x", table.get(1).label());
  }

  @Test
  void spansOfATextAreSaidNotToBeRead() {
    for (String spans :
        List.of("[[0, 3, \"PER\"]]", "[{\"start\": 0, \"end\": 3, \"labels\": [\"PER\"]}]")) {
      String refusal =
          refusal(file("a.jsonl", "{\"text\": \"Eve ran\", \"label\": %s}\n".formatted(spans)));
      assertTrue(refusal.contains("Spans of a text are not read"), refusal);
    }
  }

  @Test
  void ofSquadAsATableTheTextIsTheAnswer() {
    Dataset data =
        read(
            file(
                "a.csv",
                "context,question,id,answer_start,text\nIt ran,Who?,1,3.0,ran\nIt,Why?,2,,\n"));
    assertEquals("Who?", data.get(0).text());
    assertEquals(List.of(new GoldAnswer("ran", 3)), data.get(0).answers());
    assertEquals(List.of(), data.get(1).answers());
  }

  @Test
  void aBareListOfArticlesIsSaidToBeOne() {
    String articles = "[{\"title\": \"t\", \"paragraphs\": [{\"context\": \"c\", \"qas\": []}]}]";
    String refusal = refusal(file("a.json", articles));
    assertTrue(refusal.endsWith("in an object: jq '{data: .}' a.json > squad.json"), refusal);
  }

  @Test
  void startsOfAnswersMayBeWrittenAsFractionsAndAnswersAsTexts() {
    String row = "{\"question\": \"q\", \"context\": \"It ran\", \"answers\": %s}\n";
    Dataset data =
        read(
            file(
                "a.jsonl",
                row.formatted("{\"text\": [\"ran\"], \"answer_start\": [3.0]}")
                    + row.formatted("[\"ran\"]")));
    assertEquals(List.of(new GoldAnswer("ran", 3)), data.get(0).answers());
    assertEquals(List.of(new GoldAnswer("ran", GoldAnswer.ANYWHERE)), data.get(1).answers());
    String half = row.formatted("{\"text\": [\"ran\"], \"answer_start\": [2.5]}");
    assertTrue(refusal(file("b.jsonl", half)).endsWith("the answer's start is 2.5, not an index"));
  }

  @Test
  void columnsOfZeroAndOneMayBeWrittenAsFractionsOrWords() {
    Columns columns = Columns.parse("text=text,labels=p;q");
    Path file = file("a.csv", "text,p,q\na,1.0,0.0\nb,FALSE,TRUE\nc,yes,No\nd,1,0\n");
    assertEquals(
        List.of(List.of("p"), List.of("q"), List.of("p"), List.of("p")),
        DataReader.read(file, columns).examples().stream().map(Example::labels).toList());
    assertTrue(
        refusal(file("b.csv", "text,p,q\na,-1,0\n"), "text=text,labels=p;q", FileOptions.AUTOMATIC)
            .contains("must be 0 or 1, not \"-1\""));
  }

  @Test
  void numbersOfTagsAreNoNamesThoughSomeMeanNone() {
    assertTrue(LabelNumbers.areNumbers(List.of("-100", "0", "3")));
    assertFalse(LabelNumbers.areNumbers(List.of("-", "0")));
  }

  @Test
  void singleTurnsAreNoTexts() {
    String turns =
        "[{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\", \"content\": \"b\"}]\n";
    for (String name : List.of("a.jsonl", "a.json")) {
      String refusal = refusal(file(name, turns.repeat(2)));
      assertTrue(refusal.contains("the rows are single turns of conversations"), refusal);
      assertTrue(refusal.contains("jq -c '{messages: .}'"), refusal);
    }
    assertTrue(
        refusal(file("b.json", "[{\"from\": \"human\", \"value\": \"a\"}]")).contains("turns of"));
    for (String more : List.of("\"train\": false", "\"name\": \"Eve\"", "\"weight\": 0")) {
      String marked = "[{\"role\": \"user\", \"content\": \"a\", " + more + "}]\n";
      assertTrue(refusal(file("d.jsonl", marked)).contains("single turns of"), more);
    }
    assertTrue(
        refusal(file("e.json", "[{\"from\": \"gpt\", \"value\": \"a\", \"weight\": 1}]"))
            .contains("turns of"));
    Columns texts = Columns.parse("text=content");
    assertEquals(2, DataReader.read(file("c.json", turns), texts).size());
  }

  @Test
  void tagsMayBePartedByCommas() {
    Dataset data =
        read(
            file(
                "a.csv",
                "tokens,tags\nEve met Bob,\"B-PER,O,B-PER\"\nIt ran,\"O, O\"\n\", .\",\", .\"\n"));
    assertEquals(List.of("B-PER", "O", "B-PER"), data.get(0).tags());
    assertEquals(List.of("O", "O"), data.get(1).tags());
    assertEquals(List.of(",", "."), data.get(2).tags());
    assertEquals(
        "2 rows have tags that are parted by commas", data.reading().findings().get(0).message());
  }

  @Test
  void setsOfPythonAreListsAndSoAreFractionsWhereNumbersAreWanted() {
    Dataset sets = read(file("a.csv", "text,label\na,\"{'x', 'y'}\"\nb,{'x'}\n"));
    assertEquals(List.of("x", "y"), sets.get(0).labels());
    Path file = file("b.csv", "text,label\na,\"[0.5, 2]\"\nb,\"[1e-1, -3]\"\n");
    Dataset numbers = DataReader.read(file, ReadOptions.of(Columns.automatic()).numbers(true));
    assertEquals(List.of("0.5", "2"), numbers.get(0).labels());
    assertEquals(List.of("1e-1", "-3"), numbers.get(1).labels());
    assertNull(read(file).get(0).labels());
  }

  @Test
  void adviceNamesWhatTheFileHas() {
    Columns preferences = Columns.automatic().forPreferences();
    Path orca =
        file(
            "a.jsonl",
            "{\"system\": \"s\", \"question\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n");
    InputException e =
        Assertions.assertThrows(InputException.class, () -> DataReader.read(orca, preferences));
    assertTrue(RunOption.worded(e.getMessage()).endsWith("--columns prompt=question"));
    String pair =
        refusal(file("b.csv", "query,passage,label\nwhat is it,it is this,1\nwhy,so,0\n"));
    assertTrue(
        pair.endsWith("or both as a pair: --columns text=query,text_pair=passage,label=label"),
        pair);
    String lines = refusal(file("c.jsonl", "{\n \"text\": \"a\"\n}\n"));
    assertTrue(
        lines.endsWith("Where one stands on several lines: jq -c . c.jsonl > rows.jsonl"), lines);
    String rows = refusal(file("d.json", "{\"features\": [{\"a\": 1}], \"rows\": [{\"b\": 1}]}"));
    assertTrue(rows.endsWith("jq .rows d.json > rows.json"), rows);
    String pound =
        refusal(file("e.csv", "text,label\nabc \u00a35,x\n".getBytes(StandardCharsets.ISO_8859_1)));
    assertTrue(pound.contains("looks like windows-1252"), pound);
    Dataset choices =
        read(
            file(
                "f.jsonl",
                "{\"text\": \"a b\", \"topics\": {\"choices\": [\"x\"]}, \"by\": 1}\n"
                    + "{\"text\": \"c d\", \"topics\": {\"choices\": [\"y\"]}, \"by\": 1}\n"));
    String advice = RunOption.worded(choices.reading().advice());
    assertTrue(advice.endsWith("--columns text=text,label=topics"), advice);
    Dataset named = read(file("h.csv", "text,label,label_text\na,0,bad\nb,1,good\n"));
    assertTrue(
        RunOption.worded(named.reading().findings().get(0).message())
            .endsWith("--columns text=text,label=label_text"));
    Dataset words = read(file("g.csv", "text,labels\nEve ran,B-PER O\n"));
    assertEquals(
        "--columns tokens=text,tags=labels", RunOption.worded(words.reading().textAsTokens()));
  }

  @Test
  void whatStandsForNothingIsSaidToBeReadAsAText() {
    Dataset data = read(file("a.csv", "text,label\nnan,x\nNone,y\nfine,x\n"));
    assertEquals(
        "2 rows have \"nan\" or the like as \"text\", as programs write where there is no value: it is"
            + " read as that word",
        data.reading().findings().get(0).message());
    Dataset images =
        read(file("b.jsonl", "{\"text\": \"a <image>\", \"label\": 1, \"images\": [\"x.png\"]}\n"));
    assertEquals("media_not_used", images.reading().findings().get(0).code());
    Dataset none = read(file("c.jsonl", "{\"text\": \"a\", \"label\": 1, \"images\": null}\n"));
    assertEquals(List.of(), none.reading().findings());
  }

  private List<ChatMessage> turns(String fields) {
    String row =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}, {\"role\": \"assistant\","
            + " \"content\": \"b\", %s}, {\"role\": \"assistant\", \"content\": \"c\"}]}\n";
    return read(file("a.jsonl", row.formatted(fields))).get(0).messages();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"train\": false",
        "\"loss\": false",
        "\"training\": false",
        "\"weight\": 0",
        "\"loss\": 0",
        "\"train\": false, \"weight\": 0",
        "\"train\": false, \"loss\": false"
      })
  void turnsThatAreMarkedSoAreNotLearned(String mark) {
    List<ChatMessage> turns = turns(mark);
    assertTrue(turns.get(1).isLeftOut());
    assertFalse(turns.get(2).isLeftOut());
    assertEquals(turns("\"weight\": 0").get(1), turns.get(1));
  }

  private String notTurns(String fields) {
    return Assertions.assertThrows(InputException.class, () -> turns(fields)).getMessage();
  }

  @Test
  void marksThatContradictAreRefused() {
    assertFalse(turns("\"train\": true").get(1).isLeftOut());
    assertFalse(turns("\"loss\": 1, \"weight\": 1").get(1).isLeftOut());
    for (String other : List.of("weight\": 1", "loss\": true")) {
      String both = notTurns("\"train\": false, \"" + other);
      String name = other.substring(0, other.indexOf('"'));
      assertTrue(both.contains("by one of its \"train\" and \"" + name + "\", and not by"), both);
    }
    for (String other : List.of("\"false\"", "0.5", "[]")) {
      String mark = notTurns("\"train\": " + other);
      assertTrue(mark.endsWith("must be true or false, not " + other), mark);
    }
    String user =
        "{\"messages\": [{\"role\": \"user\", \"content\": \"a\", \"train\": %s}, {\"role\":"
            + " \"assistant\", \"content\": \"b\"}]}\n";
    assertEquals(1, read(file("b.jsonl", user.formatted(false))).size());
    assertTrue(refusal(file("c.jsonl", user.formatted(true))).contains("has the role \"user\""));
  }
}
