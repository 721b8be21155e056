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
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What columns mean where nobody says. */
class ColumnGuessTest {
  @TempDir Path temp;

  private Dataset read(String name, String content, ReadOptions options) {
    try {
      return DataReader.read(Files.writeString(temp.resolve(name), content), options);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private Dataset read(String name, String content, String columns) {
    return read(name, content, ReadOptions.of(Columns.parse(columns)));
  }

  private String refusal(String name, String content, String columns) {
    InputException e = assertThrows(InputException.class, () -> read(name, content, columns));
    return RunOption.worded(e.getMessage()).replace(temp.toString() + "/", "");
  }

  // ---- names

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "review,sentiment|text <- review (guessed by its name), label <- sentiment (guessed by its"
            + " name)",
        "id,Text,Label|text <- Text (guessed by its name), label <- Label (guessed by its name); not"
            + " used: id",
        "text,category|text, label <- category (guessed by its name)",
        "Review Text,Stars|text <- Review Text (guessed by its name), label <- Stars (guessed by its"
            + " name)",
        "Bewertung,Stimmung|text <- Bewertung (guessed by its name), label <- Stimmung (guessed by"
            + " its name)",
        "Text,Bewertung|text <- Text (guessed by its name), label <- Bewertung (guessed by its name)",
        "reseña,puntuación|text <- reseña (guessed by its name), label <- puntuación (guessed by its"
            + " name)",
        "question1,question2,label|text <- question1 (guessed by its name), text_pair <- question2"
            + " (guessed by its name), label",
        "tweet|text <- tweet (guessed by its name)",
        "title,text,label|text, label; not used: title",
        ",a,b,c,d,e,text|text; not used: a, b, c, d and 1 more",
      })
  void usualNamesAreGuessedAndTheReportSaysSo(String header, String described) {
    int width = header.split(",").length;
    Dataset data = read("a.csv", header + "\n" + row(width, "a") + row(width, "b"), (String) null);
    assertEquals(described, data.columns());
  }

  private static String row(int width, String value) {
    return String.join(",", java.util.Collections.nCopies(width, value)) + "\n";
  }

  @Test
  void twoColumnsThatMayBeTheTextAreNotGuessed() {
    assertEquals(
        "a.csv: the columns \"title\", \"body\" may each be the text. Say which: --columns"
            + " text=title,label=topic or --columns text=body,label=topic, or both as a pair:"
            + " --columns text=title,text_pair=body,label=topic",
        refusal("a.csv", "title,body,topic\na b,c d,x\n", null));
    assertEquals(
        "text <- body, label <- topic (guessed by its name); not used: title",
        read("b.csv", "title,body,topic\na b,c d,x\n", "text=body").columns());
  }

  @Test
  void numbersAreNoTextWhateverTheirName() {
    Dataset data =
        read("a.csv", "comments,review,label\n5,good one,x\n7,bad one,y\n", (String) null);
    assertEquals("good one", data.get(0).text());
  }

  @Test
  void twoColumnsThatMayBeTheLabelAreNamedWhereOneIsMissing() {
    Dataset data =
        read("a.csv", "review,category,rating\nso good,book,5\nso bad,toy,1\n", (String) null);
    assertNull(data.get(0).label());
    assertEquals(
        "Say which column is the label: --columns text=review,label=category or --columns"
            + " text=review,label=rating",
        RunOption.worded(data.reading().advice()));
  }

  @Test
  void columnsOfZeroAndOneAreLabels() {
    Dataset data = read("a.csv", "text,is new,\"a;b\"\nx y,0,1\ny z,1,0\n", (String) null);
    assertEquals(
        "The columns \"is new\", \"a;b\" hold 0 and 1: for several labels a row give --task"
            + " multi-label-classification --columns 'text=text,labels=is new;\"a;b\"'",
        RunOption.worded(data.reading().advice()));
    Dataset named =
        read("b.csv", "text,is new,\"a;b\"\nx y,0,1\ny z,1,0\n", "text=text,labels=is new;\"a;b\"");
    assertEquals(List.of("a;b"), named.get(0).labels());
  }

  @Test
  void namesWithCommasAndQuotesAreGivenInQuotes() {
    Dataset data =
        read(
            "a.csv",
            "\"what, then\",\"a \"\"b\"\"\"\nx y,1\n",
            "text=\"what, then\",label=\"a \"\"b\"\"\"");
    assertEquals("x y", data.get(0).text());
    assertEquals("1", data.get(0).label());
    assertTrue(
        refusal("b.csv", "\"1, 2\",k\nlong enough text,x\n", null).contains("Recognised"),
        "named in the error");
    InputException open = assertThrows(InputException.class, () -> Columns.parse("text=\"a"));
    assertTrue(open.getMessage().contains("a quote is not closed"), open.getMessage());
  }

  @Test
  void aColumnOfLabelsIsNeverAdvisedFromIdentifiersAndDates() {
    StringBuilder csv = new StringBuilder("text,id,day,kind\n");
    for (int i = 0; i < 20; i++) {
      csv.append("words ").append(i).append(',').append(i).append(",2024-01-1");
      csv.append(i % 5).append(i % 2 == 0 ? ",a\n" : ",b\n");
    }
    assertEquals(
        "Say which column is the label: --columns text=text,label=kind",
        RunOption.worded(read("a.csv", csv.toString(), (String) null).reading().advice()));
  }

