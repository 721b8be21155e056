package dev.attune.data;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.attune.core.InputException;
import dev.attune.data.Finding.Severity;
import dev.attune.run.RunOption;
import dev.attune.task.Classification;
import dev.attune.task.TokenClassification;
import dev.attune.testkit.TestTasks;
import dev.attune.text.ChatMessage;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class DataReportTest {
  private static Dataset labelled(String name, String... textsAndLabels) {
    List<Example> examples = new ArrayList<>();
    for (int i = 0; i < textsAndLabels.length; i += 2) {
      examples.add(Example.of(2 + i / 2, textsAndLabels[i], textsAndLabels[i + 1]));
    }
    return new Dataset(Path.of(name), examples, "text, label");
  }

  private static TokenLengths lengths(int... lengths) {
    int[] ones = new int[lengths.length];
    Arrays.fill(ones, 1);
    return new TokenLengths(lengths, new int[lengths.length], ones);
  }

  private static DataReport classes(Dataset train, Dataset validation) {
    return DataReport.builder(new Classification(Classification.of(train).labels()))
        .train(train, null)
        .validation(validation, null)
        .build();
  }

  private static Finding only(DataReport report, String code) {
    List<Finding> found = report.findings().stream().filter(f -> f.code().equals(code)).toList();
    assertEquals(1, found.size(), code + " in " + report.findings());
    return found.get(0);
  }

  private static final Dataset GOOD = labelled("train.csv", "a b", "x", "c d", "y", "e", "x");

  @Test
  void goodDataHasNothingFatal() {
    DataReport report = classes(GOOD, labelled("dev.csv", "f", "x", "g", "y"));
    assertDoesNotThrow(report::throwIfFatal);
    assertEquals(List.of(), report.findings(Severity.FATAL));
    assertEquals(List.of(), report.findings(Severity.WARNING));
    assertEquals("rare_class", only(report, "rare_class").code());
  }

  @Test
  void emptyTextsAreFatalWithTheirRows() {
    Finding f = only(classes(labelled("t.csv", "a", "x", " \t", "y", "", "x"), GOOD), "empty_text");
    assertEquals(Severity.FATAL, f.severity());
    assertEquals(List.of(3, 4), f.rows());
    assertEquals("2 texts are empty", f.message());
  }

  @Test
  void missingAndUnknownLabelsAreFatal() {
    DataReport report = classes(GOOD, labelled("dev.csv", "f", null, "g", "z", "h", " ", "i", "x"));
    assertEquals(List.of(2, 4), only(report, "missing_label").rows());
    Finding unknown = only(report, "unknown_label");
    assertEquals(List.of(3), unknown.rows());
    assertEquals(
        "1 row has a label that is not among those to learn (\"z\"). Known labels: \"x\", \"y\"",
        unknown.message());
    InputException e = assertThrows(InputException.class, report::throwIfFatal);
    assertEquals(
        "the data has 2 problems that must be solved first:\n"
            + "  dev.csv: 2 labels are missing (rows 2, 4)\n"
            + "  dev.csv: 1 row has a label that is not among those to learn (\"z\"). Known labels:"
            + " \"x\", \"y\" (row 3)",
        e.getMessage());
  }

  @Test
  void rowsBeyondTenAreCounted() {
    String[] rows = new String[80];
    Arrays.fill(rows, "");
    Dataset data = labelled("t.csv", rows);
    Finding f = only(classes(data, GOOD), "empty_text");
    assertEquals(IntStream.rangeClosed(2, 11).boxed().toList(), f.rows());
    assertEquals(40, f.count());
    assertTrue(f.sentence(data::place).endsWith("11 and 30 more)"), f.sentence(data::place));
  }

  @Test
  void noRowsAndASingleClassAreFatal() {
    assertEquals(
        "no_rows", classes(labelled("t.csv"), GOOD).findings(Severity.FATAL).get(0).code());
    Finding f = only(classes(labelled("t.csv", "a", "x", "b", "x"), GOOD), "single_class");
    assertEquals(Severity.FATAL, f.severity());
    assertTrue(f.message().contains("same class, \"x\""));
  }

  @Test
  void aValidationSetOfOneClassIsFine() {
    DataReport report = classes(GOOD, labelled("dev.csv", "f", "x"));
    assertDoesNotThrow(report::throwIfFatal);
    assertEquals("no example of \"y\"", only(report, "absent_class").message());
  }

  @Test
  void regressionTargetsMustBeFiniteNumbersAndVary() {
    Dataset bad = labelled("t.csv", "a", "1.5", "b", "NaN", "c", "high", "d", null);
    DataReport report = DataReport.builder(TestTasks.REGRESSION).train(bad, null).build();
    Finding f = only(report, "bad_target");
    assertEquals(List.of(3, 4, 5), f.rows());
    assertEquals("3 targets are not a finite number (first: \"NaN\")", f.message());
    assertEquals(Severity.FATAL, f.severity());
    Dataset same = labelled("t.csv", "a", "2", "b", "2.0");
    assertEquals(
        "every row has the same target, 2.0: there is nothing to learn",
        only(DataReport.builder(TestTasks.REGRESSION).train(same, null).build(), "single_class")
            .message());
  }

  @Test
  void aValidationSetOfOneTargetHasNoCorrelation() {
    Dataset train = labelled("t.csv", "a", "1", "b", "2");
    Dataset same = labelled("dev.csv", "c", "2", "d", "2.0");
    DataReport report =
        DataReport.builder(TestTasks.REGRESSION).train(train, null).validation(same, null).build();
    Finding f = only(report, "constant_output");
    assertEquals(Severity.WARNING, f.severity());
    assertEquals(
        "every row has the same target, 2.0: pearson and spearman have no value", f.message());
  }

  @Test
  void tagsMustMatchTokensAndBeKnown() {
    Dataset train =
        new Dataset(
            Path.of("t.conll"),
            List.of(
                Example.ofTokens(1, List.of("a", "b"), List.of("O", "B")),
                Example.ofTokens(4, List.of("c", "d"), List.of("O")),
                Example.ofTokens(7, List.of(), List.of()),
                Example.ofTokens(9, List.of("e"), null)));
    Dataset dev =
        new Dataset(Path.of("d.conll"), List.of(Example.ofTokens(1, List.of("z"), List.of("I"))));
    DataReport report =
        DataReport.builder(new TokenClassification(TokenClassification.of(train).labels()))
            .train(train, null)
            .validation(dev, null)
            .build();
    Finding mismatch = only(report, "tags_mismatch");
    assertEquals(List.of(4), mismatch.rows());
    assertTrue(mismatch.message().endsWith("(first: 1 tag, 2 tokens)"), mismatch.message());
    assertEquals(List.of(7), only(report, "empty_text").rows());
    assertEquals(List.of(9), only(report, "missing_label").rows());
    assertEquals("validation", only(report, "unknown_label").split());
    assertEquals(4, report.findings(Severity.FATAL).size());
  }

  @Test
  void duplicatesConflictsAndLeakageAreFoundAfterFoldingCaseAndSpace() {
    Dataset train =
        labelled("t.csv", "Good  film", "x", "good film ", "x", "GOOD\tFILM", "y", "bad", "y");
    Dataset dev = labelled("d.csv", "Bad", "y", "other", "x");
    DataReport report = classes(train, dev);
    assertEquals(List.of(3, 4), only(report, "duplicates").rows());
    assertEquals(List.of(2, 4), only(report, "label_conflict").rows().subList(0, 2));
    Finding leak = only(report, "leakage");
    assertEquals("validation", leak.split());
    assertEquals(List.of(2), leak.rows());
    assertTrue(leak.message().startsWith("1 text is in the training set too"), leak.message());
  }

  @Test
  void pairsAreEqualOnlyIfBothTextsAre() {
    Dataset train =
        new Dataset(
            Path.of("t.csv"),
            List.of(
                new Example(2, "a", "b c", "x", null, null, Map.of()),
                new Example(3, "a b", "c", "y", null, null, Map.of()),
                new Example(4, "A", "B  c", "x", null, null, Map.of())));
    assertEquals(List.of(4), only(classes(train, GOOD), "duplicates").rows());
  }

  @Test
  void truncationIsCountedWithWorstRows() {
    Dataset train = labelled("t.csv", "a", "x", "b", "y", "c", "x");
    TokenLengths tokens =
        new TokenLengths(new int[] {8, 3, 8}, new int[] {2, 0, 30}, new int[] {1, 1, 1});
    DataReport report =
        DataReport.builder(Classification.of(train)).maxLength(8).train(train, tokens).build();
    Finding cut = only(report, "truncated");
    assertEquals(Severity.WARNING, cut.severity());
    assertEquals(List.of(2, 4), cut.rows());
    assertEquals("2 rows are cut at max length 8: 32 tokens lost (62.7 %)", cut.message());
    SplitSummary summary = report.summaries().get(0);
    assertEquals(4, summary.worst().get(0).getKey());
    assertEquals(30, summary.worst().get(0).getValue());
    assertEquals(2, summary.truncatedRows());
    assertEquals(32, summary.droppedTokens());
  }

  @Test
  void losingEveryTargetToTruncationIsFatalAndLosingSomeIsAWarning() {
    Dataset train =
        new Dataset(
            Path.of("t.conll"),
            List.of(
                Example.ofTokens(1, List.of("a"), List.of("O")),
                Example.ofTokens(3, List.of("b"), List.of("B"))));
    DataReport none =
        DataReport.builder(new TokenClassification(LabelMap.ofNames(List.of("B", "O"))))
            .maxLength(3)
            .train(train, new TokenLengths(new int[] {3, 3}, new int[] {1, 1}, new int[] {0, 0}))
            .build();
    assertEquals(Severity.FATAL, only(none, "nothing_supervised").severity());
    assertTrue(
        RunOption.worded(assertThrows(InputException.class, none::throwIfFatal).getMessage())
            .contains("leaves no target to train on; give a larger --max-length"));
    DataReport some =
        DataReport.builder(new TokenClassification(LabelMap.ofNames(List.of("B", "O"))))
            .maxLength(3)
            .train(train, new TokenLengths(new int[] {3, 3}, new int[] {1, 1}, new int[] {0, 1}))
            .build();
    assertEquals(List.of(1), only(some, "unsupervised_rows").rows());
    assertEquals(
        "1 of 2 tagged words lost (truncated, or without tokens)",
        only(some, "lost_tags").message());
  }

  @Test
  void quantilesAreByNearestRank() {
    int[] values = IntStream.rangeClosed(1, 200).map(i -> 201 - i).toArray();
    String[] rows = new String[400];
    Arrays.setAll(rows, i -> i % 2 == 0 ? "t" + i : "l" + i % 4);
    DataReport report =
        DataReport.builder(Classification.of(labelled("t.csv", rows)))
            .maxLength(256)
            .train(labelled("t.csv", rows), lengths(values))
            .build();
    assertEquals(
        new SplitSummary.Quantiles(100, 180, 198, 200), report.summaries().get(0).quantiles());
  }

  @Test
  void priceOfPaddingIsTheShareOfRealTokens() {
    DataReport report =
        DataReport.builder(new Classification(LabelMap.ofNames(List.of("x", "y"))))
            .maxLength(10)
            .batchSize(2)
            .train(labelled("t.csv", "a", "x", "b", "y", "c", "x"), lengths(2, 6, 4))
            .build();
    assertEquals(12.0 / 16, report.usefulShareIfPaddedToLongest(), 1e-12);
    assertEquals(12.0 / 30, report.usefulShareIfPaddedToMaxLength(), 1e-12);
  }

  /** As pandas writes whole numbers of a column with gaps, and as two keyboards write accents. */
  @Test
  void labelsThatPeopleWouldCallOneAreWarnedAbout() {
    for (String[] pair :
        new String[][] {{"1", "1.0"}, {"pos", "pos\u00a0"}, {"caf\u00e9", "cafe\u0301"}}) {
      String message =
          only(
                  classes(labelled("t.csv", "a", pair[0], "b", pair[1], "c", "neg"), GOOD),
                  "similar_labels")
              .message();
      assertTrue(message.contains('"' + pair[1] + '"'), message);
    }
    String gaps =
        only(classes(labelled("t.csv", "a", "x", "b", "NaN", "c", "y"), GOOD), "gap_labels")
            .message();
    assertTrue(gaps.startsWith("the label \"NaN\" is what programs write where"), gaps);
  }

  @Test
  void labelsThatDifferOnlyInCaseOrSpacesAndMajoritiesAreWarnedAbout() {
    assertEquals(
        "the labels \" pos\", \"Pos\", \"pos\" differ only in case, spaces, accents' form or the"
            + " spelling of a number, and are different classes",
        only(
                classes(labelled("t.csv", "a", "pos", "b", " pos", "c", "Pos", "d", "neg"), GOOD),
                "similar_labels")
            .message());
    String[] rows = new String[40];
    Arrays.setAll(rows, i -> i % 2 == 0 ? "t" + i : i == 39 ? "y" : "x");
    assertTrue(
        only(classes(labelled("t.csv", rows), GOOD), "majority_class")
            .message()
            .startsWith("95.0 % of the rows are \"x\""));
  }

  @Test
  void languageModellingNamesRowsThatCannotTeach() {
    Dataset rows =
        new Dataset(
            Path.of("p.jsonl"),
            List.of(
                Example.ofPrompt(1, "a", "b"),
                Example.ofPrompt(2, "a ", null),
                Example.ofPrompt(3, "a ", " "),
                Example.of(4, null, null),
                Example.of(5, " ", null),
                Example.ofMessages(6, List.of(ChatMessage.of("user", "hi"))),
                new Example(
                    7, "a", null, null, null, null, null, "b", "c", null, null, null, Map.of()),
                Example.ofMessages(8, List.of(ChatMessage.of("assistant", "hi")))));
    DataReport report = DataReport.builder(TestTasks.CAUSAL_LM).train(rows, null).build();
    assertEquals(List.of(2, 3), only(report, "missing_completion").rows());
    assertEquals(List.of(4, 5), only(report, "empty_text").rows());
    assertEquals(List.of(6), only(report, "no_answer").rows());
    assertEquals(List.of(7), only(report, "ambiguous_text").rows());
    assertEquals(List.of(1, 7), only(report, "no_gap").rows());
    String message = assertThrows(InputException.class, report::throwIfFatal).getMessage();
    assertTrue(message.startsWith("the data has 4 problems"), message);
    assertTrue(message.contains("(row 6)"), message);
  }

  @Test
  void languageModellingLearnsNoSecondTextAndSaysWhereItLearnsToBeSilent() {
    ChatMessage hi = ChatMessage.of("user", "hi");
    Dataset rows =
        new Dataset(
            Path.of("p.jsonl"),
            List.of(
                Example.ofQuestion(1, "Who?", "Bob is here", null, Map.of()),
                Example.ofLabels(2, "a", "b", null),
                Example.ofMessages(3, List.of(hi, ChatMessage.of("assistant", " "))),
                Example.ofMessages(4, List.of(hi, ChatMessage.of("assistant", "yes")))));
    DataReport report = DataReport.builder(TestTasks.CAUSAL_LM).train(rows, null).build();
    assertEquals(List.of(1, 2), only(report, "two_texts").rows());
    assertEquals(List.of(3), only(report, "empty_answer").rows());
  }

  @Test
  void equalPromptsWithOtherCompletionsAreNoDuplicates() {
    Dataset train =
        new Dataset(
            Path.of("p.jsonl"),
            List.of(
                Example.ofPrompt(1, "a\n", "b"),
                Example.ofPrompt(2, "a\n", "c"),
                Example.ofPrompt(3, "A", "b")));
    Dataset validation = new Dataset(Path.of("v.jsonl"), List.of(Example.ofPrompt(1, "a", "C")));
    DataReport report =
        DataReport.builder(TestTasks.CAUSAL_LM)
            .train(train, null)
            .validation(validation, null)
            .build();
    assertEquals(List.of(3), only(report, "duplicates").rows());
    assertEquals(List.of(1), only(report, "leakage").rows());
  }

  @Test
  void promptsNeedNoText() {
    Dataset prompts =
        new Dataset(
            Path.of("p.jsonl"),
            List.of(new Example(1, null, null, null, null, null, Map.of("prompt", "a"))));
    assertDoesNotThrow(DataReport.builder(READING).train(prompts, null).build()::throwIfFatal);
  }

  @Test
  void renderedPageIsCompactAndReadable() {
    DataReport report =
        DataReport.builder(new Classification(LabelMap.ofNames(List.of("x", "y"))))
            .maxLength(8)
            .batchSize(2)
            .train(
                GOOD,
                new TokenLengths(new int[] {8, 3, 4}, new int[] {5, 0, 0}, new int[] {1, 1, 1}))
            .validation(labelled("dev.csv", "f", "x", "C D", "y"), lengths(4, 2))
            .build();
    String blocks = page(report, true);
    String ascii = page(report, false);
    assertEquals(
        """

          Data report

                            rows       tokens     p50   p90   p99   max   cut rows       lost
          train                3           15       4     8     8     8          1          5
          validation           2            6       2     4     4     4          -          -

          train        train.csv  [text, label]
          validation   dev.csv  [text, label]

                       train                                 validation
          x            ##################         2  66.7 %  ##################         1  50.0 %
          y            #########                  1  33.3 %  ##################         1  50.0 %

          tokens a row, 1 to 8
          train          @@   @
          validation    @ @

          No padding: every token computed is a real one. Padded to the longest of each batch of 2,
          75 % would be; padded to max length 8, 63 %.

          cut most in train: row 2 loses 5 tokens

          ! WARNING  train       1 row is cut at max length 8: 5 tokens lost (25.0 %) (row 2).
          ! WARNING  validation  1 text is in the training set too: validation results will look better
                                 than they are (row 3).
          - note     train       fewer than 10 examples of "x" (2), "y" (1).

        """
            .indent(0),
        ascii);
    assertTrue(blocks.contains("█████████ "), blocks);
    assertTrue(ascii.chars().allMatch(c -> c < 128), "the plain form is ASCII");
    for (String line : blocks.split("\n")) {
      assertEquals(line.stripTrailing(), line, "no trailing spaces");
      assertTrue(line.length() <= 100, line);
    }
  }

  @Test
  void aCleanReportSaysSo() {
    Dataset prediction = labelled("p.csv", "a", null);
    String page = page(DataReport.builder(READING).test(prediction, null).build(), false);
    assertTrue(page.contains("Nothing to complain about."), page);
    assertFalse(page.contains("%"), page);
  }

  /** A task that looks at nothing. */
  private static final TargetChecks READING =
      new TargetChecks() {
        @Override
        public String name() {
          return "reading";
        }

        @Override
        public boolean isEmpty(Example example) {
          return false;
        }

        @Override
        public void examine(Findings found, Map<String, Integer> classCounts) {}
      };

  private static String page(DataReport report, boolean blocks) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (PrintStream out = new PrintStream(bytes, true, StandardCharsets.UTF_8)) {
      new DataReportText(report, blocks, words -> words).print(out);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  @Test
  void jsonHoldsTheSameNumbers() {
    DataReport report =
        DataReport.builder(new Classification(LabelMap.ofNames(List.of("x", "y"))))
            .maxLength(8)
            .train(
                GOOD,
                new TokenLengths(new int[] {8, 3, 4}, new int[] {5, 0, 0}, new int[] {1, 1, 1}))
            .build();
    JsonNode json = report.toJson(words -> words);
    assertEquals("classification", json.get("task").asText());
    JsonNode train = json.at("/splits/train");
    assertEquals(3, train.get("rows").asInt());
    assertEquals(15, train.get("tokens").asInt());
    assertEquals(4, train.at("/length/p50").asInt());
    assertEquals(5, train.get("dropped_tokens").asInt());
    assertEquals(2, train.at("/worst_rows/0/row").asInt());
    assertEquals(2, train.at("/class_counts/x").asInt());
    assertEquals(15.0 / 24, json.at("/useful_token_share/padded_to_max_length").asDouble(), 1e-12);
    assertEquals("truncated", json.at("/findings/0/code").asText());
    assertEquals("WARNING", json.at("/findings/0/severity").asText());
    assertEquals(2, json.at("/findings/0/rows/0").asInt());
  }

  @Test
  void lengthsOfAnotherDatasetAreRefused() {
    assertThrows(
        IllegalArgumentException.class,
        () -> DataReport.builder(Classification.of(GOOD)).train(GOOD, lengths(1)));
  }
}
