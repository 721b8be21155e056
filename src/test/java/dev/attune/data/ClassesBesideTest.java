package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.core.InputException;
import dev.attune.data.mapped.Stores;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Names of classes that lie beside the files that have them as numbers. */
class ClassesBesideTest extends FormatTrial {
  private static final String INFO =
      """
      {"features": {"text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
        "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "Sequence"}}}
      """;

  private static final String CARD =
      """
      ---
      license: mit
      dataset_info:
        features:
        - name: text
          dtype: string
        - name: label
          dtype:
            class_label:
              names:
                '0': neg
                '1': pos
        - name: tokens
          %s: string
        - name: ner_tags
          %s:
            class_label:
              names:
                '0': O
                '1': B-PER
      ---
      # Reviews
      """;

  private static List<String> labels(Dataset data) {
    return data.examples().stream().map(Example::label).toList();
  }

  private static Finding named(Dataset data) {
    return data.reading().findings().stream()
        .filter(finding -> finding.code().equals("class_names"))
        .findFirst()
        .orElse(null);
  }

  private String said(Dataset data) {
    return RunOption.worded(named(data).message()).replace(temp + "/", "");
  }

  @Test
  void numbersOfATableGetTheNamesOfItsFolder() {
    file("d/dataset_info.json", INFO);
    Dataset data = read(file("d/train.csv", "text,label\na,1\nb,0\nc,1.0\n"));
    assertEquals(List.of("pos", "neg", "pos"), labels(data));
    assertEquals("1", data.get(0).field("label"), "fields stay as they are");
    assertEquals(Finding.Severity.NOTE, named(data).severity());
    assertEquals(
        "the numbers of \"label\" are classes, which d/dataset_info.json names: \"neg\", \"pos\"",
        said(data));
  }

  @ParameterizedTest
  @ValueSource(strings = {"sequence", "list"})
  void aCardNamesClassesAndTagsOfTheFoldersBelow(String type) {
    file("d/README.md", CARD.formatted(type, type));
    Dataset rows = read(file("d/data/x/rows.jsonl", "{\"text\": \"a\", \"label\": 1}\n"));
    assertEquals(List.of("pos"), labels(rows));
    Dataset words =
        read(
            file("d/data/words.jsonl", "{\"tokens\": [\"Eve\", \"ran\"], \"ner_tags\": [1, 0]}\n"));
    assertEquals(List.of("B-PER", "O"), words.get(0).tags());
    Dataset cells =
        read(file("d/data/words.csv", "tokens,ner_tags\n\"['Eve', 'ran']\",\"[1, 0]\"\n"));
    assertEquals(List.of("B-PER", "O"), cells.get(0).tags());
    Dataset deep = read(file("d/data/x/y/z/rows.csv", "text,label\na,1\n"));
    assertEquals(List.of("1"), labels(deep), "further up lies another data set");
  }

  @Test
  void whatIsNoNumberOfAClassStaysWhatItIs() {
    file("d/dataset_info.json", INFO);
    assertEquals(
        List.of("pos", "other"), labels(read(file("d/a.csv", "text,label\na,pos\nb,other\n"))));
    assertEquals(List.of("1"), labels(read(file("d/b.csv", "text,category\na,1\n"))));
    Dataset test = read(file("d/c.csv", "text,label\na,-1\nb,1\n"));
    assertEquals(Arrays.asList(null, "pos"), labels(test));
    Dataset strings = read(file("d/e.csv", "text,label\na,pos\n"));
    assertNull(named(strings));
  }

  @Test
  void aNumberWithoutANameIsAnError() {
    file("d/dataset_info.json", INFO);
    assertEquals(
        "d/a.csv, row 3: \"label\" is 2, and d/dataset_info.json names 2 classes of it, 0 to 1."
            + " Correct one of the two; --label-names says what the numbers mean, whatever lies"
            + " beside the file",
        refusal(file("d/a.csv", "text,label\na,1\nb,2\n")));
    String tags =
        refusal(file("d/b.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [1, -1]}\n"));
    assertTrue(tags.contains("\"ner_tags\" is -1"), tags);
  }

  @Test
  void namesOfAnOptionAndTargetsThatAreNumbersComeFirst() {
    file("d/dataset_info.json", INFO);
    Path file = file("d/a.csv", "text,label\na,1\nb,7\n");
    ReadOptions options = ReadOptions.of(Columns.automatic());
    assertEquals(
        List.of("1", "7"), labels(DataReader.read(file, options.classes(ClassNumbers.KEPT))));
    assertEquals(List.of("1", "7"), labels(DataReader.read(file, options.numbers(true))));
  }

