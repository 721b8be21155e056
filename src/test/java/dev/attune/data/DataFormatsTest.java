package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.run.RunOption;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** How files are written, whatever is in them: compression, encodings, Parquet. */
class DataFormatsTest extends FormatTrial {
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
    "x-MacRoman,un café né à Genève",
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
    String bytes = "text,label\nこれは良い映画です1,a\nこれは良い映画です2,b\n"; // with one of ASCII
    message = refusal(file("b.csv", bytes.getBytes(Charset.forName("Shift_JIS"))));
    assertTrue(message.contains("--encoding Shift_JIS"), message);
    String rows = "text,label\n这部电影很好0,a\n这部电影很好1,b\n这部电影很好2,a\n";
    message = refusal(file("c.csv", rows.getBytes(Charset.forName("GB18030"))));
    assertTrue(message.contains("--encoding GB18030"), message);
    String cyrillic = "text,label\nОтличный товар,a\nПлохой товар,b\nХороший товар,a\n";
    message = refusal(file("d.csv", cyrillic.getBytes(Charset.forName("windows-1251"))));
    assertTrue(message.endsWith("--encoding windows-1251"), message);
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

  // ---- Arrow

  @Test
  void arrowAsDatasetsSavesItHasTheNamesOfItsClasses() {
    byte[] saved = resource("/arrow/huggingface.arrow");
    for (Path path : List.of(file("a.arrow", saved), file("b.arrow.gz", gzip(saved)))) {
      Dataset data = read(path);
      assertEquals(List.of("good", "bad", "so so"), texts(data));
      List<String> labels = new ArrayList<>();
      data.examples().forEach(example -> labels.add(example.label()));
      assertEquals("[yes, no, null]", labels.toString());
      assertTrue(form(data).endsWith("class names of label"), form(data));
    }
    assertEquals(
        "c.arrow is no Arrow file: it begins neither with ARROW1 nor with a message",
        refusal(file("c.arrow", TWO)));
    assertEquals(
        "d.csv is an Arrow file under another name; say so: --format arrow",
        refusal(file("d.csv", resource("/arrow/types_file.arrow"))));
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
}
