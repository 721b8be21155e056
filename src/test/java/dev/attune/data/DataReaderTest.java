package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.InputException;
import dev.attune.task.Classification;
import dev.attune.text.SharedFolders;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tables and files. */
class DataReaderTest extends ReadingTest {
  private static final long SEED = Long.getLong("attune.seed", 20261123L);

  // ---- CSV

  @Test
  void csvFieldsInQuotesHoldCommasLineBreaksAndQuotes() {
    Dataset data =
        read(
            "a.csv",
            "text,label\r\n\"one, \"\"two\"\"\",0\r\n\"line\r\nbreak\",1\r\nplain 5\" pipe,0\r\n",
            null);
    assertEquals(3, data.size());
    assertEquals("one, \"two\"", data.get(0).text());
    assertEquals("line\r\nbreak", data.get(1).text());
    assertEquals("plain 5\" pipe", data.get(2).text());
    assertEquals(List.of("0", "1", "0"), data.examples().stream().map(Example::label).toList());
    assertEquals(
        List.of(2, 3, 5),
        data.examples().stream().map(Example::row).toList(),
        "rows are lines of the file, also after a field of two lines");
    assertEquals("text, label", data.columns());
  }

  @Test
  void csvWrittenFromAnyTextsReadsBackTheSame() {
    Random random = new Random(SEED);
    String[] pieces = {"a", ",", "\"", "\n", "\r\n", " ", "é", "😀", "\t", "x y"};
    for (int round = 0; round < 200; round++) {
      List<List<String>> rows = new ArrayList<>();
      StringBuilder csv = new StringBuilder("text,label,id\n");
      for (int r = 0; r < 5; r++) {
        List<String> row = new ArrayList<>();
        for (int c = 0; c < 3; c++) {
          StringBuilder cell = new StringBuilder();
          for (int n = random.nextInt(6); n >= 0; n--) {
            cell.append(pieces[random.nextInt(pieces.length)]);
          }
          row.add(cell.toString());
        }
        rows.add(row);
        csv.append(
                row.stream()
                    .map(f -> '"' + f.replace("\"", "\"\"") + '"')
                    .collect(Collectors.joining(",")))
            .append(random.nextBoolean() ? "\n" : "\r\n");
      }
      Dataset data = read("r.csv", csv.toString(), null);
      for (int r = 0; r < rows.size(); r++) {
        assertEquals(rows.get(r), List.copyOf(data.get(r).fields().values()), "seed " + SEED + csv);
      }
    }
  }

  @Test
  void csvQuoteThatIsNeverClosedNamesTheRowItOpensOn() {
    assertEquals(
        "a.csv, row 3: the quote that opens field 1 is never closed. Write a quote inside a quoted"
            + " field twice (\"\").",
        refusal("a.csv", "text,label\na,0\n\"b,1\nc,0\n", null));
  }

  @Test
  void csvTextAfterAClosingQuoteIsRefused() {
    assertEquals(
        "a.csv, row 2: \" he said,1\" follows the closing quote of field 1, where only a comma can."
            + " Write a quote inside a quoted field twice (\"\").",
        refusal("a.csv", "text,label\n\"hi\" he said,1\n", null));
  }