  @Test
  void ofSeveralConfigurationsThePathOrTheColumnsTellWhich() {
    String config =
        "\"%s\": {\"features\": {%s\"label\": {\"names\": %s, \"_type\": \"ClassLabel\"}}}";
    String text = "\"text\": {\"dtype\": \"string\", \"_type\": \"Value\"}, ";
    file(
        "d/dataset_infos.json",
        "{"
            + String.join(
                ", ",
                config.formatted("one", text, "[\"a\", \"b\"]"),
                config.formatted("two", text, "[\"c\", \"d\"]"),
                config.formatted("three", text + text.replace("text", "title"), "[\"e\", \"f\"]"))
            + "}");
    assertEquals(List.of("d"), labels(read(file("d/two/train.csv", "text,label\na,1\n"))));
    assertEquals(List.of("f"), labels(read(file("d/x.csv", "text,title,label\na,b,1\n"))));
    Dataset either = read(file("d/y.csv", "text,label\na,1\n"));
    assertEquals(List.of("1"), labels(either));
    assertEquals(Finding.Severity.WARNING, named(either).severity());
    assertEquals(
        "d/dataset_infos.json names the classes of \"label\" in several configurations (one, two)"
            + " that differ. The numbers of \"label\" stay numbers; --label-names names them",
        said(either));
  }

  @Test
  void theConfigurationOfTheFileMayHaveNoClasses() {
    String features = "\"%s\": {\"features\": {\"text\": {\"_type\": \"Value\"}, \"label\": %s}}";
    String classes = "{\"names\": [\"neg\", \"pos\"], \"_type\": \"ClassLabel\"}";
    file(
        "d/dataset_infos.json",
        "{"
            + features.formatted("binary", classes)
            + ", "
            + features.formatted("stars", "{\"dtype\": \"int64\", \"_type\": \"Value\"}")
            + "}");
    Dataset stars = read(file("d/stars/train.csv", "text,label\na,1\nb,4\n"));
    assertEquals(List.of("1", "4"), labels(stars));
    assertNull(named(stars));
    assertEquals(List.of("pos"), labels(read(file("d/binary/train.csv", "text,label\na,1\n"))));
    Dataset either = read(file("d/train.csv", "text,label\na,1\n"));
    assertEquals(List.of("1"), labels(either));
    assertTrue(said(either).contains("(binary, stars) that differ"), said(either));
    file("d/plain/dataset_info.json", INFO.replace("ClassLabel", "Value"));
    assertEquals(List.of("1"), labels(read(file("d/plain/a.csv", "text,label\na,1\n"))));
  }

  @Test
  void whatLiesFurtherUpMayBeOfOtherData() {
    file("d/README.md", CARD.formatted("list", "list"));
    Dataset other = read(file("d/mine/stars.csv", "review,label\na,1\nb,0\n"));
    assertEquals(List.of("1", "0"), labels(other));
    assertEquals(Finding.Severity.WARNING, named(other).severity());
    assertEquals(
        "d/README.md names the classes of \"label\" and does not describe \"review\", so that it may"
            + " be of other data. The numbers of \"label\" stay numbers; --label-names names them",
        said(other));
    Dataset more = read(file("d/mine/more.csv", "text,label\na,1\nb,5\n"));
    assertEquals(List.of("1", "5"), labels(more));
    assertEquals(1, more.reading().findings().size());
    assertTrue(
        said(more)
            .startsWith("row 3: \"label\" is 5, and d/README.md names 2 classes of it, 0 to 1."),
        said(more));
    Dataset tags =
        read(file("d/mine/a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [1, -100]}\n"));
    assertEquals(List.of("1", "-100"), tags.get(0).tags());
    Dataset cells = read(file("d/mine/b.csv", "tokens,ner_tags\na b,0 7\n"));
    assertEquals(List.of("0", "7"), cells.get(0).tags());
  }

  @Test
  void namesThatCannotBeLabelsAreNotUsed() {
    for (String names : List.of("\"neg\", \" \"", "\"neg\", \"neg\"", "\"neg\", null, \"pos\"")) {
      file("d/dataset_info.json", INFO.replace("\"neg\", \"pos\"", names));
      Dataset data = read(file("d/a.csv", "text,label\na,1\n"));
      assertEquals(List.of("1"), labels(data));
      assertTrue(said(data).contains("that are blank or repeated"), said(data));
    }
    file("e/README.md", CARD.formatted("list", "list").replace("'1': pos", "'1': true"));
    assertEquals(List.of("1"), labels(read(file("e/a.csv", "text,label\na,1\n"))));
  }

  @Test
  void filesWithNamesAndFilesWithNumbersAreNotJoined() {
    file("hub/dataset_info.json", INFO);
    String named = file("hub/a.csv", "text,label\na,1\nb,0\n").toString();
    String own = file("own/b.csv", "text,label\na,1\nb,0\n").toString();
    ReadOptions options = ReadOptions.of(Columns.automatic());
    InputException e =
        assertThrows(InputException.class, () -> DataReader.read(List.of(named, own), options));
    assertEquals(
        "hub/a.csv has classes by name, and own/b.csv has numbers that nothing names, so that they"
            + " would be other classes. --label-names neg,pos says what the numbers of both mean,"
            + " from 0 on",
        RunOption.worded(e.getMessage()).replace(temp + "/", ""));
    Dataset kept = DataReader.read(List.of(named, own), options.classes(ClassNumbers.KEPT));
    assertEquals(List.of("1", "0", "1", "0"), labels(kept));
    String words = file("own/c.csv", "text,label\na,pos\n").toString();
    Dataset joined = DataReader.read(List.of(named, words), options);
    assertEquals(List.of("pos", "neg", "pos"), labels(joined));
  }

