package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.task.Classification;
import dev.attune.task.TaskOptions;
import java.io.ByteArrayOutputStream;
import java.nio.charset.Charset;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that can be read, though what they hold is not what was meant: refused, or stated. */
class DamagedFilesTest extends FormatTrial {
  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      all.writeBytes(part);
    }
    return all.toByteArray();
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void membersOfGzipAreReadOneAfterAnother() {
    byte[] three =
        joined(gzip(bytes("text,label\ngood,1\n")), gzip(new byte[0]), gzip(bytes("bad,0\n")));
    assertEquals(List.of("good", "bad"), texts(read(file("a.csv.gz", three))));
    byte[] padded = joined(three, new byte[700]);
    assertEquals(List.of("good", "bad"), texts(read(file("b.csv.gz", padded))));
    StringBuilder long_ = new StringBuilder("text,label\n");
    for (int i = 0; i < 50_000; i++) {
      long_.append("row ").append(i * 7919L % 100_003).append(',').append(i % 2).append('\n');
    }
    String whole = long_.toString();
    int cut = whole.indexOf('\n', whole.length() / 3) + 1;
    byte[] two = joined(gzip(bytes(whole.substring(0, cut))), gzip(bytes(whole.substring(cut))));
    assertEquals(texts(read(file("c.csv", whole))), texts(read(file("d.csv.gz", two))));
  }

  /** Wherever the member ends within the blocks in which files are read. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 5, 9, 12, 40, 70_000})
  void whatFollowsGzipIsNoEnd(int length) {
    byte[] junk = new byte[length];
    Arrays.fill(junk, (byte) 'x');
    byte[] member = gzip(bytes(TWO));
    assertEquals(
        "a.csv.gz cannot be read: its gzip data are damaged: what follows their end, from byte "
            + (member.length + 1)
            + " on, is no gzip; remove it",
        refusal(file("a.csv.gz", joined(member, junk))));
  }

  @ParameterizedTest
  @ValueSource(ints = {0, 3, 8, 10, 20, -1, -5, -8})
  void gzipThatIsCutOffIsDamaged(int length) {
    byte[] member = gzip(bytes(TWO));
    byte[] cut = Arrays.copyOf(member, length > 0 ? length : member.length + length);
    if (length == 0) {
      cut[member.length - 6] ^= 1; // the checksum
    }
    String refusal = refusal(file("a.csv.gz", cut));
    assertTrue(refusal.contains("its gzip data are damaged"), refusal);
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.csv", "a.tsv", "a.jsonl", "a.txt", "a.conll"})
  void zerosAreNoText(String name) {
    String content =
        switch (name) {
          case "a.tsv" -> "text\tlabel\ngo\0od\t1\n";
          case "a.jsonl" -> "{\"text\": \"good\"}\n{\"text\": \"b\0ad\"}\n";
          case "a.conll" -> "good O\nb\0ad O\n";
          default -> TWO + "go\0od,1\n";
        };
    String refusal = refusal(file(name, content));
    assertTrue(refusal.contains(name + ", row "), refusal);
    assertTrue(refusal.contains("is NUL, a byte of zero"), refusal);
    assertTrue(refusal.contains("tr -d '\\000' < " + name + " > clean"), refusal);
  }

  private DataReport report(String content) {
    Dataset data = read(file("a.csv", content));
    LabelMap labels = Classification.TYPE.labels(data);
    return DataReport.builder(Classification.TYPE.create(labels, data, TaskOptions.NONE))
        .train(data, null)
        .build();
  }

  private boolean finds(String code, String text) {
    DataReport report = report("text,label\n\"" + text + "\",1\nbad,0\n");
    return report.findings().stream().anyMatch(finding -> finding.code().equals(code));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "café",
        "Straße",
        "l’été à Paris",
        "Привет",
        "Γειά",
        "你好世界",
        "こんにちは",
        "안녕하세요",
        "it’s – “so”"
      })
  void lettersThatWereDecodedTwiceAreStated(String text) {
    StringBuilder twice = new StringBuilder();
    for (byte b : bytes(text)) {
      String one = new String(new byte[] {b}, Charset.forName("windows-1252"));
      twice.append(one.equals("\uFFFD") ? (char) (b & 0xFF) : one.charAt(0));
    }
    assertTrue(finds("decoded_twice", twice.toString()), twice.toString());
    assertFalse(finds("decoded_twice", text), text);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "« Ce café\u00A0» est là\u00A0!",
        "ÂGE, ÑANDÚ, Ðað, ÎLE, PÃO",
        "Spaß»",
        "naïve – “déjà vu”…",
        "é\u00A0?"
      })
  void ordinaryLettersAreNotTakenForThose(String text) {
    assertFalse(finds("decoded_twice", text), text);
  }

  @Test
  void utf7IsStated() {
    assertTrue(finds("utf7", "caf+AOk- au lait"));
    assertTrue(finds("utf7", "+BB8EQAQ4BDIENQRC-"));
    assertTrue(finds("utf7", "it+IBk-s"));
    assertFalse(finds("utf7", "a+b-c, 1+1-2, C++, +abc- and +Add-on, x+ABCD-y"));
  }

  @Test
  void charactersThatStandForLostOnesAreStated() {
    assertTrue(finds("unreadable_characters", "caf\uFFFD"));
    assertFalse(finds("unreadable_characters", "café"));
  }

  @Test
  void aHeaderBehindAByteOrderMarkIsNoRow() {
    Path file = file("a.csv", TWO + "\uFEFF" + TWO);
    String refusal = refusal(file);
    assertTrue(refusal.contains("a.csv, row 4 is the header once more"), refusal);
    assertTrue(finds("unreadable_characters", "\uFEFFcafé"));
  }

  @Test
  void whatIsCompressedTwiceIsRefusedByThat() {
    String refusal = refusal(file("a.csv.gz", gzip(gzip(bytes(TWO)))));
    assertTrue(refusal.contains("a.csv.gz is compressed twice. Decompress it once"), refusal);
  }

  /** The advice for a header would make an example of it, or of an example a header. */
  @Test
  void aFirstRowThatMayBeEitherIsAdvisedAsBoth() {
    String refusal = refusal(file("a.csv", "a b,pos\nc d,neg\n"));
    assertTrue(refusal.contains("--columns 'text=a b,label=pos'"), refusal);
    assertTrue(
        refusal.contains("; or where it is data, what its columns are: --columns text,label"),
        refusal);
  }

  @Test
  void linesAboveAHeaderAreLeftOutAndStated() {
    Dataset data = read(file("a.csv", "# made by us, on Monday, again\n\n# v2\n" + TWO));
    assertEquals(List.of("good", "bad"), texts(data));
    assertEquals("3 lines above the header left out", form(data));
    assertEquals(5, data.get(0).row());
    assertEquals("", form(read(file("b.csv", TWO))));
    assertEquals(
        "1 line above the header left out",
        form(read(file("c.tsv", "\ntext\tlabel\ngood\t1\nbad\t0\n"))));
    assertEquals(
        "fields parted by semicolons, 1 line above the header left out",
        form(read(file("d.csv", "#\ntext;label\ngood, or so;1\nbad;0\n"))));
  }

  @Test
  void aHeaderThatLooksLikeACommentIsOne() {
    Path file = file("a.csv", "#text,label\ngood,1\nbad,0\n");
    Dataset data = DataReader.read(file, as(Columns.parse("text=#text"), FileOptions.AUTOMATIC));
    assertEquals(List.of("good", "bad"), texts(data));
    Path one = file("b.csv", "#text\ngood\nbad\n");
    data = DataReader.read(one, as(Columns.parse("text=#text"), FileOptions.AUTOMATIC));
    assertEquals(List.of("good", "bad"), texts(data));
  }

  /** As R, NumPy and genomics mark them; a name that nobody knows stays as it is. */
  @Test
  void theMarkOfAHeaderIsNoPartOfAName() {
    Dataset data = read(file("a.csv", "#text,label\ngood,1\nbad,0\n"));
    assertEquals(List.of("good", "bad"), texts(data));
    Finding note = data.reading().findings().get(0);
    assertEquals("header_mark", note.code());
    assertTrue(note.message().contains("\"#text\", is read as \"text\""), note.message());
    assertEquals(
        List.of("good", "bad"), texts(read(file("b.tsv", "# review\tstars\ngood\t1\nbad\t0\n"))));
    Dataset other = read(file("c.csv", "#id,text,label\n7,good,1\n8,bad,0\n"));
    assertEquals(List.of("#id", "text", "label"), List.copyOf(other.get(0).fields().keySet()));
    String joined = refusal(file("d.csv", "#text,label\ngood,1\n#text,label\nbad,0\n"));
    assertTrue(joined.contains("row 3 is the header once more"), joined);
    // Nothing tells what the columns are: the names as they stand are those to give.
    String unknown = refusal(file("e.csv", "#x,y\ngood one here,1\nbad one there,0\n"));
    assertTrue(unknown.contains("--columns 'text=#x,label=y'"), unknown);
  }

  @Test
  void fullWidthCommasPartFields() {
    Dataset data = read(file("a.csv", "text，label\n很好，1\n\"坏，很坏\"，0\n"));
    assertEquals(List.of("很好", "坏，很坏"), texts(data));
    assertEquals("fields parted by full-width-commas", form(data));
    assertEquals(List.of("很好，不错"), texts(read(file("b.csv", "text,label\n很好，不错,1\n"))));
  }

  private static final String CONLLU =
      """
      # sent_id = 1
      # text = Vámonos al mar
      1-2\tVámonos\t_\t_\t_\t_\t_\t_\t_\t_
      1\tVamos\tir\tVERB\tv\t_\t0\troot\t_\t_
      2\tnos\tnosotros\tPRON\tp\t_\t1\tobj\t_\t_
      2.1\tgone\t_\tVERB\t_\t_\t_\t_\t_\t_
      3\tmar\tmar\tNOUN\tn\t_\t1\tobl\t_\t_

      1\tNo\tno\tADV\tr\t_\t0\troot\t_\t_

      """;

  @ParameterizedTest
  @ValueSource(strings = {"a.conllu", "a.conll", "a.txt"})
  void theTenColumnsOfConllUAreKnown(String name) {
    FileOptions tagged = FileOptions.parse(null, null, null, null, true);
    Path file = file(name, CONLLU);
    Dataset data = DataReader.read(file, as(Columns.automatic(), tagged));
    assertEquals(List.of("Vamos", "nos", "mar"), data.get(0).tokens());
    assertEquals(List.of("VERB", "PRON", "NOUN"), data.get(0).tags());
    assertEquals(List.of("ADV"), data.get(1).tags());
    assertEquals(
        List.of("conllu", "conllu_ids", "comments"),
        data.reading().findings().stream().map(Finding::code).toList());
    Columns xpos = Columns.parse("_,tokens,_,_,tags,_,_,_,_,_");
    FileOptions words = FileOptions.parse("conll", null, null, null, true);
    assertEquals(List.of("v", "p", "n"), DataReader.read(file, as(xpos, words)).get(0).tags());
  }

  @Test
  void conllUWithoutTagsIsRefusedWithWhereTheyMayBe() {
    String without = CONLLU.replaceAll("VERB|PRON|NOUN|ADV", "_");
    String refusal = refusal(file("a.conllu", without));
    assertTrue(refusal.contains("no tag in the fourth (UPOS)"), refusal);
    assertTrue(refusal.contains("--columns _,tokens,_,_,tags,_,_,_,_,_ is XPOS"), refusal);
  }

  @Test
  void wordsThatComeTwiceOnTheFirstLineAreNoFault() {
    FileOptions tagged = FileOptions.parse(null, null, null, null, true);
    Path file = file("a.txt", "O O\nZoë B-PER\n\nO O\n");
    assertEquals(2, DataReader.read(file, as(Columns.automatic(), tagged)).size());
  }

  @Test
  void labelsOfFastTextAreRead() {
    String lines = "__label__good It is fine\n\n__label__bad\tIt is not .\n";
    for (Path file : List.of(file("train.ft", lines), file("train", lines))) {
      Dataset data = read(file);
      assertEquals(List.of("It is fine", "It is not ."), texts(data));
      assertEquals(List.of("good", "bad"), data.examples().stream().map(Example::label).toList());
      assertEquals("__label__ is in front of labels", form(data));
    }
    Dataset several =
        DataReader.read(
            file("a.txt", lines + "__label__good __label__short So so\n"),
            as(Columns.automatic(), FileOptions.parse("fasttext", null, null, null, false)));
    assertEquals(List.of("good", "short"), several.get(2).labels());
    assertEquals(List.of("bad"), several.get(1).labels());
    String refusal = refusal(file("b.ft", lines + "no label here\n"));
    assertTrue(
        refusal.contains("b.ft, row 4 has no label: no word begins with __label__"), refusal);
  }

  @Test
  void aRunningTextOfSuchLinesIsExplainedWhereLabelsAreMissing() {
    Dataset data = read(file("a.txt", "__label__good It is fine\n__label__bad It is not\n"));
    assertEquals(1, data.size(), "a language model may learn it as it is");
    assertTrue(data.reading().advice().contains("fastText"), data.reading().advice());
  }

  @ParameterizedTest
  @ValueSource(strings = {"encoding", "delimiter", "quoting"})
  void whatIsOfTextsAloneIsRefusedOfOthers(String option) {
    FileOptions options =
        FileOptions.parse(
            null,
            option.equals("encoding") ? "windows-1252" : null,
            option.equals("delimiter") ? "tab" : null,
            option.equals("quoting") ? "none" : null,
            false);
    for (String name : List.of("a.parquet", "a.arrow")) {
      String refusal = refusal(file(name, "any"), null, options);
      assertTrue(refusal.contains("--" + option), refusal);
      assertTrue(refusal.contains("leave"), refusal);
    }
  }
}
