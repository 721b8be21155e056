package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tables: line ends, delimiters and quotes. */
class TableFormatsTest extends FormatTrial {
  private static final long SEED = Long.getLong("attune.seed", 20261129L);

  @ParameterizedTest
  @ValueSource(strings = {"a.csv", "a.tsv", "a.jsonl", "a.conll"})
  void linesMayEndAtCarriageReturns(String name) {
    String content =
        switch (name) {
          case "a.csv" -> "text,label\rgood,1\r\"two\rlines\",0\r";
          case "a.tsv" -> "text\tlabel\rgood\t1\rbad\t0";
          case "a.jsonl" -> "{\"text\": \"good\"}\r{\"text\": \"bad\"}\r";
          default -> "good O\r\rbad O\r";
        };
    Dataset data = read(file(name, content));
    assertEquals(2, data.size());
    if (name.equals("a.csv")) {
      assertEquals(List.of("good", "two\nlines"), texts(data), "a line break is one");
    }
    assertTrue(data.get(1).row() >= 2, data.toString());
  }

  @ParameterizedTest
  @CsvSource({
    "a.csv,'text,label~good,1~\"bad\",\"0\"~'",
    "a.tsv,'text\tlabel~good\t1~bad\t0~'",
    "a.jsonl,'{\"text\":\"good\",\"label\":1}~{\"text\":\"bad\",\"label\":0}~'"
  })
  void linesThatWereConvertedTwiceEndOnce(String name, String content) {
    Dataset data = read(file(name, content.replace("~", "\r\r\n")));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals(List.of("1", "0"), data.examples().stream().map(Example::label).toList());
  }

  @Test
  void aHeaderThatComesAgainIsNoRow() {
    Path file = file("a.csv", "text,label\ngood,1\ntext,label\nbad,0\n");
    assertEquals(
        "a.csv, row 3 is the header once more, as where files were joined. Remove it;"
            + " --skip-bad-rows leaves such rows out.",
        refusal(file, null, FileOptions.AUTOMATIC));
    assertEquals(List.of("text", "a"), texts(read(file("b.csv", "text\ntext\na\n"))));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '/',
      value = {
        "text;label~good, really;1~bad;0/fields parted by semicolons",
        "text|label~good, really|1~bad|0/fields parted by pipes",
        "text^label~good, really^1~bad^0/fields parted by tabs",
        "sep=;~text;label~good, really;1~bad;0/fields parted by semicolons",
        "SEP=,~text,label~`good, really`,1~bad,0/''",
        "`text`;`label`~`good, really`;1~bad;0/fields parted by semicolons",
      })
  void aDelimiterThatAllRowsShowIsUsedAndStated(String content, String note) {
    String written = content.replace('~', '\n').replace('^', '\t').replace('`', '"');
    Dataset data = read(file("a.csv", written));
    assertEquals(List.of("good, really", "bad"), texts(data));
    assertEquals(note, form(data));
  }

  @Test
  void commasStayTheDelimiterWhereTheyFit() {
    Dataset data = read(file("a.csv", "text,label\na;b,1\nc;d,0\n"));
    assertEquals(List.of("a;b", "c;d"), texts(data));
    assertEquals(List.of("a;b"), texts(read(file("b.csv", "text\na;b\n"))));
  }

  @Test
  void rowsThatFitTwoDelimitersAreNotGuessed() {
    Path file = file("a.csv", "gut, wirklich;1\nnicht gut, wirklich;0\n");
    assertEquals(
        "a.csv: its rows have the fields of --columns whether they are parted by commas or by"
            + " semicolons. Say which: --delimiter comma or --delimiter semicolon",
        refusal(file, "text,label", FileOptions.AUTOMATIC));
    Dataset data =
        DataReader.read(
            file, as(Columns.parse("text,label"), options(null, null, "semicolon", null)));
    assertEquals(List.of("gut, wirklich", "nicht gut, wirklich"), texts(data));
    Path plain = file("b.csv", "gut;1\nschlecht, sehr;0\n");
    assertEquals(
        List.of("gut", "schlecht, sehr"),
        texts(DataReader.read(plain, Columns.parse("text,label"))));
  }

  @Test
  void oneBadRowKeepsTheDelimiterAndNamesTheOption() {
    String message = refusal(file("a.csv", "text;label\na;1\nb\n"));
    assertTrue(message.contains("seem to be parted by semicolons: --delimiter semicolon"), message);
    assertEquals(
        "a.csv, row 3 has 1 field instead of 2 (text, label): \"b\". Is a semicolon missing?",
        refusal(temp.resolve("a.csv"), null, options(null, null, ";", null)));
  }

  @ParameterizedTest
  @CsvSource({"ab", "'\"'", "''"})
  void delimitersThatCannotBeAreRefused(String delimiter) {
    assertThrows(InputException.class, () -> options(null, null, delimiter, null));
  }

