package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.task.Classification;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Folders, patterns and several files, and what is no file on a disk. */
class SeveralFilesTest extends FormatTrial {
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
    assertEquals(
        "the folder p holds sub, a folder. Give one that holds the files of one split, or a pattern of"
            + " the files to read, such as p/train*.csv",
        refusal(temp.resolve("p")));
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
            .contains("holds several splits by their names: train.csv, test.csv"),
        refusal(temp.resolve("s")));
    assertTrue(refusal(temp.resolve("s")).endsWith("a pattern such as s/train*.csv"));
    assertTrue(
        refusal(temp.resolve("s/*.csv")).startsWith("the pattern s/*.csv matches several splits"),
        refusal(temp.resolve("s/*.csv")));
    assertEquals(4, read(temp.resolve("s/t*.csv")).size(), "as is said by the name");
    file("m/my-test.csv", TWO);
    file("m/my-train.csv", TWO);
    assertTrue(refusal(temp.resolve("m")).endsWith("such as m/my-train*.csv"));
    assertTrue(refusal(temp.resolve("**/*.csv")).contains("several splits by their names"));
    file("f/a.csv", TWO);
    file("f/b.jsonl", "{}");
    assertTrue(
        refusal(temp.resolve("f")).contains("holds files of several formats: a.csv, b.jsonl"));
    file("r/notes.md", "hi");
    file("r/a.csv", TWO);
    assertTrue(refusal(temp.resolve("r")).contains("holds notes.md, which is no data file"));
    assertTrue(refusal(temp.resolve("r")).endsWith("such as r/*.csv"));
  }

  /** As {@code save_to_disk} and the hub write them. */
  @Test
  void whatDescribesDataIsNoDataOfAFolder() {
    file("d/dataset_info.json", "{}");
    file("d/state.json", "{}");
    file("d/README.md", "hi");
    file("d/rows.csv", TWO);
    assertEquals(2, read(temp.resolve("d")).size());
    file("o/state.json", "[{\"text\": \"a\", \"label\": 1}]");
    assertEquals(1, read(temp.resolve("o")).size());
    file("h/README.md", "hi");
    file("h/data/test-0.csv", TWO);
    file("h/data/train-0.csv", TWO);
    file("h/.cache/a.json", "[]");
    assertTrue(
        refusal(temp.resolve("h")).endsWith("such as h/data/train*.csv"),
        refusal(temp.resolve("h")));
    file("t/dataset_dict.json", "{}");
    file("t/test/data-0.arrow", "x");
    file("t/train/data-0.arrow", "x");
    assertTrue(refusal(temp.resolve("t")).endsWith("such as t/train/*.arrow"));
    file("n/README.md", "hi");
    assertEquals("the folder n holds no file of data", refusal(temp.resolve("n")));
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

  @Test
  void whatIsNeitherFileNorPatternIsSaid() {
    for (String name : List.of("a[b.csv", "a{b.csv", "\u001b[31m.csv")) {
      String message = refusal(temp.resolve(name));
      assertTrue(message.startsWith(name + " does not exist, and is no pattern"), message);
    }
  }
}