  @Test
  void aQuestionWithItsAnswerAndALabelMayBeAPair() {
    assertEquals(
        "a.csv: the columns \"question\", \"answer\" may be a pair of texts. Say so, or which is the"
            + " text: --columns text=question,text_pair=answer,label=label or --columns"
            + " text=question,label=label",
        refusal("a.csv", "question,answer,label\nso what,that it,1\n", null));
  }

  @Test
  void oneWordARowIsRefused() {
    assertEquals(
        "a.csv: \"Word\" seems to hold one word a row, which is not read. Write a .conll file: a"
            + " word and its tag a line, a blank line between sentences",
        refusal("a.csv", "Sentence #,Word,POS,Tag\n1,Bob,NN,B-PER\n1,ran,VB,O\n", null));
    String known = "sentence_id,words,labels\n1,Bob,B-PER\n1,ran,O\n2,Hi,O\n";
    assertTrue(refusal("b.csv", known, null).contains("\"words\" seems to hold one word a row"));
    assertEquals(3, read("c.csv", known, "tokens=words,tags=labels").size(), "as it was asked for");
    assertEquals(1, read("d.csv", "tokens,tags\nHi,O\n", (String) null).size());
  }

  @Test
  void severalColumnsOfTagsAreNamed() {
    Dataset data =
        read(
            "a.jsonl",
            "{\"tokens\": [\"a\"], \"pos\": [\"NN\"], \"ner\": [\"O\"]}\n",
            (String) null);
    assertEquals(
        "Say which column holds the tags: --columns tags=pos or --columns tags=ner",
        RunOption.worded(data.reading().advice()));
  }

  // ---- headers

  @Test
  void aHeaderOfUnknownNamesIsNeverMadeAnExample() {
    String rows =
        "a film that stirs,7,x1\na dull one it is,9,x1\nnot so bad a film,7,x2\n".repeat(5);
    String header = refusal("a.csv", "was,wie,wo\n" + rows, null);
    assertTrue(
        header.contains(
            "Row 1 looks like a header. Say which columns to use: --columns text=was,label=w"),
        header);
    String none = refusal("b.csv", rows, null);
    assertTrue(
        none.contains("Row 1 looks like data. Say what the columns are: --columns text,"), none);
    assertEquals(15, read("c.csv", rows, "text,_,label").size());
  }

  @Test
  void aHeaderOfUsualNamesIsNoRow() {
    assertEquals(
        "a.csv, row 1 is a header (\"review\", \"sentiment\"), but --columns by position says the"
            + " file has none. Leave --columns out, or name the columns: --columns"
            + " text=review,label=sentiment",
        refusal("a.csv", "review,sentiment\na,b\n", "text,label"));
  }

  // ---- words and lists

  @Test
  void listsInCellsAreReadAsLists() {
    Dataset data =
        read(
            "a.csv",
            "tokens,ner_tags\n\"['EU', \"\"it's\"\", 'a b']\",\"[3, 0, 0]\"\n\"['x' 'y\\n']\",[0"
                + " 0]\n",
            (String) null);
    assertEquals(List.of("EU", "it's", "a b"), data.get(0).tokens());
    assertEquals(List.of("3", "0", "0"), data.get(0).tags());
    assertEquals(List.of("x", "y\n"), data.get(1).tokens());
    assertEquals("[3, 0, 0]", data.get(0).fields().get("ner_tags"));
    assertEquals(
        List.of("the cells of \"tokens\", \"ner_tags\" are read as lists"),
        data.reading().findings().stream().map(Finding::message).toList());
    Dataset labels = read("b.csv", "text,labels\na,\"['x', 'y']\"\nb,[]\n", (String) null);
    assertEquals(List.of("x", "y"), labels.get(0).labels());
    assertEquals(List.of(), labels.get(1).labels());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {"[sad]", "[1.5]", "['a]", "['a'", "['a''b']x", "[1-2]", "['\\q']", "a"})
  void whatIsNoListStaysAText(String cell) {
    assertNull(ListCell.parse(cell));
  }

  @Test
  void oneCellThatIsNoListKeepsTheColumnText() {
    Dataset data = read("a.csv", "tokens,tags\n['a'],['O']\nb c,O O\n", (String) null);
    assertEquals(List.of("['a']"), data.get(0).tokens());
    assertEquals(List.of("b", "c"), data.get(1).tokens());
  }

  @Test
  void aTextIsWordsWhereTheOptionSaysSo() {
    Example example =
        read("a.jsonl", "{\"body\": \"a  b\", \"tags\": [\"O\", \"O\"]}\n", "tokens=body").get(0);
    assertEquals(List.of("a", "b"), example.tokens());
  }

