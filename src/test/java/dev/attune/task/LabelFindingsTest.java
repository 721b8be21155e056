package dev.attune.task;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.FileReading;
import dev.attune.data.Finding;
import dev.attune.data.Finding.Severity;
import dev.attune.data.LabelMap;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Labels that are read without a fault and are not what their task learns. */
class LabelFindingsTest {
  private static List<String> messages(Task task, Dataset train, Severity severity) {
    return DataReport.builder(task).train(train, null).build().findings(severity).stream()
        .map(Finding::message)
        .map(RunOption::worded)
        .toList();
  }

  private static Dataset data(List<Example> examples) {
    return new Dataset(Path.of("t.csv"), examples, FileReading.NONE);
  }

  private static Dataset labelled(String... labels) {
    List<Example> examples = new ArrayList<>();
    Arrays.stream(labels).forEach(l -> examples.add(Example.of(0, "t" + examples.size(), l)));
    return data(examples);
  }

  private static List<String> severalFatal(Dataset train) {
    LabelMap labels = MultiLabelClassification.TYPE.labels(train);
    return messages(
        MultiLabelClassification.TYPE.create(labels, train, TaskOptions.NONE),
        train,
        Severity.FATAL);
  }

  private static List<String> one(Dataset train, Severity severity) {
    return messages(Classification.of(train), train, severity);
  }

  @Test
  void labelsThatCommasJoinAreNoLabels() {
    for (String joined : List.of("x, y", "x;y", "y,x")) {
      assertEquals(
          List.of(
              "labels such as \""
                  + joined
                  + "\" would be learned as one label each, and no row has several. Part the labels of"
                  + " a row by |: \""
                  + String.join("|", joined.split("[,;] ?"))
                  + '"'),
          severalFatal(labelled("x", joined, "z")));
    }
    assertEquals(List.of(), severalFatal(labelled("x", "Art, Music", "z")), "a name of its own");
    assertEquals(List.of(), severalFatal(labelled("x|z", "x, y", "z")), "| parts them");
  }

  @Test
  void listsOfZerosAndOnesAreNoNames() {
    List<String> fatal =
        severalFatal(
            data(
                List.of(
                    Example.ofLabels(1, "a", null, List.of("0", "1", "1")),
                    Example.ofLabels(2, "b", null, List.of("1", "0", "0")))));
    assertEquals(1, fatal.size());
    assertTrue(
        fatal.get(0).startsWith("the lists of labels hold 0 and 1 for each of 3 classes"),
        fatal.toString());
    assertEquals(
        List.of(),
        severalFatal(
            data(
                List.of(
                    Example.ofLabels(1, "a", null, List.of("0", "1")),
                    Example.ofLabels(2, "b", null, List.of("1"))))),
        "ids of labels");
  }

  @Test
  void invisibleCharactersAndMissingClassesAreStated() {
    List<String> similar = one(labelled("pos", "\u200bpos", "neg"), Severity.WARNING);
    assertTrue(similar.toString().contains("differ only in"), similar.toString());
    List<String> gap = one(labelled("0", "-1", "1", "2"), Severity.WARNING);
    assertTrue(gap.toString().contains("the label \"-1\" is what programs write"), gap.toString());
    assertEquals(List.of(), one(labelled("0", "-1", "1", "-2"), Severity.WARNING));
    List<String> none = one(labelled("neutral", "-", "entailment"), Severity.WARNING);
    assertTrue(none.toString().contains("the label \"-\" is what programs write"), none.toString());
  }

  @Test
  void classesThatMayBeSeveralInOneAreStated() {
    assertEquals(
        List.of(
            "labels such as \"x, y\" are learned as one class each, and a part of them is a class"
                + " too. Where a row has several labels, part them by |, \"x|y\", and give --task"
                + " multi-label-classification"),
        one(labelled("x", "x, y", "z"), Severity.WARNING));
    assertEquals(List.of(), one(labelled("x", "Art, Music", "z"), Severity.WARNING));
  }

  @Test
  void tagsInPlaceOfWordsAreRefused() {
    Dataset train =
        data(
            List.of(
                Example.ofTokens(1, List.of("B-ORG", "O"), List.of("EU", "rejects")),
                Example.ofTokens(2, List.of("O", "B-PER"), List.of("by", "Bob"))));
    LabelMap labels = TokenClassification.TYPE.labels(train);
    assertEquals(
        List.of(
            "the words are tags (\"B-ORG\", \"B-PER\", \"O\"): words and tags seem to be exchanged."
                + " Where the tag comes first, give --columns tags,tokens"),
        messages(
            TokenClassification.TYPE.create(labels, train, TaskOptions.NONE),
            train,
            Severity.FATAL));
  }

  @Test
  void whatAnotherTaskLearnsIsSaidToBeIts() {
    assertEquals(
        List.of(
            "1 label is missing; words with a tag each are learned with --task token-classification"),
        one(data(List.of(Example.ofTokens(1, List.of("a"), List.of("O")))), Severity.FATAL));
    assertEquals(
        List.of(
            "1 text is empty",
            "1 label is missing; answers to prompts are learned with --task causal-lm"),
        one(data(List.of(Example.ofPrompt(1, "a", "b"))), Severity.FATAL));
    FileReading running = new FileReading("one running text", Map.of(), null, "", List.of(), true);
    assertTrue(
        one(
                new Dataset(Path.of("t.txt"), List.of(Example.of(1, "a", null)), running),
                Severity.FATAL)
            .get(0)
            .endsWith("say how they are written, such as --format csv"));
  }
}