  @Test
  void whatIsOnlyLookedAtIsNoError() {
    file("d/dataset_info.json", INFO);
    ReadOptions options =
        ReadOptions.of(Columns.automatic()).classes(ClassNumbers.NAMED_WHERE_KNOWN);
    Path file = file("d/a.csv", "text,label\na,1\nb,7\nc,-1\n");
    assertEquals(Arrays.asList("pos", "7", null), labels(DataReader.read(file, options)));
    Path tags = file("d/b.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [1, -1]}\n");
    assertEquals(List.of("B-PER", "-1"), DataReader.read(tags, options).get(0).tags());
  }

  @Test
  void aLongTextBelowACardIsNotRead() {
    String card = CARD.formatted("list", "list");
    file("d/README.md", card + "x".repeat(9 << 20));
    assertEquals(List.of("pos"), labels(read(file("d/a.csv", "text,label\na,1\n"))));
    file("e/README.md", "---\n" + "x".repeat(9 << 20));
    Dataset data = read(file("e/a.csv", "text,label\na,1\n"));
    assertEquals(List.of("1"), labels(data));
    assertTrue(said(data).startsWith("e/README.md has more than 8 MiB"), said(data));
  }

  @Test
  void theNamesOfAFileItselfComeFirst() {
    file("d/dataset_info.json", INFO.replace("\"neg\", \"pos\"", "\"1\", \"2\""));
    Path file = file("d/a.parquet", resource("/parquet/huggingface.parquet"));
    Map<String, Object> row = new HashMap<>(Map.of("text", "a", "label", "2"));
    Dataset data =
        new ExampleReader(
                file,
                ReadOptions.of(Columns.automatic()),
                false,
                new BadRows(false, "row"),
                Map.of("label", List.of("1", "2")))
            .read(List.of(new ExampleReader.Row(1, row, row)));
    assertEquals(List.of("2"), labels(data));
    assertNull(named(data));
    Map<String, String> note = Map.of("huggingface", "{\"info\": " + INFO + "}");
    assertEquals(
        List.of("neg", "pos"),
        new ClassNames(file, note, Columns.automatic()).byColumn().get("label"));
    assertEquals(Map.of(), new ClassNames(file, note, Columns.automatic().forPairs()).byColumn());
  }

  @Test
  void namesThatAreNumbersAreNotMixedWithTheirPlaces() {
    file("s/dataset_info.json", INFO.replace("\"neg\", \"pos\"", "\"1\", \"2\""));
    Dataset stars = read(file("s/a.csv", "text,label\na,1\nb,2\n"));
    assertEquals(List.of("1", "2"), labels(stars));
    assertTrue(said(stars).contains("so that a number may be either"), said(stars));
    file("z/dataset_info.json", INFO.replace("\"neg\", \"pos\"", "\"0\", \"1\""));
    Dataset same = read(file("z/a.csv", "text,label\na,1\nb,0\n"));
    assertEquals(List.of("1", "0"), labels(same));
    assertNull(named(same));
  }

  @Test
  void aDescriptionThatCannotBeReadIsSaidToBeSo() {
    file("d/dataset_info.json", INFO.substring(0, INFO.length() - 4));
    Dataset data = read(file("d/a.csv", "text,label\na,1\n"));
    assertEquals(List.of("1"), labels(data));
    assertTrue(said(data).contains("dataset_info.json is not valid JSON: it ends too"), said(data));
    file("e/README.md", "# class_label\n");
    assertNull(named(read(file("e/a.csv", "text,label\na,1\n"))));
  }

  @Test
  void namesAreAPartOfWhatIsKeptOfLargeFiles() {
    Path info = file("d/dataset_info.json", INFO);
    List<String> file = List.of(file("d/a.csv", "text,label\na,1\nb,0\n").toString());
    ReadOptions options = ReadOptions.of(Columns.automatic());
    RowCache cache =
        new RowCache(new Stores(() -> temp.resolve("stores"), FileOps.SYSTEM, note -> {}), 0, 1);
    Dataset stored = cache.read(file, options);
    assertTrue(stored.isStored());
    assertEquals(List.of("pos", "neg"), labels(stored));
    file("d/" + info.getFileName(), INFO.replace("pos", "good"));
    Dataset changed = cache.read(file, options);
    assertEquals(List.of("good", "neg"), labels(changed));
    assertNotEquals(stored.contentKey(), changed.contentKey());
    ReadOptions kept = options.classes(ClassNumbers.KEPT);
    String key = cache.read(file, kept).contentKey();
    file("d/" + info.getFileName(), INFO);
    assertEquals(key, cache.read(file, kept).contentKey());
  }
}