  @Test
  void aFirstLineThatContradictsTheOptionIsRefused() {
    assertTrue(
        refusal(file("a.csv", "sep=;\ntext;label\n"), null, options(null, null, "tab", null))
            .contains("row 1 says that fields are parted by semicolons, but --delimiter tab"));
  }

  /** What pandas and R write between tabs, and what GLUE is. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '/',
      quoteCharacter = '!',
      value = {
        "text^label~\"He said \"\"hi\"\" to me\"^1~plain^0/He said \"hi\" to me/"
            + "fields quoted as in CSV",
        "text^label~\"a^tab\"^1~plain^0/a^tab/fields quoted as in CSV",
        "text^label~\"two~lines\"^1~plain^0/two~lines/fields quoted as in CSV",
        "\"text\"^\"label\"~\"good\"^1~\"plain\"^0/good/fields quoted as in CSV",
        "text^label~\"good\"^1~plain^0/\"good\"/quotes are text",
        "text^label~He said \"hi\"^1~plain^0/He said \"hi\"/quotes are text",
        "text^label~\"Hello there.^1~foo bar\"^0~say \"x\"^0/\"Hello there./quotes are text",
        "text^label~\"so\" it \"goes\"^1~plain^0/\"so\" it \"goes\"/quotes are text",
        "text^label~\"a \"\"b\"\"\"^1~say \"x\"^0/\"a \"\"b\"\"\"/quotes are text",
        "text^label~5\" pipe^1~plain^0/5\" pipe/quotes are text",
        "text^label~good^1~plain^0/good/!!",
      })
  void quotesBetweenTabsAreToldByTheWholeFile(String content, String text, String note) {
    Dataset data = read(file("a.tsv", content.replace('~', '\n').replace('^', '\t')));
    assertEquals(text.replace('~', '\n').replace('^', '\t'), data.get(0).text());
    assertEquals(note, form(data));
  }

  @Test
  void aFieldThatMayBeACitationOverTwoRowsIsNotGuessed() {
    assertEquals(
        "a.tsv: its rows are even whether quotes hold tabs and line breaks or are text. Say which:"
            + " --quoting csv or --quoting none",
        refusal(file("a.tsv", "text\tlabel\n\"Hello there.\t1\nfoo bar\"\t0\n")));
  }

  @Test
  void quotingCanBeSaid() {
    Path file = file("a.tsv", "text\tlabel\n\"good\"\t1\nplain\t0\n");
    Columns columns = Columns.automatic();
    assertEquals(
        "good", DataReader.read(file, as(columns, options(null, null, null, "csv"))).get(0).text());
    assertEquals(
        "\"good\"",
        DataReader.read(file, as(columns, options(null, null, null, "none"))).get(0).text());
    Path csv = file("b.csv", "text,label\n\"good\",1\n5\" pipe,0\n");
    assertEquals(
        "\"good\"",
        DataReader.read(csv, as(columns, options(null, null, null, "none"))).get(0).text());
    assertThrows(InputException.class, () -> options(null, null, null, "all"));
    assertTrue(
        refusal(file("c.jsonl", "{\"text\": \"a\"}"), null, options(null, null, "tab", null))
            .contains("whose rows have no --delimiter and no --quoting"));
  }

  /** Whatever texts a table holds: between tabs, quoted by pandas' rule, they come back. */
  @Test
  void tablesQuotedByTheRuleReadBackTheSame() {
    Random random = new Random(SEED);
    String[] pieces = {"a", "\"", " ", "\t", "\n", "é", "b c", "1"};
    int asked = 0;
    for (int round = 0; round < 300; round++) {
      List<String> texts = new ArrayList<>();
      StringBuilder tsv = new StringBuilder("text\tlabel\n");
      boolean needed = false;
      for (int r = 0; r < 4; r++) {
        StringBuilder text = new StringBuilder("x");
        for (int n = random.nextInt(5); n > 0; n--) {
          text.append(pieces[random.nextInt(pieces.length)]);
        }
        String cell = text.toString();
        boolean quoted = cell.matches("(?s).*[\"\t\n].*");
        needed |= quoted;
        texts.add(cell);
        tsv.append(quoted ? '"' + cell.replace("\"", "\"\"") + '"' : cell).append("\t1\n");
      }
      Path file = file("r.tsv", tsv.toString());
      Dataset data;
      try {
        data = read(file);
        assertEquals(needed ? "fields quoted as in CSV" : "", form(data));
      } catch (InputException e) {
        assertTrue(e.getMessage().contains("its rows are even whether"), e.getMessage());
        asked++;
        data = DataReader.read(file, as(Columns.automatic(), options(null, null, null, "csv")));
      }
      assertEquals(texts, texts(data), "seed " + SEED + ", " + tsv);
    }
    assertTrue(asked < 15, "asked of " + asked);
  }
}
