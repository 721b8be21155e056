package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import dev.attune.task.Classification;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How files are written: compression, encodings, dialects of tables, JSON, several files. */
class DataFormatsTest {
  private static final long SEED = Long.getLong("attune.seed", 20261129L);
  private static final String TWO = "text,label\ngood,1\nbad,0\n";

  @TempDir Path temp;

  private Path file(String name, byte[] content) {
    try {
      Path file = temp.resolve(name);
      Files.createDirectories(file.getParent());
      return Files.write(file, content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private Path file(String name, String content) {
    return file(name, content.getBytes(StandardCharsets.UTF_8));
  }

  private static FileOptions options(
      String format, String encoding, String delimiter, String quoting) {
    return FileOptions.parse(format, encoding, delimiter, quoting, false);
  }

  private static Dataset read(Path file) {
    return DataReader.read(file);
  }

  private String refusal(Path file, String columns, FileOptions options) {
    InputException e =
        assertThrows(
            InputException.class, () -> DataReader.read(file, as(Columns.parse(columns), options)));
    return RunOption.worded(e.getMessage()).replace(temp + "/", "");
  }

  private String refusal(Path file) {
    return refusal(file, null, FileOptions.AUTOMATIC);
  }

  private static List<String> texts(Dataset data) {
    return data.examples().stream().map(Example::text).toList();
  }

  private static String form(Dataset data) {
    return data.parts().get(0).form();
  }

  private static byte[] gzip(byte[] content) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (OutputStream out = new GZIPOutputStream(bytes)) {
      out.write(content);
    } catch (IOException e) {
      throw new AssertionError(e);
    }
    return bytes.toByteArray();
  }

  private static byte[] resource(String name) {
    try (InputStream in = DataFormatsTest.class.getResourceAsStream(name)) {
      return in.readAllBytes();
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  // ---- compression and what is no data

  @ParameterizedTest
  @ValueSource(strings = {"a.csv.gz", "A.CSV.GZ", "a.csv", "a.csv.zst"})
  void gzipIsToldByItsBytes(String name) {
    Dataset data = read(file(name, gzip(TWO.getBytes(StandardCharsets.UTF_8))));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals("gzip", form(data));
  }

  @Test
  void membersOfGzipFollowEachOther() {
    ByteArrayOutputStream both = new ByteArrayOutputStream();
    both.writeBytes(gzip(TWO.getBytes(StandardCharsets.UTF_8)));
    both.writeBytes(gzip("more,1\n".getBytes(StandardCharsets.UTF_8)));
    assertEquals(List.of("good", "bad", "more"), texts(read(file("a.csv.gz", both.toByteArray()))));
  }

  @Test
  void linesOfTextAreReadThroughCompressionToo() {
    Path file = file("a.txt.gz", gzip("one\r\n\ntwo".getBytes(StandardCharsets.UTF_8)));
    assertTrue(DataReader.isText(file) && !DataReader.isText(Path.of("a.jsonl.gz")));
    assertEquals(List.of("one", "", "two"), DataReader.lines(file, FileOptions.AUTOMATIC));
  }

  @Test
  void zstandardIsDecompressed() {
    Dataset data = read(file("a.jsonl.zst", resource("rows.jsonl.zst")));
    assertEquals(2_000, data.size());
    assertEquals("row number 1999", data.get(1_999).text());
    assertEquals("zstd", form(data));
  }

  @Test
  void nameOfACompressionDoesNotMakeOne() {
    Dataset data = read(file("a.csv.gz", TWO));
    assertEquals(2, data.size());
    assertEquals("", form(data));
  }

  @Test
  void damagedCompressionNamesTheFile() {
    byte[] whole = gzip(TWO.repeat(50).getBytes(StandardCharsets.UTF_8));
    Path file = file("a.csv.gz", Arrays.copyOf(whole, whole.length - 12));
    assertTrue(
        refusal(file).startsWith("a.csv.gz cannot be read: its gzip data are damaged"),
        refusal(file));
    byte[] zst = resource("rows.jsonl.zst");
    Path other = file("a.jsonl.zst", Arrays.copyOf(zst, zst.length / 2));
    assertTrue(refusal(other).contains("its zstd data are damaged"), refusal(other));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "PK\3\4[Content_Types].xml|a.csv is an Excel workbook. Save it as \"CSV UTF-8\"",
        "PK\3\4data.csv|a.csv is a zip archive. Unpack it: unzip a.csv",
        "%PDF-1.7|a.csv is a PDF document.",
        "PAR1....|a.csv is a Parquet file under another name; say so: --format parquet",
        "version https://git-lfs.github.com/spec/v1|a.csv is Git LFS's pointer to the data",
        "<!DOCTYPE html>|a.csv is a web page",
        "BZh91AY&SY|a.csv is compressed with bzip2. Decompress it (bunzip2 a.csv)",
      })
  void whatIsNoTextIsNamed(String content, String expected) {
    String message = refusal(file("a.csv", content));
    assertTrue(message.startsWith(expected), message);
  }

  @Test
  void aPageMayBeARunningText() {
    assertEquals("<html>\n", read(file("a.txt", "<html>\n")).get(0).text());
  }

  // ---- encodings

  @ParameterizedTest
  @ValueSource(strings = {"UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"})
  void byteOrderMarksSayTheEncodingAndItIsStated(String encoding) {
    byte[] content = "\uFEFFtext,label\nß😀,1\n".getBytes(Charset.forName(encoding));
    Dataset data = read(file("a.csv", content));
    assertEquals("ß😀", data.get(0).text());
    assertEquals("text, label", data.columns());
    assertEquals(encoding, form(data));
  }

  @ParameterizedTest
  @ValueSource(strings = {"UTF-16LE", "UTF-16BE"})
  void utf16WithoutAMarkIsNamedAndReadWhenSaid(String encoding) {
    for (String name : List.of("a.csv", "a.jsonl", "a.txt", "a.json")) {
      byte[] content = "[{\"text\": \"some text\"}]\n".getBytes(Charset.forName(encoding));
      assertTrue(
          refusal(file(name, content)).endsWith("say it: --encoding " + encoding),
          refusal(file(name, content)));
    }
    Path csv = file("b.csv", TWO.getBytes(Charset.forName(encoding)));
    Dataset data =
        DataReader.read(csv, as(Columns.automatic(), options(null, encoding, null, null)));
    assertEquals(List.of("good", "bad"), texts(data));
  }

  @ParameterizedTest
  @CsvSource({
    "windows-1252,“smart” quotes – café",
    "windows-1252,Größe",
    "windows-1251,Отличный товар",
  })
  void otherEncodingsAreRefusedWithTheNameThatReadsThem(String encoding, String text) {
    String content = "text,label\nplain,a\n" + text + ",b\n";
    Path file = file("a.csv", content.getBytes(Charset.forName(encoding)));
    String message = refusal(file);
    assertTrue(message.startsWith("a.csv, row 3: byte "), message);
    assertTrue(
        message.endsWith(
            "is not UTF-8. The text looks like "
                + encoding
                + "; if so, say it: --encoding "
                + encoding),
        message);
    Dataset data =
        DataReader.read(file, as(Columns.automatic(), options(null, encoding, null, null)));
    assertEquals(text, data.get(1).text());
    assertEquals(encoding, form(data));
  }

  @Test
  void anEncodingThatNothingTellsIsAskedFor() {
    String content = "text,label\nこの映画は素晴らしい,a\n";
    String message = refusal(file("a.csv", content.getBytes(Charset.forName("Shift_JIS"))));
    assertTrue(message.contains("--encoding Shift_JIS"), message);
  }

  @Test
  void encodingsThatCannotBeAreRefused() {
    Path file = file("a.csv", "\uFEFF" + TWO);
    assertEquals(
        "a.csv begins with the byte order mark of UTF-8, but --encoding windows-1252 was given;"
            + " leave it out",
        refusal(file, null, options(null, "windows-1252", null, null)));
    assertThrows(InputException.class, () -> options(null, "utf-nine", null, null));
    Path ascii = file("b.csv", TWO.replace("good", "g\u00E4"));
    assertTrue(
        refusal(ascii, null, options(null, "US-ASCII", null, null)).contains("is not US-ASCII"));
  }

  // ---- line ends and dialects

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

  // ---- JSON

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "[{\"text\": \"good\", \"label\": 1},~ {\"text\": \"bad\", \"label\": 0}]|a list of objects",
        "{\"version\": 1, \"data\": [{\"text\": \"good\"}, {\"text\": \"bad\"}], \"x\": {}}"
            + "|the list \"data\"",
        "{\"train\": [{\"text\": \"good\"}, {\"text\": \"bad\"}]}|the list \"train\"",
        "{\"text\": \"good\"}~{\"text\": \"bad\"}~|one object a line",
      })
  void jsonIsReadByItsShapeWhichIsStated(String content, String form) {
    Dataset data = read(file("a.json", content.replace('~', '\n')));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals(List.of(1, 2), data.examples().stream().map(Example::row).toList());
    assertEquals(form, form(data));
  }

  @Test
  void oneObjectThatIsARowIsOneRow() {
    assertEquals(1, read(file("a.json", "{\"text\": \"a\", \"label\": 1}")).size());
    String chat = "{\"messages\": [{\"role\": \"user\", \"content\": \"hi\"}]}";
    assertEquals(1, read(file("b.json", chat)).get(0).messages().size());
  }

  @Test
  void aListUnderTheNameOfLinesIsRead() {
    Dataset data = read(file("a.jsonl", "[{\"text\": \"good\"},\n{\"text\": \"bad\"}]"));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals("a list of objects", form(data));
  }

  @Test
  void squadKeepsItsReading() {
    Dataset data =
        read(
            file(
                "a.json",
                "{\"version\": \"1.1\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\":"
                    + " \"a b\", \"qas\": [{\"id\": \"1\", \"question\": \"q\", \"answers\":"
                    + " [{\"text\": \"b\", \"answer_start\": 2}]}]}]}]}"));
    assertEquals("q", data.get(0).text());
    assertEquals("b", data.get(0).answers().get(0).text());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"train\": [{\"text\": \"a\"}], \"test\": [{\"text\": \"b\"}]}|a.json holds several lists of"
            + " objects: \"train\", \"test\". Write the one to read to a file of its own: jq .train",
        "{\"text\": {\"0\": \"a\"}, \"label\": {\"0\": 1}}|a.json is not written by row: \"text\","
            + " \"label\" each hold many values. Write a list of rows: in pandas,"
            + " frame.to_json(file, orient=\"records\")",
        "{\"text\": [\"a\"], \"label\": [1]}|a.json is not written by row",
        "{\"a\": 1}|a.json is one object that is no row (\"a\") and holds no list of objects",
        "[1, 2]|a.json, row 1 is a number, not an object",
        "[{\"text\": \"a\"}, []]|a.json, row 2 is a list, not an object",
        "\"text\"|a.json holds a string, no rows",
        "[{\"text\": \"a\"|a.json is not valid JSON (line 1, character 14): it ends too early",
        "[{\"text\": \"a\", \"text\": \"b\"}]|a.json is not valid JSON (line 1, character 22):"
            + " Duplicate field 'text'",
        "[{'text': 'a'}]|a.json is not valid JSON (line 1, character 3): Unexpected character",
      })
  void otherJsonIsRefusedByItsShape(String content, String expected) {
    String message = refusal(file("a.json", content));
    assertTrue(message.startsWith(expected), message);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.json", "a.jsonl"})
  void truncatedJsonIsSaidInOurWords(String name) {
    String whole = "{\"text\": \"a\", \"more\": [1, {\"x\": \"y\"}]}";
    for (int length = 1; length < whole.length(); length++) {
      String message = refusal(file(name, whole.substring(0, length)));
      assertTrue(message.contains("ends too early"), message);
      assertFalse(message.contains("Source") || message.contains("REDACTED"), message);
    }
  }

  @Test
  void numbersStayAsTheyWereWritten() throws IOException {
    Dataset data =
        read(
            file(
                "a.jsonl",
                "{\"text\": \"a\", \"label\": 0.50, \"x\": [1e400, 0.1000, -0, 1.5, 12345678901234567890,"
                    + " 1E2]}\n"));
    assertEquals(
        "[1e400,0.1000,-0,1.5,12345678901234567890,1E2]",
        new ObjectMapper().writeValueAsString(data.get(0).fields().get("x")));
    assertEquals("0.5", data.get(0).label());
  }

  // ---- several files

  @Test
  void aFolderIsReadInTheOrderOfNames() {
    file("d/part-2.csv", "text,label\nc,1\n");
    file("d/part-1.csv.gz", gzip("text,label\na,1\nb,0\n".getBytes(StandardCharsets.UTF_8)));
    file("d/.hidden", "x");
    file("d/_SUCCESS", "");
    Dataset data = read(temp.resolve("d"));
    assertEquals(List.of("a", "b", "c"), texts(data));
    assertEquals(
        List.of("part-1.csv.gz, row 2", "part-1.csv.gz, row 3", "part-2.csv, row 2"),
        data.examples().stream()
            .map(e -> data.where(e).replace(temp.resolve("d") + "/", ""))
            .toList());
    assertEquals(List.of(2, 1), data.parts().stream().map(DatasetPart::examples).toList());
    assertEquals("gzip", form(data));
    assertTrue(data.place(data.get(2).row()).endsWith("part-2.csv:2"));
    assertEquals(
        data.examples().size(), data.examples().stream().map(Example::row).distinct().count());
  }

  @Test
  void patternsAndListsAreRead() {
    file("p/train-1.csv", "text,label\na,1\n");
    file("p/train-2.csv", "text,label\nb,1\n");
    file("p/test.csv", "text,label\nc,1\n");
    file("p/sub/train-3.csv", "text,label\nd,1\n");
    assertEquals(List.of("a", "b"), texts(read(temp.resolve("p/train-*.csv"))));
    assertEquals(List.of("a", "b"), texts(read(temp.resolve("p/train-{1,2}.csv"))));
    assertEquals(List.of("d", "a", "b"), texts(read(temp.resolve("p/**train-?.csv"))));
    assertEquals(List.of("d"), texts(read(temp.resolve("p/*/train-3.csv"))));
    List<String> given =
        List.of(temp.resolve("p/train-2.csv").toString(), temp.resolve("p/train-1.csv").toString());
    assertEquals(
        List.of("b", "a"),
        texts(DataReader.read(given, as(Columns.automatic(), FileOptions.AUTOMATIC))),
        "files that are named come in the order in which they are");
    assertEquals("the pattern p/no*.csv matches no file", refusal(temp.resolve("p/no*.csv")));
    assertTrue(refusal(temp.resolve("p")).contains("holds sub, which is no data file"));
  }

  @Test
  void aFileWithoutRowsIsOneOfSeveral() {
    file("e/1.jsonl", "\n");
    file("e/2.jsonl", "{\"text\": \"a\", \"label\": 1}\n");
    Dataset data = read(temp.resolve("e"));
    assertEquals(List.of("a"), texts(data));
    assertEquals("text, label", data.columns());
    assertTrue(data.where(data.get(0)).endsWith("2.jsonl, row 1"));
  }

  @Test
  void nameWithTheSignsOfAPatternIsAFile() {
    assertEquals(1, read(file("a[1].csv", "text,label\na,1\n")).size());
  }

  @Test
  void foldersThatMixAreRefused() {
    file("s/train.csv", TWO);
    file("s/test.csv", TWO);
    assertTrue(
        refusal(temp.resolve("s"))
            .contains("holds several splits by their names: test.csv, train.csv"),
        refusal(temp.resolve("s")));
    file("f/a.csv", TWO);
    file("f/b.jsonl", "{}");
    assertTrue(
        refusal(temp.resolve("f")).contains("holds files of several formats: a.csv, b.jsonl"));
    file("r/README.md", "hi");
    file("r/a.csv", TWO);
    assertTrue(refusal(temp.resolve("r")).contains("holds README.md, which is no data file"));
    assertTrue(refusal(temp.resolve("r")).endsWith("such as r/*.csv"));
  }

  @Test
  void filesOfOtherColumnsAndFilesGivenTwiceAreRefused() {
    file("c/a.csv", TWO);
    file("c/b.csv", "sentence,label\nx,1\n");
    assertTrue(
        refusal(temp.resolve("c"))
            .endsWith(
                "has the columns [text, label], c/b.csv has [text <- sentence, label]; files that are"
                    + " read as one need the same"),
        refusal(temp.resolve("c")));
    String one = temp.resolve("c/a.csv").toString();
    InputException twice =
        assertThrows(
            InputException.class,
            () ->
                DataReader.read(
                    List.of(one, temp.resolve("c/../c/a.csv").toString()),
                    as(Columns.automatic(), FileOptions.AUTOMATIC)));
    assertTrue(twice.getMessage().endsWith("is given twice"));
  }

  @Test
  void standardInputIsAFileWhoseFormatIsSaid() {
    InputStream before = System.in;
    try {
      System.setIn(new ByteArrayInputStream(TWO.getBytes(StandardCharsets.UTF_8)));
      Dataset data =
          DataReader.read(Path.of("-"), as(Columns.automatic(), options("csv", null, null, null)));
      assertEquals(List.of("good", "bad"), texts(data));
      assertEquals("standard input, row 2", data.where(data.get(0)));
      System.setIn(new ByteArrayInputStream(TWO.getBytes(StandardCharsets.UTF_8)));
      assertTrue(refusal(Path.of("-")).contains("--format with one of csv, tsv"));
    } finally {
      System.setIn(before);
    }
  }

  @Test
  void theFormatThatIsSaidCountsWhateverTheName() {
    assertEquals(
        2,
        DataReader.read(
                file("data.bin", TWO), as(Columns.automatic(), options("csv", null, null, null)))
            .size());
    assertTrue(refusal(file("data", TWO)).contains("--format with one of csv, tsv"));
    assertThrows(InputException.class, () -> options("excel", null, null, null));
  }

  // ---- Parquet

  @Test
  void parquetIsReadWithTheNamesOfItsClasses() {
    Dataset data = read(file("a.parquet", resource("/parquet/huggingface.parquet")));
    assertEquals(List.of("good", "bad", "unknown"), texts(data));
    List<String> labels = new ArrayList<>();
    data.examples().forEach(example -> labels.add(example.label()));
    assertEquals("[positive, negative, null]", labels.toString());
    assertEquals(List.of("O", "B-PER"), data.get(0).tags());
    assertEquals("class names of label, ner_tags", form(data));
    assertEquals(List.of(1, 2, 3), data.examples().stream().map(Example::row).toList());
  }

  @Test
  void parquetIsNamedWhereItIsNotWhatItsNameSays() {
    assertEquals(
        "a.parquet is no Parquet file: it does not begin with PAR1",
        refusal(file("a.parquet", TWO)));
    assertTrue(
        refusal(file("b.parquet.gz", gzip(resource("/parquet/huggingface.parquet"))))
            .contains("is Parquet within gzip; decompress it"));
    Path named = file("data.bin", resource("/parquet/huggingface.parquet"));
    FileOptions said = options("parquet", null, null, null);
    assertEquals(3, DataReader.read(named, as(Columns.automatic(), said)).size());
    assertTrue(
        refusal(file("c.parquet", resource("/parquet/types_plain.parquet")), "text=bytes", said)
            .contains("\"bytes\" must be a string, not 2 bytes that are no text"));
  }

  // ---- words and tags under other names

  @Test
  void wordsWithTagsAreToldFromTheirRowsWhereTheyAreWanted() {
    FileOptions tagged = FileOptions.parse(null, null, null, null, true);
    String words = "Bob B-PER\nruns O\n\nHi O\n";
    for (String name : List.of("a.txt", "a.tsv", "a")) {
      Dataset data = DataReader.read(file(name, words), as(Columns.automatic(), tagged));
      assertEquals(List.of("Bob", "runs"), data.get(0).tokens());
    }
    Dataset table =
        DataReader.read(
            file("b.tsv", "tokens\ttags\na b\tO O\n\n"), as(Columns.automatic(), tagged));
    assertEquals(List.of("a", "b"), table.get(0).tokens());
    assertEquals(
        "b.txt, row 3 has 4 columns instead of 2: \"EU\", \"NNP\", \"B-NP\", \"B-ORG\"",
        refusal(file("b.txt", "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\n"), null, tagged)
            .split("\\. Each")[0]);
    assertEquals(1, DataReader.read(file("c.txt", "Bob is here.\n\nHi there, you!\n")).size());
  }

  // ---- what no leaving out of rows mends

  private String skippingRefusal(Path file) {
    ReadOptions skipping = new ReadOptions(Columns.automatic(), true, false, FileOptions.AUTOMATIC);
    InputException e =
        assertTimeoutPreemptively(
            Duration.ofSeconds(30),
            () -> assertThrows(InputException.class, () -> DataReader.read(file, skipping)));
    return RunOption.worded(e.getMessage()).replace(temp + "/", "");
  }

  @Test
  void bytesThatCannotBeReadStopTheRunWhateverIsLeftOut() {
    String no = "--skip-bad-rows leaves out single rows only";
    String row = "{\"text\": \"some words\", \"label\": \"x\"}\n";
    byte[] lines = row.repeat(5000).getBytes(StandardCharsets.UTF_8);
    byte[] broken = lines.clone();
    broken[lines.length - 20] = (byte) 0xFF;
    String refusal = skippingRefusal(file("a.jsonl", broken));
    assertTrue(refusal.startsWith("a.jsonl, row 5000: byte"), refusal);
    assertTrue(refusal.contains(no), refusal);
    byte[] packed = gzip(lines);
    refusal = skippingRefusal(file("b.jsonl.gz", Arrays.copyOf(packed, packed.length - 50)));
    assertTrue(refusal.contains("its gzip data are damaged"), refusal);
    assertTrue(refusal.contains(no), refusal);
    byte[] words = "word O\n\n".repeat(20000).getBytes(StandardCharsets.UTF_8);
    words[words.length - 4] = (byte) 0xFF;
    refusal = skippingRefusal(file("c.conll", words));
    assertTrue(refusal.contains("row 39999") && refusal.contains(no), refusal);
    byte[] table = ("text,label\n" + "a,x\n".repeat(300000)).getBytes(StandardCharsets.UTF_8);
    table[table.length - 4] = (byte) 0xFF;
    refusal = skippingRefusal(file("d.csv", table));
    assertTrue(refusal.contains("row 300001") && refusal.contains(no), refusal);
  }

  @Test
  void aStrayQuoteStopsTheRunWhateverIsLeftOut() {
    String rows = "text,label\na,x\n\"b,y\n" + "c,x\n".repeat(50);
    String refusal = skippingRefusal(file("a.csv", rows));
    assertTrue(refusal.startsWith("a.csv, row 3: the quote that opens field 1"), refusal);
    assertTrue(refusal.contains("--skip-bad-rows leaves out single rows only"), refusal);
    refusal = skippingRefusal(file("b.csv", rows + "\"d\",y\n"));
    assertTrue(refusal.contains("follows the closing quote of field 1"), refusal);
  }

  @Test
  void aListThatIsNoJsonStopsTheRunAndWhatIsNoObjectInItIsLeftOut() {
    assertTrue(
        skippingRefusal(file("a.json", "[{\"text\": \"a\"}, {\"text\" \"b\"}]"))
            .startsWith("a.json is not valid JSON"));
    assertTrue(
        skippingRefusal(file("b.json", "[{\"text\": \"a\", \"text\": \"b\"}]"))
            .startsWith("b.json is not valid JSON"));
    ReadOptions skipping = new ReadOptions(Columns.automatic(), true, false, FileOptions.AUTOMATIC);
    Dataset data =
        DataReader.read(
            file("c.json", "[{\"text\": \"a\"}, [{\"text\": \"b\"}], {\"text\": \"c\"}]"),
            skipping);
    assertEquals(List.of("a", "c"), texts(data));
    assertEquals(List.of(2), data.reading().findings().get(0).rows());
    Dataset lines =
        DataReader.read(
            file("d.jsonl", "{\"text\": \"a\"}\n{\"text\": \"\\ud800\"}\n{\"text\": \"c\"}\n"),
            skipping);
    assertEquals(List.of("a", "c"), texts(lines));
  }

  @Test
  void brokenZstandardIsDamagedFromItsFirstBytesOn() {
    byte[] zst = resource("rows.jsonl.zst");
    for (int at = 4; at < 12; at++) {
      byte[] broken = zst.clone();
      Arrays.fill(broken, at, broken.length, (byte) 0xFF);
      String refusal = refusal(file("a.jsonl.zst", broken));
      assertTrue(refusal.contains("its zstd data are damaged"), refusal);
    }
  }

  @Test
  void standardInputThatIsRefusedLeavesNoFile() throws IOException {
    byte[] broken = Arrays.copyOf(resource("rows.jsonl.zst"), 200);
    Arrays.fill(broken, 5, broken.length, (byte) 0xFF);
    InputStream before = System.in;
    Set<Path> files = kept();
    try {
      System.setIn(new ByteArrayInputStream(broken));
      FileOptions lines = options("jsonl", null, null, null);
      String refusal = refusal(Path.of("-"), null, lines);
      assertTrue(refusal.startsWith("standard input cannot be read: its zstd data"), refusal);
      assertEquals(files, kept());
    } finally {
      System.setIn(before);
    }
  }

  private static Set<Path> kept() throws IOException {
    try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      return files
          .filter(file -> file.getFileName().toString().startsWith("attune-input-"))
          .collect(Collectors.toSet());
    }
  }