  // ---- rows and headers

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a.csv|text,label~a,0~b|row 3 has 1 field instead of 2 (text, label): \"b\". Is a comma"
            + " missing?",
        "a.csv|text,label~a,b,0|row 2 has 3 fields instead of 2 (text, label): \"a\", \"b\", \"0\"."
            + " Put a field with commas in quotes.",
        "a.tsv|text^label~a^0~b|row 3 has 1 field instead of 2 (text, label): \"b\". Is a tab"
            + " missing?",
        "a.tsv|text^label~a^b^0|row 2 has 3 fields instead of 2 (text, label): \"a\", \"b\", \"0\"."
            + " A tab inside a text must become a space.",
      })
  void tooManyOrTooFewFieldsAreRefusedWithTheirRow(String name, String content, String expected) {
    assertEquals(
        name + ", " + expected, refusal(name, content.replace('~', '\n').replace('^', '\t'), null));
  }

  @Test
  void blankRowsAreRefusedInsideAndAllowedAtTheEnd() {
    assertEquals(
        "a.csv, row 3 is blank. Remove it; only the end may be blank. --skip-bad-rows leaves"
            + " such rows out.",
        refusal("a.csv", "text,label\na,0\n\n\nb,1\n", null));
    assertEquals(1, read("b.csv", "text,label\na,0\n\n\n", null).size());
    assertEquals(1, read("b.tsv", "text\tlabel\na\t0\r\n\r\n", null).size());
  }

  @Test
  void aMissingHeaderIsExplainedWithTheOptionThatHelps() {
    String message = refusal("train.tsv", "a stirring film\t1\ndull\t0\n", null);
    assertTrue(
        message.startsWith(
            "train.tsv, row 1 names no text column: \"a stirring film\", \"1\"\n  Row 1 looks"
                + " like data. Say what the columns are: --columns text,label\n"),
        message);
    assertTrue(message.contains("text (or sentence, sentence1, premise)"), message);
  }

  @Test
  void aHeaderInAFileSaidToHaveNoneIsRefused() {
    assertEquals(
        "a.tsv, row 1 is a header (\"sentence\", \"label\"), but --columns by position says the"
            + " file has none. Leave --columns out, or name the columns: --columns"
            + " text=sentence,label=label",
        refusal("a.tsv", "sentence\tlabel\na\t1\n", "text,label"));
  }

  @Test
  void columnsByPositionReadHeaderlessFilesAndSkip() {
    Dataset data = read("a.tsv", "7\tgood\tx\t1\n8\tbad\ty\t0\n", "id,text,_,label");
    assertEquals(1, data.get(0).row());
    assertEquals("good", data.get(0).text());
    assertEquals("0", data.get(1).label());
    assertEquals(List.of("id", "text", "label"), List.copyOf(data.get(0).fields().keySet()));
    assertEquals("7", data.get(0).field("id"));
    assertNull(data.get(0).field("nothing"));
  }

  @Test
  void dotsAtTheEndAllowFurtherFields() {
    Dataset data = read("a.tsv", "a\t1\nb\t0\tlicence\tmore\n", "text,label,...");
    assertEquals(2, data.size());
    assertTrue(
        refusal("a.tsv", "a\t1\nb\t0\tmore\n", "text,label").endsWith("to ignore further fields."));
  }

  @Test
  void columnsByNameReadAnyHeader() {
    Dataset data =
        read(
            "a.tsv",
            "Quality\t#1 String\t#2 String\n1\tsaid \"so\"\tsays so\n",
            "label=Quality,text=#1 String,text_pair=#2 String");
    assertEquals("said \"so\"", data.get(0).text());
    assertEquals("says so", data.get(0).textPair());
    assertEquals("1", data.get(0).label());
    assertEquals("text <- #1 String, text_pair <- #2 String, label <- Quality", data.columns());
    assertEquals(
        "b.csv has no column \"Nowhere\", which --columns asks for. Its columns: \"text\","
            + " \"label\"",
        refusal("b.csv", "text,label\na,1\n", "label=Nowhere"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"text", "sentence", "sentence1", "premise"})
  void textIsRecognisedByItsDocumentedNames(String name) {
    Dataset data = read("a.csv", name + ",label\nx,1\n", null);
    assertEquals("x", data.get(0).text());
    assertEquals(
        name.equals("text") ? "text, label" : "text <- " + name + ", label", data.columns());
  }

  @Test
  void namesAreExactAndAmbiguityIsRefused() {
    assertTrue(refusal("a.csv", "a,b\nc d,1\n", null).contains("names no text column"));
    assertEquals(
        "a.csv: the columns \"sentence\" and \"text\" both mean text. Say which: --columns"
            + " text=sentence or --columns text=text",
        refusal("a.csv", "sentence,text,label\na,b,1\n", null));
    assertEquals("b", read("b.csv", "sentence,text,label\na,b,1\n", "text=text").get(0).text());
    assertEquals(
        "a.csv, row 1: the column \"spam\" is there twice. Give one of the two another name",
        refusal("a.csv", "text,spam,spam\na,1,0\n", "text=text,labels=spam"));
    assertEquals(
        "a.csv, row 1: the column \"text\" is there twice. Give one of the two another name",
        refusal("a.csv", "text,text,label\na,b,1\n", null));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "text,label=x|mixes positions and names",
        "text,,label|has an empty name",
        "label=a,label=b|gives label twice",
        "kind=a|there is no role \"kind\". Roles: text, text_pair, label, tokens, tags, prompt,"
            + " completion, messages, instruction, input, system, history, question, context, answers, answer_text, answer_start,"
            + " anchor, positive, negative, chosen, rejected.",
        "sentence=a|there is no role \"sentence\"",
        "text=|gives no column for text",
        "text,text|gives text twice",
        "id,label|names no text",
        "text,...,label|can only stand at the end",
        "text,sentence|both mean text",
      })
  void badColumnsOptionsAreRefused(String option, String expected) {
    InputException e = assertThrows(InputException.class, () -> Columns.parse(option));
    assertTrue(e.getMessage().contains(expected), e::getMessage);
  }

  @Test
  void tsvQuotesAreText() {
    assertEquals("\"it", read("a.tsv", "text\tlabel\n\"it\t1\n", null).get(0).text());
  }

  @Test
  void cellsOfWordsArePartedByWhiteSpace() {
    Example example = read("a.csv", "tokens,tags\nBob  lives here,B O O\n", null).get(0);
    assertEquals(List.of("Bob", "lives", "here"), example.tokens());
    assertEquals(List.of("B", "O", "O"), example.tags());
    assertNull(example.text());
  }

  // ---- encoding and line ends

  @Test
  void byteOrderMarkAndCrLfAreNotData() {
    Dataset data = read("a.tsv", "\uFEFFtext\tlabel\r\nä\t1\r\n", null);
    assertEquals("ä", data.get(0).text());
    assertEquals("1", data.get(0).label());
    assertEquals("x", read("b.jsonl", "\uFEFF{\"text\": \"x\"}\r\n", null).get(0).text());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a.tsv", "a.csv", "a.conll", "a.jsonl"})
  void bytesThatAreNotUtf8NameTheRowAndByte(String name) {
    byte[] content = "text\tlabel\nok\t1\ncaf_\t0\n".getBytes(StandardCharsets.UTF_8);
    content[new String(content, StandardCharsets.UTF_8).indexOf('_')] = (byte) 0xE9;
    Path file = file(name, content);
    InputException e = assertThrows(InputException.class, () -> DataReader.read(file));
    assertTrue(
        e.getMessage().contains(name + ", row 3: byte 4 (0xE9) is not UTF-8")
            && e.getMessage().contains("looks like windows-1252"),
        e::getMessage);
  }

  @Test
  void charactersAcrossBufferBoundariesSurvive() {
    String text = "é😀".repeat(40_000);
    assertEquals(text, read("a.tsv", "text\tlabel\n" + text + "\t1", null).get(0).text());
  }

  // ---- files

  @Test
  void formatsAreChosenByExtension() {
    Columns plain = Columns.automatic();
    assertEquals(Format.CSV, Format.of(Path.of("x/A.CSV"), plain));
    assertEquals(Format.TSV, Format.of(Path.of("a.tsv"), plain));
    assertEquals(Format.CONLL, Format.of(Path.of("a.tsv"), Columns.parse("tokens,tags")));
    assertEquals(Format.CONLL, Format.of(Path.of("a.txt"), Columns.parse("tokens,tags")));
    assertEquals(Format.TXT, Format.of(Path.of("a.txt"), plain));
    assertEquals(Format.JSONL, Format.of(Path.of("a.jsonl"), plain));
    assertEquals(Format.CONLL, Format.of(Path.of("a.bio"), plain));
    assertEquals(Format.JSON, Format.of(Path.of("a.json"), plain));
    assertThrows(InputException.class, () -> Format.of(Path.of("a"), plain));
  }

  @Test
  void missingAndEmptyFilesAreNamed() {
    InputException missing =
        assertThrows(InputException.class, () -> DataReader.read(temp.resolve("no.csv")));
    assertTrue(missing.getMessage().endsWith("no.csv does not exist"), missing::getMessage);
    for (String name : List.of("a.csv", "a.tsv", "a.jsonl", "a.conll")) {
      assertEquals(name + " is empty", refusal(name, "", null));
    }
    InputException folder =
        assertThrows(
            InputException.class,
            () -> DataReader.read(Files.createDirectory(temp.resolve("d.csv"))));
    assertTrue(folder.getMessage().endsWith("d.csv holds no file"), folder::getMessage);
    assertEquals(0, read("b.csv", "text,label\n", null).size());
  }

  // ---- real files, whose counts are published

  @Test
  void publishedCountsOfRealFilesAreRead() {
    Dataset sst2 =
        DataReader.read(SharedFolders.data("datasets/sst2/train.tsv"), Columns.parse("text,label"));
    assertEquals(6920, sst2.size());
    assertEquals(List.of("0", "1"), Classification.of(sst2).labels().names());

    Dataset mrpc =
        DataReader.read(
            SharedFolders.data("datasets/mrpc/msr_paraphrase_train.txt"),
            tsv("label=Quality,text=#1 String,text_pair=#2 String"));
    assertEquals(4076, mrpc.size());
    assertEquals(2753, mrpc.examples().stream().filter(e -> e.label().equals("1")).count());

    Dataset stsb =
        DataReader.read(
            SharedFolders.data("datasets/stsb/sts-dev.csv"),
            tsv("genre,file,year,id,label,text,text_pair,..."));
    assertEquals(1500, stsb.size());
    assertEquals(
        5.0f,
        stsb.examples().stream()
            .map(e -> Numbers.target(stsb, e))
            .max(Float::compare)
            .orElseThrow());

    Dataset news =
        DataReader.read(
            SharedFolders.data("datasets/ag_news/test.csv"), Columns.parse("label,text,text_pair"));
    assertEquals(7600, news.size());
    assertEquals(List.of("1", "2", "3", "4"), Classification.of(news).labels().names());

    Dataset medical =
        DataReader.read(
            SharedFolders.data("datasets/medical_abstracts/medical_tc_test.csv"),
            Columns.parse("label=condition_label,text=medical_abstract"));
    assertEquals(2888, medical.size());

    Dataset ncbi =
        DataReader.read(
            SharedFolders.data("datasets/ncbi_disease/train.tsv"), Columns.parse("tokens,tags"));
    assertEquals(5432, ncbi.size());
    assertEquals(
        5145,
        ncbi.examples().stream()
            .flatMap(e -> e.tags().stream())
            .filter(t -> t.startsWith("B-"))
            .count());

    Dataset gsm8k =
        DataReader.read(
            SharedFolders.data("datasets/gsm8k/test.jsonl"), Columns.parse("text=question"));
    assertEquals(1319, gsm8k.size());
    assertFalse(gsm8k.get(0).field("answer").isEmpty());
  }

  private static ReadOptions tsv(String columns) {
    return new ReadOptions(
        Columns.parse(columns), false, false, FileOptions.parse("tsv", null, null, null, false));
  }
}