  @Test
  void tagsHaveUsualNamesToo() {
    Example example =
        read(
                "a.jsonl",
                "{\"tokens\": [\"a\", \"b\"], \"labels\": [\"O\", \"B-X\"]}\n",
                (String) null)
            .get(0);
    assertEquals(List.of("O", "B-X"), example.tags());
    assertNull(example.labels());
  }

  // ---- bad rows

  @Test
  void rowsThatCannotBeReadAreLeftOutAndCounted() {
    ReadOptions skipping = new ReadOptions(Columns.parse(null), true, false, FileOptions.AUTOMATIC);
    Dataset data = read("a.csv", "text,label\na,x\n\nb\nc,y\nd,x,z\ne,y\n,\n", skipping);
    assertEquals(List.of("a", "c", "e"), data.examples().stream().map(Example::text).toList());
    Finding finding = data.reading().findings().get(0);
    assertEquals(List.of(3, 4, 6), finding.rows());
    assertEquals(
        "3 rows were left out, as --skip-bad-rows asks. The first: a.csv, row 3 is blank",
        RunOption.worded(finding.message()).replace(temp.toString() + "/", ""));
    Dataset json =
        read("b.jsonl", "{\"text\": \"a\"}\n{\"text\": \n{\"text\": 5}\n{\"x\": 1}\n", skipping);
    assertEquals(1, json.size());
    assertEquals(List.of(2, 3, 4), json.reading().findings().get(0).rows());
    assertThrows(InputException.class, () -> read("c.jsonl", "{\n", skipping));
  }

  @Test
  void aSentenceWithABadLineIsLeftOutWithIt() {
    ReadOptions skipping = new ReadOptions(Columns.parse(null), true, false, FileOptions.AUTOMATIC);
    Dataset data = read("a.conll", "a O\n\nb O\nc\nd O\n\ne O\n", skipping);
    assertEquals(
        List.of(List.of("a"), List.of("e")),
        data.examples().stream().map(Example::tokens).toList());
    assertEquals(List.of(4), data.reading().findings().get(0).rows());
    Dataset twice = read("b.conll", "a O\n\nb\nc\nd O\n\ne\n\nf O\n", skipping);
    Finding finding = twice.reading().findings().get(0);
    assertEquals(List.of(3, 7), finding.rows());
    assertTrue(finding.message().startsWith("2 sentences were left out"), finding.message());
  }

  // ---- rows of several kinds

  @Test
  void rowsThatGiveARoleToDifferentGuessedColumnsAreNotGuessedAt() {
    String first = "{\"review\": \"some words\", \"label\": \"x\"}\n";
    String second = "{\"comment\": \"other words\", \"label\": \"y\"}\n";
    assertEquals(
        "a.jsonl: the columns \"review\", \"comment\", of different rows, may each be the text."
            + " Say which: --columns text=review or --columns text=comment",
        refusal("a.jsonl", first + second, null));
    assertTrue(
        refusal("a.jsonl", first + second, "text=review").contains("row 2 has no text"),
        "what is said holds");
    ReadOptions skipping =
        new ReadOptions(Columns.parse("text=review"), true, false, FileOptions.AUTOMATIC);
    assertEquals(1, read("a.jsonl", first + second, skipping).size());
  }

  @Test
  void aGuessIsSaidThoughOtherRowsHaveTheName() {
    String named = "{\"text\": \"some words\", \"label\": \"x\"}\n";
    String guessed = "{\"review\": \"other words\", \"label\": \"y\"}\n";
    assertEquals(
        "text, label, in some rows text <- review (guessed by its name)",
        read("a.jsonl", guessed + named, (String) null).columns());
    assertEquals(
        "text <- review (guessed by its name), label, messages",
        read(
                "b.jsonl",
                guessed
                    + "{\"messages\": []}\n"
                        .replace("[]", "[{\"role\": \"user\", \"content\": \"a\"}]"),
                (String) null)
            .columns());
  }

  @Test
  void emptyRowsAtTheEndAreHarmless() {
    assertEquals(1, read("a.csv", "text,label\na,x\n,\n,\n\n", (String) null).size());
  }

  @Test
  void namesOfNumbersTakeTheirPlaces() {
    LabelNames names = LabelNames.parse("O,B-PER,I-PER");
    Dataset data =
        read("a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [1, 2]}\n", (String) null);
    assertEquals(List.of("B-PER", "I-PER"), names.applied(data).get(0).tags());
    assertEquals(
        Map.of("tokens", List.of("a", "b"), "ner_tags", List.of(1, 2)), data.get(0).fields());
    Dataset beyond = read("b.jsonl", "{\"text\": \"a\", \"label\": 3}\n", (String) null);
    InputException e = assertThrows(InputException.class, () -> names.applied(beyond));
    assertTrue(
        e.getMessage().contains("row 1: ‹label names› names 3 labels, 0 to 2, and the row has 3"));
    assertThrows(InputException.class, () -> LabelNames.parse("a,,b"));
  }

  @Test
  void namesOfNumbersMayStandInAFile() throws IOException {
    Path file = Files.writeString(temp.resolve("names.txt"), "no, never\nyes\n\n");
    assertEquals(List.of("no, never", "yes"), LabelNames.parse(file.toString()).map().names());
  }
}
