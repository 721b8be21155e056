package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.batch.EncodedDataset;
import dev.attune.batch.Encoder;
import dev.attune.core.InputException;
import dev.attune.data.Columns;
import dev.attune.data.DataReader;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.text.TextTokenizer;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The several ways to write labels and answers say the same. */
class TaskFilesTest {
  private static TextTokenizer tokenizer;

  @TempDir Path scratch;

  @BeforeAll
  static void open() throws URISyntaxException {
    tokenizer =
        TextTokenizer.open(Path.of(TaskFilesTest.class.getResource("/tokenizers/electra").toURI()));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  private Dataset read(String name, String columns, String... lines) {
    try {
      Path file = Files.write(scratch.resolve(name), Arrays.asList(lines));
      return DataReader.read(file, Columns.parse(columns));
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  // ---- labels

  private static final String[] LISTS = {
    "{\"text\": \"the dog\", \"labels\": [\"pet\", \"loud\"]}",
    "{\"text\": \"the sun, the rain\", \"labels\": []}",
    "{\"text\": \"a cat\", \"labels\": [\"pet\"]}",
    "{\"text\": \"a film\", \"labels\": [\"loud\", \"new\"]}"
  };

  /** Names, targets and tokens. */
  private static String encoded(Dataset data) {
    Task task =
        MultiLabelClassification.TYPE.create(
            MultiLabelClassification.TYPE.labels(data), data, TaskOptions.NONE);
    EncodedDataset rows =
        new Encoder(task.encoder(tokenizer, 64, Purpose.TRAINING), 1).encode(data);
    return task.labels().names()
        + Arrays.toString(Arrays.copyOf(rows.targets(), rows.size() * task.outputs()))
        + rows.fingerprint();
  }

  @Test
  void labelsAreTheSameHoweverTheyAreWritten() {
    String lists = encoded(read("lists.jsonl", null, LISTS));
    assertTrue(
        lists.startsWith(
            "[loud, new, pet][1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0]"),
        lists);
    List<Dataset> others =
        List.of(
            read(
                "one.jsonl",
                null,
                "{\"text\": \"the dog\", \"label\": \"pet|loud\"}",
                "{\"text\": \"the sun, the rain\", \"label\": \"\"}",
                "{\"text\": \"a cat\", \"label\": [\"pet\"]}",
                "{\"text\": \"a film\", \"label\": \"loud|new\"}"),
            read(
                "bars.csv",
                null,
                "text,labels",
                "the dog,pet|loud",
                "\"the sun, the rain\",",
                "a cat, pet ",
                "a film,new | loud"),
            read(
                "bars.tsv",
                "text=said,label=about",
                "about\tsaid",
                "loud|pet\tthe dog",
                "\tthe sun, the rain",
                "pet|\ta cat",
                "new|loud\ta film"),
            read(
                "positions.csv",
                "text,label",
                "the dog,pet|loud",
                "\"the sun, the rain\",",
                "a cat,pet",
                "a film,loud|new"),
            read(
                "flags.csv",
                "text=text,labels=new;pet;loud",
                "text,pet,loud,new,other",
                "the dog,1,1,0,1",
                "\"the sun, the rain\",0,0,0,1",
                "a cat,1,0,0,1",
                "a film,0,1,1,1"),
            read(
                "flags.jsonl",
                "text=text,labels=loud; new; pet",
                "{\"text\": \"the dog\", \"pet\": 1, \"loud\": true, \"new\": 0}",
                "{\"text\": \"the sun, the rain\", \"pet\": 0, \"loud\": 0, \"new\": false}",
                "{\"text\": \"a cat\", \"pet\": true, \"loud\": 0, \"new\": 0}",
                "{\"text\": \"a film\", \"pet\": 0, \"loud\": 1, \"new\": 1}"));
    for (Dataset other : others) {
      assertEquals(lists, encoded(other), other.source().getFileName().toString());
    }
  }

  @Test
  void aFlagThatIsNeitherNorAndAFlagColumnThatIsNotThereAreRefused() {
    String flags = "text=text,labels=pet;loud";
    assertRefused(
        "f.csv, row 3",
        "\"loud\" must be 0 or 1, not \"2\"",
        () -> read("f.csv", flags, "text,pet,loud", "a,1,0", "b,1,2"));
    assertRefused("g.csv", "no column \"loud\"", () -> read("g.csv", flags, "text,pet", "a,1"));
    assertRefused(
        "h.jsonl, row 1",
        "\"loud\" must be 0 or 1, not \"null\"",
        () -> read("h.jsonl", flags, "{\"text\": \"a\", \"pet\": 1}"));
    assertRefused(
        "labels=NAME;NAME",
        "once",
        () -> read("i.csv", "text=text,labels=pet;pet", "text,pet", "a,1"));
    assertRefused(
        "labels=NAME;NAME",
        "once",
        () -> read("j.csv", "text=text,labels=pet;", "text,pet", "a,1"));
  }

  private static void assertRefused(String one, String two, Runnable reading) {
    String refusal = assertThrows(InputException.class, reading::run).getMessage();
    assertTrue(refusal.contains(one) && refusal.contains(two), refusal);
  }

  // ---- answers

  private static final String DOG = "the \uD83D\uDE00 dog sleeps, the dog runs";
  private static final String SUN = "it was \"good\" in the sun";

  private Dataset squad() {
    return read(
        "squad.json",
        null,
        "{\"version\": \"v2.0\", \"data\": [{\"title\": \"x\", \"paragraphs\": [",
        "{\"context\": \"" + DOG + "\", \"qas\": [",
        "{\"id\": \"1\", \"question\": \"who\", \"answers\": [{\"text\": \"dog\", \"answer_start\":"
            + " 6}], \"is_impossible\": false},",
        "{\"id\": \"2\", \"question\": \"why\", \"answers\": [], \"is_impossible\": true}]},",
        "{\"context\": \"" + SUN.replace("\"", "\\\"") + "\", \"qas\": [",
        "{\"id\": \"3\", \"question\": \"how\", \"answers\": [{\"text\": \"good\","
            + " \"answer_start\": 8}]}]}]}]}");
  }

  private static List<String> said(Dataset data) {
    List<String> out = new ArrayList<>();
    for (Example example : data.examples()) {
      out.add(example.text() + " / " + example.textPair() + " / " + example.answers());
    }
    EncodedDataset windows = new Encoder(new AnswerWindows(tokenizer, 16, 4, true), 1).encode(data);
    out.add(windows.fingerprint());
    return out;
  }

  @Test
  void questionsAreTheSameHoweverTheyAreWritten() {
    List<String> squad = said(squad());
    assertEquals(4, squad.size());
    String sun = SUN.replace("\"", "\\\"");
    List<Dataset> others =
        List.of(
            read(
                "lists.jsonl",
                null,
                "{\"question\": \"who\", \"context\": \""
                    + DOG
                    + "\", \"answers\": {\"text\":"
                    + " [\"dog\"], \"answer_start\": [6]}}",
                "{\"question\": \"why\", \"context\": \""
                    + DOG
                    + "\", \"answers\": {\"text\": [],"
                    + " \"answer_start\": []}}",
                "{\"question\": \"how\", \"context\": \""
                    + sun
                    + "\", \"answers\": {\"text\":"
                    + " [\"good\"], \"answer_start\": [8]}}"),
            read(
                "objects.jsonl",
                null,
                "{\"question\": \"who\", \"context\": \""
                    + DOG
                    + "\", \"answers\": [{\"text\":"
                    + " \"dog\", \"answer_start\": 6}]}",
                "{\"question\": \"why\", \"context\": \"" + DOG + "\", \"answers\": []}",
                "{\"question\": \"how\", \"context\": \""
                    + sun
                    + "\", \"answers\": [{\"text\":"
                    + " \"good\", \"answer_start\": 8}]}"),
            read(
                "flat.jsonl",
                null,
                "{\"question\": \"who\", \"context\": \""
                    + DOG
                    + "\", \"answer_text\": \"dog\","
                    + " \"answer_start\": 6}",
                "{\"question\": \"why\", \"context\": \""
                    + DOG
                    + "\", \"answer_text\": \"\","
                    + " \"answer_start\": null}",
                "{\"question\": \"how\", \"context\": \""
                    + sun
                    + "\", \"answer_text\": \"good\","
                    + " \"answer_start\": 8}"),
            read(
                "flat.csv",
                null,
                "question,context,answer_text,answer_start",
                "who,\"" + DOG + "\",dog,6",
                "why,\"" + DOG + "\",,",
                "how,\"" + SUN.replace("\"", "\"\"") + "\",good,8"),
            read(
                "named.tsv",
                "question=q,context=c,answer_text=a,answer_start=at",
                "at\ta\tc\tq",
                "6\tdog\t" + DOG + "\twho",
                "\t\t" + DOG + "\twhy",
                "8\tgood\t" + SUN + "\thow"),
            read(
                "positions.tsv",
                "question,context,answer_text,answer_start",
                "who\t" + DOG + "\tdog\t6",
                "why\t" + DOG + "\t\t",
                "how\t" + SUN + "\tgood\t8"));
    for (Dataset other : others) {
      assertEquals(squad, said(other), other.source().getFileName().toString());
    }
  }

  /** A place counted in UTF-16 units or bytes is another place behind an emoji. */
  @Test
  void aPlaceThatIsNotCountedInCodePointsIsRefused() {
    Dataset data =
        read(
            "utf16.csv",
            null,
            "question,context,answer_text,answer_start",
            "who,\"" + DOG + "\",dog,7");
    String refusal = assertThrows(InputException.class, () -> said(data)).getMessage();
    assertTrue(refusal.contains("stands \"og \", not \"dog\""), refusal);
    assertTrue(refusal.contains("at answer_start 6 (starts count Unicode code points"), refusal);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      value = {
        "\"a\"~holds a string, no rows",
        "{\"data\": 3}~is one object that is no row",
        "{\"data\": [}~not valid JSON",
        "{\"data\": [{\"paragraphs\": [{\"qas\": [{\"question\": \"q\"}]}]}]}~row 1: context is not",
        "{\"data\": [{\"paragraphs\": [{\"context\": \"c\", \"qas\": [{\"question\": 1}]}]}]}~row 1:"
            + " question is not",
        "{\"data\": [{\"paragraphs\": [{\"context\": \"c\", \"qas\": [{\"question\": \"q\","
            + " \"answers\": 7}]}]}]}~row 1: answers are",
        "{\"data\": [{\"paragraphs\": [{\"context\": \"c\", \"qas\": [{\"question\": \"q\","
            + " \"answers\": [{\"text\": \"c\", \"answer_start\": \"0\"}]}]}]}]}~row 1: the answer's"
            + " start is 0, not an index",
      })
  void aBrokenSquadFileIsRefused(String content, String part) {
    String refusal =
        assertThrows(InputException.class, () -> read("squad.json", null, content)).getMessage();
    assertTrue(refusal.contains(part), refusal);
  }
}
