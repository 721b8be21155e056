package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.FileOps;
import dev.attune.data.mapped.Stores;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
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
    file("d/README.md", CARD.formatted(type));
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
    assertEquals(List.of("1", "7"), labels(DataReader.read(file, options.named(true))));
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
  }
}
