package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Pairs whose texts have no names, as sentence-transformers' data have them. */
class UnnamedTextsTest extends FormatTrial {
  private static final FileOptions PLAIN = FileOptions.AUTOMATIC;

  private static Dataset pairs(Path file) {
    return DataReader.read(file, as(Columns.automatic().forPairs(), PLAIN));
  }

  private String refusedPairs(Path file) {
    try {
      pairs(file);
    } catch (InputException e) {
      return e.getMessage().replace(temp + "/", "");
    }
    throw new AssertionError("not refused");
  }

  private static List<Object> texts(Example example) {
    return example.texts().stream().filter(Objects::nonNull).toList();
  }

  @Test
  void aLineMayBeAListOfAPair() {
    String lines = "[\"a b\", \"c d\"]\n\n[\"e f\", \"g h\"]\n";
    Dataset plain = pairs(file("a.jsonl", lines));
    assertEquals("anchor, positive", plain.columns());
    assertEquals(2, plain.size());
    assertEquals(List.of("e f", "g h"), texts(plain.get(1)));
    assertEquals(3, plain.get(1).row());
    byte[] packed = gzip(lines.getBytes(StandardCharsets.UTF_8));
    assertEquals(2, pairs(file("b.jsonl.gz", packed)).size());
    assertEquals(2, pairs(file("c.json", lines)).size());
    assertEquals(2, pairs(file("d.json", "[[\"a b\", \"c d\"], [\"e f\", \"g h\"]]")).size());
    assertEquals(1, pairs(file("e.jsonl", "[\"a b\", \"c d\"]")).size());
  }

  @Test
  void furtherTextsAreNotLikeTheFirstAndANumberIsAScore() {
    Dataset triplets =
        pairs(file("a.jsonl", "[\"a\", \"b\", \"c\"]\n{\"texts\": [\"d\", \"e\", \"f\"]}\n"));
    assertEquals("anchor, positive, negative", triplets.columns());
    assertEquals(List.of("d", "e", "f"), texts(triplets.get(1)));
    Dataset more = pairs(file("b.jsonl", "[\"a\", \"b\", \"c\", \"d\"]\n"));
    assertEquals(List.of("a", "b", "c", "d"), texts(more.get(0)));
    Dataset scored = pairs(file("c.jsonl", "[\"a\", \"b\", 0.5]\n"));
    assertEquals("b", scored.get(0).textPair());
    assertEquals("0.5", scored.get(0).label());
  }

  @Test
  void everyTwoOfASetAreAPair() {
    Dataset data =
        pairs(
            file(
                "a.jsonl", "{\"set\": [\"a\", \"b\", \"c\", \"a\"]}\n{\"set\": [\"d\", \"e\"]}\n"));
    assertEquals(
        List.of(List.of("a", "b"), List.of("a", "c"), List.of("b", "c"), List.of("d", "e")),
        data.examples().stream().map(UnnamedTextsTest::texts).toList());
    assertEquals(
        "2 rows are sets of texts that are alike; every two of a set make a pair, 4 pairs in all",
        data.reading().findings().get(0).message());
  }

  @Test
  void whatMakesNoPairIsRefused() {
    assertTrue(
        refusedPairs(file("a.jsonl", "[\"a\"]\n")).startsWith("a.jsonl, row 1: a list must be"));
    assertTrue(refusedPairs(file("b.jsonl", "[\"a\", 1]\n")).contains("not [a, 1]"));
    assertTrue(
        refusedPairs(file("c.jsonl", "{\"set\": [\"a\", \"a\"]}\n")).contains("\"set\" must be"));
    assertTrue(
        refusedPairs(file("d.jsonl", "{\"set\": [\"a\", 1]}\n")).contains("\"set\" must be"));
    assertTrue(refusal(file("e.jsonl", "[\"a\", \"b\"]\n")).contains("Name their parts"));
    String many =
        IntStream.range(0, 1001).mapToObj(i -> "\"" + i + "\"").collect(Collectors.joining(","));
    assertTrue(
        refusedPairs(file("f.jsonl", "{\"set\": [" + many + "]}\n"))
            .contains("\"set\" has 1,001 texts, and every two of them would be a pair; 1,000 are"));
  }

  @Test
  void aListBesideOtherTextsIsNotThePair() {
    for (String list : List.of("\"texts\": [\"x\", \"y\"]", "\"set\": [\"train\"]")) {
      Dataset data =
          pairs(file("a.jsonl", "{\"question\": \"a b\", \"answer\": \"c d\", " + list + "}\n"));
      assertEquals(List.of("a b", "c d"), texts(data.get(0)));
    }
    String beside = "{\"id\": \"q\", \"label\": \"z\", \"n\": 1, \"%s\": [\"a\", \"b\"]}\n";
    assertEquals(List.of("a", "b"), texts(pairs(file("b.jsonl", beside.formatted("set"))).get(0)));
    assertEquals(
        List.of("a", "b"), texts(pairs(file("c.jsonl", beside.formatted("texts"))).get(0)));
  }

  @Test
  void listsOfRowsThatWereJoinedAreAllRead() {
    Dataset data =
        read(
            file(
                "a.json",
                "[{\"text\": \"a\", \"label\": 1}]\n[{\"text\": \"b\", \"label\": 0}]\n"));
    assertEquals(List.of("a", "b"), texts(data));
    assertEquals("several lists of objects", form(data));
    Dataset lines =
        read(
            file(
                "b.jsonl",
                "[{\"text\": \"a\", \"label\": 1}]\n[]\n[{\"text\": \"b\", \"label\": 0}]\n"));
    assertEquals(List.of("a", "b"), texts(lines));
    String other =
        refusal(file("c.json", "[{\"text\": \"a\", \"label\": 1}]\n{\"text\": \"b\"}\n"));
    assertTrue(other.contains("behind a list of rows stands an object"), other);
  }
}
