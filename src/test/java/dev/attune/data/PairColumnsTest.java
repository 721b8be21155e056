package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What columns mean where rows are pairs and triplets of texts. */
class PairColumnsTest {
  @TempDir Path temp;

  private Dataset read(String name, String content, Columns columns) {
    try {
      return DataReader.read(
          Files.writeString(temp.resolve(name), content), ReadOptions.of(columns));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Dataset pairs(String name, String content, String columns) {
    return read(name, content, Columns.parse(columns).forPairs());
  }

  private String refusal(String name, String content, String columns) {
    InputException e = assertThrows(InputException.class, () -> pairs(name, content, columns));
    return RunOption.worded(e.getMessage()).replace(temp.toString() + "/", "");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "anchor,positive|anchor, positive",
        "anchor,positive,negative|anchor, positive, negative",
        "query,passage|anchor <- query (guessed by its name), positive <- passage (guessed by its"
            + " name)",
        "question,answer|anchor <- question (guessed by its name), positive <- answer (guessed by"
            + " its name)",
        "question,context|anchor <- question (guessed by its name), positive <- context (guessed by"
            + " its name)",
        "id,Query,pos,neg|anchor <- Query (guessed by its name), positive <- pos (guessed by its"
            + " name), negative <- neg (guessed by its name); not used: id",
        "premise,hypothesis|text <- premise, text_pair <- hypothesis",
        "sentence1,sentence2,score|text <- sentence1, text_pair <- sentence2, label <- score"
            + " (guessed by its name)",
        "sentence_1,sentence_2|text <- sentence_1 (guessed by its name), text_pair <- sentence_2"
            + " (guessed by its name)"
      })
  void usualNamesAreFoundAndSaid(String header, String said) {
    int columns = header.split(",").length;
    String row = String.join(",", List.of("one", "two", "three", "four").subList(0, columns));
    String scored = row.replace("three", header.contains("score") ? "0.5" : "three");
    Dataset data = pairs("a.csv", header + "\n" + scored + "\n", null);
    assertEquals(said, data.columns());
    Example example = data.get(0);
    int first = header.startsWith("id") ? 1 : 0;
    assertEquals(row.split(",")[first], example.text());
    assertEquals(row.split(",")[first + 1], example.textPair());
  }

  @Test
  void negativesAreColumnsThatCountOrOneList() {
    Dataset numbered =
        pairs("a.csv", "anchor,positive,negative_1,negative_2,negative_4\na,b,c,d,e\n", null);
    assertEquals(List.of("c", "d"), numbered.get(0).negatives());
    assertTrue(numbered.columns().endsWith("not used: negative_4"), numbered.columns());
    Dataset list =
        pairs(
            "a.jsonl",
            "{\"anchor\": \"a\", \"positive\": \"b\", \"negatives\": [\"c\", \"d\"]}\n",
            null);
    assertEquals(List.of("c", "d"), list.get(0).negatives());
    Dataset named = pairs("b.csv", "x,y,z\na,b,c\n", "anchor=x,positive=y,negative=z");
    assertEquals(List.of("c"), named.get(0).negatives());
    Dataset positional = pairs("c.csv", "a,b,c\n", "anchor,positive,negative");
    assertEquals("a", positional.get(0).text());
    assertEquals(List.of("c"), positional.get(0).negatives());
  }

  @Test
  void rowsOfFlagEmbeddingAreAPairForEachPositive() {
    String rows =
        "{\"query\": \"q\", \"pos\": [\"a\", \"b\"], \"neg\": [\"c\", \"d\"], \"id\": \"1\"}\n"
            + "{\"query\": \"r\", \"pos\": [\"e\"], \"neg\": [\"f\", \"g\"], \"id\": \"2\"}\n";
    Dataset data = pairs("a.jsonl", rows, null);
    assertEquals(
        List.of("q a [c, d]", "q b [c, d]", "r e [f, g]"),
        data.examples().stream()
            .map(e -> e.text() + " " + e.textPair() + " " + e.negatives())
            .toList());
    assertEquals(List.of(1, 1, 2), data.examples().stream().map(Example::row).toList());
    assertEquals(
        "anchor <- query (guessed by its name), positive <- pos (guessed by its name), negative <-"
            + " neg (guessed by its name); not used: id",
        data.columns());
    String said = data.reading().findings().get(0).message();
    assertTrue(said.startsWith("1 row has several texts that the anchor is like"), said);
    Dataset table = pairs("b.csv", "query,pos,neg\nq,\"['a', 'b']\",\"['c']\"\n", null);
    assertEquals(2, table.size());
    assertEquals(List.of("c"), table.get(1).negatives());
    String refusal = refusal("c.jsonl", "{\"query\": \"q\", \"pos\": [], \"neg\": []}\n", null);
    assertTrue(refusal.contains("c.jsonl, row 1: no text of \"pos\" is one"), refusal);
    refusal = refusal("d.jsonl", "{\"query\": \"q\", \"pos\": [1]}\n", "anchor=query,positive=pos");
    assertTrue(refusal.contains("\"pos\" must be a list of strings"), refusal);
  }

  @Test
  void labelsOfEachTextPartTheAlikeFromTheOthers() {
    String row = "{\"query\": \"q\", \"answer\": [\"a\", \"b\", \"c\"], \"labels\": [0, 1.0, 0]}\n";
    Dataset data = pairs("a.jsonl", row, null);
    assertEquals("b", data.get(0).textPair());
    assertEquals(List.of("a", "c"), data.get(0).negatives());
    String refusal = refusal("b.jsonl", row.replace("1.0", "0.3"), null);
    assertTrue(refusal.contains("\"labels\" must say 0 or 1 of each of the 3 texts"), refusal);
    refusal = refusal("c.jsonl", row.replace(", \"c\"", ""), null);
    assertTrue(refusal.contains("of each of the 2 texts"), refusal);
    for (String name : List.of("labels", "scores")) {
      String table = "query,answer," + name + "\nq,\"['a', 'b', 'c']\",\"[0, %s, 0]\"\n";
      for (String one : List.of("1", "1.0")) {
        data = pairs("d.csv", table.formatted(one), null);
        assertEquals("b", data.get(0).textPair());
        assertEquals(List.of("a", "c"), data.get(0).negatives());
      }
      refusal = refusal("e.csv", table.formatted("0.3"), null);
      assertTrue(refusal.contains("must say 0 or 1 of each of the 3 texts"), refusal);
    }
  }

  @Test
  void pairsOfOneRowAreHeldOutTogether() {
    StringBuilder rows = new StringBuilder();
    for (int i = 0; i < 20; i++) {
      rows.append("{'query': 'q#', 'pos': ['a#', 'b#', 'c#']}\n".replace("#", "" + i));
    }
    Dataset data = pairs("a.jsonl", rows.toString().replace('\'', '"'), null);
    Split split = Split.stratified(data, 0.3, 1, example -> null);
    Folds folds = Folds.of(data, 3, 1, example -> null);
    assertEquals(18, split.validation().size());
    for (Dataset[] parts :
        List.of(
            new Dataset[] {split.train(), split.validation()},
            new Dataset[] {folds.examples(0, true), folds.examples(0, false)})) {
      Set<Integer> seen =
          parts[0].examples().stream().map(Example::row).collect(Collectors.toSet());
      assertTrue(parts[1].examples().stream().noneMatch(e -> seen.contains(e.row())));
    }
  }

  @Test
  void whatMayBeMeantTwiceIsRefused() {
    String refusal = refusal("a.csv", "query,passage,document\na,b,c\n", null);
    assertTrue(refusal.contains("--columns anchor=query,positive=passage"), refusal);
    refusal = refusal("b.csv", "query,passage,neg,hard_negative\na,b,c,d\n", null);
    assertTrue(refusal.contains("may each be the negative"), refusal);
    refusal = refusal("c.csv", "body,stars\na,b\n", null);
    assertTrue(refusal.contains("no pair of texts"), refusal);
    assertTrue(refusal.contains("--columns anchor=NAME,positive=NAME"), refusal);
    refusal = refusal("d.jsonl", "{\"anchor\": \"a\", \"positive\": 3}\n", null);
    assertTrue(refusal.contains("\"positive\" must be a string"), refusal);
  }

  /** Names of pairs mean nothing to tasks that do not learn from pairs. */
  @Test
  void otherTasksDoNotReadAnchors() {
    Dataset data =
        read("a.csv", "text,label,positive,negative,anchor\na,b,c,d,e\n", Columns.automatic());
    assertNull(data.get(0).negatives());
    assertNull(data.get(0).textPair());
    assertThrows(
        InputException.class, () -> read("b.csv", "anchor,positive\na,b\n", Columns.automatic()));
  }
}