  // ---- bad rows of several files

  @Test
  void badRowsAtTheEndOfAFileAreNamedInThatFile() {
    ReadOptions skipping = new ReadOptions(Columns.automatic(), true, false, FileOptions.AUTOMATIC);
    Path first = file("a.csv", "text,label\na,x\nb\nc\n");
    Path second = file("b.csv", "text,label\nd,x\ne\n");
    Dataset data = DataReader.read(List.of(first.toString(), second.toString()), skipping);
    List<String> places =
        data.reading().findings().stream()
            .flatMap(finding -> finding.rows().stream())
            .map(row -> data.place(row).replace(temp + "/", ""))
            .toList();
    assertEquals(List.of("a.csv:3", "a.csv:4", "b.csv:3"), places);
    assertTrue(data.where(data.get(1)).endsWith("b.csv, row 2"), data.where(data.get(1)));
  }

  @Test
  void theReportCountsTheRowsOfEachFileThatASplitHas() {
    Path first = file("a.csv", "text,label\na,x\nb,y\nc,x\n");
    Path second = file("b.csv", "text,label\nd,x\ne,y\n");
    Dataset data =
        DataReader.read(
            List.of(first.toString(), second.toString()),
            as(Columns.automatic(), FileOptions.AUTOMATIC));
    Dataset some = data.withExamples(List.of(data.get(4), data.get(0), data.get(1)));
    DataReport report =
        DataReport.builder(new Classification(Classification.of(data).labels()))
            .train(data, null)
            .validation(some, null)
            .build();
    JsonNode splits = report.toJson(words -> words).get("splits");
    assertEquals(List.of(3, 2), rows(splits.get("train")));
    assertEquals(List.of(2, 1), rows(splits.get("validation")));
    ByteArrayOutputStream page = new ByteArrayOutputStream();
    new DataReportText(report, false, words -> words).print(new PrintStream(page));
    assertTrue(page.toString().contains("1 row of " + second), page.toString());
  }

  private static List<Integer> rows(JsonNode split) {
    List<Integer> rows = new ArrayList<>();
    split.get("files").forEach(file -> rows.add(file.get("rows").asInt()));
    return rows;
  }

  /** A shell's process substitution, or a named pipe: its bytes come once. */
  @Test
  void aPipeIsReadLikeAFile() throws IOException, InterruptedException {
    Path pipe = temp.resolve("rows.csv");
    assumeTrue(new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor() == 0, "no mkfifo");
    Thread writer =
        new Thread(
            () -> {
              try {
                Files.writeString(pipe, "text,label\na,x\nb,y\n", StandardOpenOption.WRITE);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
    writer.start();
    Dataset data = DataReader.read(pipe, Columns.automatic());
    writer.join();
    assertEquals(List.of("a", "b"), texts(data));
  }

  private static ReadOptions as(Columns columns, FileOptions written) {
    return new ReadOptions(columns, false, false, written);
  }
}
