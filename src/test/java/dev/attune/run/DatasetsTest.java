package dev.attune.run;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.core.InputException;
import dev.attune.core.Term;
import dev.attune.data.DataReport;
import dev.attune.data.Dataset;
import dev.attune.data.Example;
import dev.attune.data.Finding;
import dev.attune.data.LabelMap;
import dev.attune.data.RowCache;
import dev.attune.task.Task;
import dev.attune.task.TaskType;
import dev.attune.task.Tasks;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What becomes of the files of a training run before anything is tokenised. */
class DatasetsTest {
  @TempDir Path temp;

  private Path file(String name, String content) {
    try {
      return Files.writeString(temp.resolve(name), content);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static RunConfig config(Path train, String... options) {
    RunConfig.Builder builder =
        RunConfig.builder(CommandOptions.TRAIN).set(RunOption.TRAIN_FILE, train.toString());
    for (int i = 0; i < options.length; i += 2) {
      builder.set(builder.option(options[i], "test"), options[i + 1]);
    }
    return builder.build();
  }

  private static Datasets shaped(String task, Path train, String... options) {
    RunConfig config = config(train, options);
    return Datasets.read(config, null, false, RowCache.none())
        .shaped(config, Tasks.named(task), List.of(), null);
  }

  private static String refusal(String task, Path train, String... options) {
    InputException e =
        assertThrows(InputException.class, () -> report(task, shaped(task, train, options)));
    return RunOption.worded(e.getMessage());
  }

  /** Examines as a run does; throws what would stop it. */
  private static DataReport report(String task, Datasets sets) {
    TaskType type = Tasks.named(task);
    Task learned = type.create(type.labels(sets.train()), sets.train(), option -> null);
    DataReport report = DataReport.builder(learned).train(sets.train(), null).build();
    report.throwIfFatal();
    return report;
  }

  @Test
  void predictionsNeedNoNamesOfNumbers() {
    file(
        "dataset_info.json",
        "{\"features\": {\"label\": {\"names\": [\"no\", \"yes\"], \"_type\": \"ClassLabel\"}}}");
    Path hidden = file("hidden.csv", "text,label\na b,1\nc d,7\n");
    RunConfig config =
        RunConfig.builder(CommandOptions.PREDICT).set(RunOption.FILE, hidden.toString()).build();
    LabelMap labels = LabelMap.ofNames(List.of("no", "yes"));
    Task task = Tasks.named("classification").create(labels, null, option -> null);
    assertEquals("1", Datasets.predicted(config, task, false).get(0).label());
    Dataset compared = Datasets.predicted(config, task, true);
    assertEquals(List.of("yes", "7"), compared.examples().stream().map(Example::label).toList());
  }

  @Test
  void tasksWithoutClassesKeepNumbers() {
    file(
        "dataset_info.json",
        "{\"features\": {\"label\": {\"names\": [\"no\", \"yes\"], \"_type\": \"ClassLabel\"}}}");
    Path pairs = file("pairs.csv", "sentence1,sentence2,label\na b,c d,1\ne f,g h,0\ni j,k l,7\n");
    Datasets read = Datasets.read(config(pairs, "task", "embedding"), null, false, RowCache.none());
    assertEquals("1", read.train().get(0).label());
    Path texts = file("texts.csv", "text,label\na b,1\nc d,7\n");
    Datasets.read(config(texts, "task", "masked-lm"), null, false, RowCache.none());
  }

  private static List<String> codes(DataReport report) {
    return report.findings().stream().map(Finding::code).toList();
  }

  private Path reviews(int rows) {
    StringBuilder csv = new StringBuilder("text,label\n");
    for (int i = 0; i < rows; i++) {
      boolean again = i % 5 == 4; // groups of four
      csv.append(again ? "Same text " + i / 20 : "number " + i)
          .append(i % 4 == 0 && !again ? ",rare\n" : ",usual\n");
    }
    return file("reviews.csv", csv.toString());
  }

  private static Set<String> texts(Dataset data) {
    return data.examples().stream()
        .map(e -> e.text().toLowerCase(Locale.ROOT))
        .collect(Collectors.toCollection(HashSet::new));
  }

  @Test
  void oneFileIsSplitInThreeWithoutLeaks() {
    Path file = reviews(200);
    Datasets sets = shaped("classification", file, "validation-split", "0.1", "test-split", "0.2");
    assertEquals(200, sets.train().size() + sets.validation().size() + sets.test().size());
    assertEquals(20, sets.validation().size(), 2);
    assertEquals(40, sets.test().size(), 2);
    Set<String> seen = new HashSet<>();
    for (Dataset part : List.of(sets.train(), sets.validation(), sets.test())) {
      Set<String> texts = texts(part);
      assertTrue(texts.stream().noneMatch(seen::contains), texts::toString);
      seen.addAll(texts);
      long rare = part.examples().stream().filter(e -> e.label().equals("rare")).count();
      assertEquals(0.2, (double) rare / part.size(), 0.1, part.size() + " rows");
    }
    assertTrue(
        sets.validation().reading().findings().get(0).message().contains("of 200 rows"),
        sets.validation().reading().toString());
  }

  @Test
  void aSplitIsThatOfItsSeed() {
    Path file = reviews(100);
    List<Integer> rows = rows(shaped("classification", file, "validation-split", "0.2"));
    assertEquals(rows, rows(shaped("classification", file, "validation-split", "0.2")));
    assertTrue(
        !rows.equals(rows(shaped("classification", file, "validation-split", "0.2", "seed", "7"))));
  }

  @Test
  void anOptionOfTablesMayFitOneFileOfTheRunAlone() {
    Path table = file("train.csv", "text;label\nä, b;x\nc;y\n");
    Path lines = file("validation.jsonl", "{\"text\": \"d\", \"label\": \"x\"}\n");
    String[] files = {"validation-file", lines.toString(), "delimiter", "semicolon"};
    Datasets sets = shaped("classification", table, files);
    assertEquals("ä, b", sets.train().get(0).text());
    assertEquals("d", sets.validation().get(0).text());
    files[1] = table.toString();
    assertEquals("ä, b", shaped("classification", lines, files).validation().get(0).text());
    assertTrue(
        refusal("classification", lines, "delimiter", "semicolon").contains("no --delimiter"));
  }

  private static List<Integer> rows(Datasets sets) {
    return sets.validation().examples().stream().map(Example::row).toList();
  }

  @Test
  void splitsOutOfRangeAreRefused() {
    Path file = reviews(20);
    assertEquals(
        "--validation-split is 1.0; it must lie between 0 and 1, for example 0.1",
        refusal("classification", file, "validation-split", "1"));
  }

  @Test
  void theFirstRowsAreTakenAndSaid() {
    Datasets sets =
        shaped(
            "classification",
            reviews(50),
            "validation-split",
            "0.4",
            "max-train-samples",
            "7",
            "max-eval-samples",
            "3");
    assertEquals(7, sets.train().size());
    assertEquals(3, sets.validation().size());
    assertNull(sets.test());
    assertEquals(
        "the first 7 of 30 rows, as --max-train-samples says",
        RunOption.worded(sets.train().reading().findings().get(0).message()));
    assertEquals(
        "--max-train-samples is 0; it must be at least 1",
        refusal("classification", reviews(9), "max-train-samples", "0"));
  }

  @Test
  void rowsWithoutWhatTheTaskNeedsAreLeftOutOnDemand() {
    Path file = file("a.csv", "text,label\na,x\nb,\n,y\nc,y\n");
    assertTrue(refusal("classification", file).contains("2 problems"));
    Dataset train = shaped("classification", file, "skip-bad-rows", "true").train();
    assertEquals(List.of("a", "c"), train.examples().stream().map(Example::text).toList());
    Finding finding = train.reading().findings().get(0);
    assertEquals(List.of(3, 4), finding.rows());
    assertTrue(finding.message().endsWith("a.csv, row 3: 1 label is missing"), finding.message());
  }

  // ---- labels that are something else

  @Test
  void exchangedColumnsAreNamedWithTheOptionThatMendsThem() {
    StringBuilder csv = new StringBuilder("text,label\n");
    StringBuilder bare = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      String row = (i % 2 == 0 ? "good" : "bad") + ",a long sentence of number " + i + "\n";
      csv.append(row);
      bare.append(row);
    }
    assertTrue(
        refusal("classification", file("a.csv", csv.toString()))
            .endsWith("seem to be exchanged. Give --columns text=label,label=text"));
    assertTrue(
        refusal("classification", file("b.csv", bare.toString()), "columns", "text,label")
            .endsWith("seem to be exchanged. Give --columns label,text"));
  }

  @Test
  void exchangedColumnsOfAFewRowsAreFatalWhereTheyAreClear() {
    String header = "text,label\n";
    String[] rows = {
      "good,I liked it a lot",
      "bad,it broke after a day",
      "good,works as it should",
      "bad,not what was shown"
    };
    assertTrue(
        refusal("classification", file("a.csv", header + String.join("\n", rows) + "\n"))
            .endsWith("seem to be exchanged. Give --columns text=label,label=text"));
    // One word a text and one label each: nobody can tell.
    Path unclear = file("b.csv", header + "dog,animal\ndog,pet\nrose,a red flower\nrose,plant\n");
    assertEquals(4, shaped("classification", unclear).train().size());
  }

  @Test
  void numbersAndIdentifiersAreNoClasses() {
    StringBuilder scores = new StringBuilder("text,label\n");
    StringBuilder ids = new StringBuilder("text,label\n");
    for (int i = 0; i < 40; i++) {
      scores
          .append("some words of number ")
          .append(i)
          .append(',')
          .append(i % 20 / 10.0)
          .append('\n');
      ids.append("some words of number ").append(i).append(",u").append(i).append('\n');
    }
    Path file = file("scores.csv", scores.toString());
    assertTrue(refusal("classification", file).endsWith("To learn numbers give --task regression"));
    report("regression", shaped("regression", file));
    assertTrue(
        refusal("classification", file("ids.csv", ids.toString()))
            .contains("40 rows have 40 different labels"));
  }

  @Test
  void severalLabelsInOneAreWarnedOf() {
    Path file = file("a.csv", "text,label\na,x|y\nb,x\nc,x|y\nd,x\n");
    assertTrue(
        codes(report("classification", shaped("classification", file))).contains("joined_labels"));
  }

  @Test
  void aHeaderAmongTheRowsIsWarnedOf() {
    StringBuilder csv = new StringBuilder("was,wie\n");
    for (int i = 0; i < 20; i++) {
      csv.append("words ").append(i).append(i % 2 == 0 ? ",gut\n" : ",schlecht\n");
    }
    DataReport report =
        report(
            "classification",
            shaped("classification", file("a.csv", csv.toString()), "columns", "text,label"));
    Finding finding =
        report.findings().stream()
            .filter(f -> f.code().equals("header_row"))
            .findFirst()
            .orElseThrow();
    assertTrue(
        RunOption.worded(finding.message()).endsWith("--columns text=was,label=wie"),
        finding.message());
  }

  @Test
  void aLabelsWeightIsGivenOnce() {
    Path file = file("a.jsonl", "{\"text\": \"a\", \"labels\": [\"a\"]}\n");
    Dataset train = shaped("multi-label-classification", file).train();
    TaskType type = Tasks.named("multi-label-classification");
    InputException e =
        assertThrows(
            InputException.class,
            () ->
                type.create(
                    type.labels(train), train, term -> term == Term.POS_WEIGHT ? "a=2,a=3" : null));
    assertEquals(
        "--pos-weight is 'a=2,a=3': the label \"a\" is there twice",
        RunOption.worded(e.getMessage()));
  }

  @Test
  void plainTagsAreMeasuredWordByWord() {
    Path file = file("a.conll", "dogs NN\nrun VB\n\nBob NN\n");
    Dataset train = shaped("token-classification", file).train();
    TaskType type = Tasks.named("token-classification");
    List<String> names = type.create(type.labels(train), train, term -> null).metricNames();
    assertTrue(names.containsAll(List.of("accuracy", "f1_macro", "f1_weighted")), names::toString);
    Path entities = file("b.conll", "Bob B-PER\nran O\n");
    Dataset bio = shaped("token-classification", entities).train();
    assertTrue(
        type.create(type.labels(bio), bio, term -> null).metricNames().contains("recall"),
        "entities");
  }

  @Test
  void decimalCommasAreNumbers() {
    Datasets sets = shaped("regression", file("a.csv", "text,label\na,\"3,5\"\nb,4\nc,\"0,25\"\n"));
    assertEquals(
        List.of("3.5", "4", "0.25"), sets.train().examples().stream().map(Example::label).toList());
    Datasets thousands = shaped("regression", file("b.csv", "text,label\na,\"3,500\"\nb,4\n"));
    assertEquals("3,500", thousands.train().get(0).label());
    Datasets points = shaped("regression", file("c.csv", "text,label\na,\"3,5\"\nb,4.25\n"));
    assertEquals("3,5", points.train().get(0).label());
  }

  @Test
  void aLabelThatIsNoNumberDoesNotTellWhatCommasAre() {
    Path file = file("a.csv", "text,label\na,\"3,5\"\nb,n/a\nc,\"0,25\"\n");
    assertTrue(refusal("regression", file).contains("1 target is not a finite number"));
    assertEquals(
        List.of("3.5", "0.25"),
        shaped("regression", file, "skip-bad-rows", "true").train().examples().stream()
            .map(Example::label)
            .toList());
  }

  // ---- tags

  @Test
  void tagsThatAreNumbersNeedNames() {
    Path file = file("a.jsonl", "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [1, 0]}\n".repeat(3));
    assertTrue(
        refusal("token-classification", file)
            .endsWith("Name them in their order, from 0 on: --label-names O,B-PER,I-PER"));
    Datasets named = shaped("token-classification", file, "label-names", "O,B-PER");
    assertEquals(List.of("B-PER", "O"), named.train().get(0).tags());
  }

  @Test
  void otherSchemesAreLearnedAsBioUnlessAHeadKnowsThem() {
    Path file = file("a.conll", "Bob S-PER\nran O\n\nAnn B-PER\nLee E-PER\n");
    Dataset train = shaped("token-classification", file).train();
    assertEquals(List.of("B-PER", "O"), train.get(0).tags());
    assertEquals("tags_converted", train.reading().findings().get(0).code());
    RunConfig config = config(file);
    List<String> known = List.of("O", "B-PER", "I-PER", "E-PER", "S-PER");
    Dataset kept =
        Datasets.read(config, null, false, RowCache.none())
            .shaped(config, Tasks.named("token-classification"), known, null)
            .train();
    assertEquals(List.of("S-PER", "O"), kept.get(0).tags());
  }

  private static Datasets known(RunConfig config, String task, List<String> known) {
    return Datasets.read(config, null, false, RowCache.none())
        .shaped(config, Tasks.named(task), known, null);
  }

  @Test
  void namesOfNumbersBecomeBioWithTheirTags() {
    Path ends = file("a.jsonl", "{\"tokens\": [\"a\", \"b\", \"c\"], \"ner_tags\": [1, 3, 4]}\n");
    Path iob = file("b.jsonl", "{\"tokens\": [\"a\", \"b\", \"c\"], \"ner_tags\": [1, 1, 0]}\n");
    TaskType type = Tasks.named("token-classification");
    for (Path file : List.of(ends, iob)) {
      String names = file == ends ? "O,B-PER,I-PER,E-PER,S-PER" : "O,I-PER";
      RunConfig config = config(file, "label-names", names);
      Datasets sets = known(config, type.name(), List.of());
      assertEquals("tags_converted", sets.train().reading().findings().get(0).code());
      assertEquals(
          Set.of("O", "B-PER", "I-PER"), Set.copyOf(sets.labels(config, type).names()), names);
      assertEquals(3, sets.labels(config, type).size());
      assertTrue(asBio(type.create(sets.labels(config, type), sets.train(), term -> null)));
    }
    RunConfig kept = config(ends, "label-names", "O,B-PER,I-PER,E-PER,S-PER");
    List<String> head = List.of("O", "B-PER", "I-PER", "E-PER", "S-PER");
    Datasets sets = known(kept, type.name(), head);
    assertEquals(head, sets.labels(kept, type).names());
    assertTrue(!asBio(type.create(sets.labels(kept, type), sets.train(), term -> null)));
  }

  /** Whether a model folder will say that tags become BIO. */
  private static boolean asBio(Task task) {
    ObjectNode settings = JsonNodeFactory.instance.objectNode();
    task.describe(JsonNodeFactory.instance.objectNode(), settings);
    return settings.path("tags_as_bio").asBoolean();
  }

  @Test
  void theTrainingDataTellTheFormOfTheTagsForAll() {
    Path train = file("a.conll", "Bob S-PER\nran O\n\nAnn B-PER\nLee E-PER\n");
    Path other = file("b.conll", "Ann B-LOC\nLee E-LOC\n\nBob S-PER\n");
    RunConfig config = config(train, "validation-file", other.toString());
    Datasets kept =
        known(config, "token-classification", List.of("O", "B-PER", "I-PER", "E-PER", "S-PER"));
    assertEquals(List.of("B-LOC", "E-LOC"), kept.validation().get(0).tags(), "as the training's");
    Datasets anew = known(config, "token-classification", List.of());
    assertEquals(List.of("B-LOC", "I-LOC"), anew.validation().get(0).tags());
    Path plain = file("c.conll", "Bob S-PER\nran VERB\n");
    RunConfig mixed = config(plain, "validation-file", other.toString());
    assertEquals(
        List.of("S-PER"),
        known(mixed, "token-classification", List.of()).validation().get(1).tags());
    Path bio = file("d.conll", "Bob B-PER\nran O\n");
    RunConfig twoSchemes = config(bio, "validation-file", train.toString());
    assertEquals(
        List.of("B-PER", "I-PER"),
        known(twoSchemes, "token-classification", List.of()).validation().get(1).tags());
    Path strange = file("e.jsonl", "{\"tokens\": [\"a\", \"b\"], \"tags\": [\"\", \"I-PER\"]}\n");
    RunConfig empty = config(train, "validation-file", strange.toString());
    assertEquals(
        List.of("", "I-PER"),
        known(empty, "token-classification", List.of()).validation().get(0).tags());
  }

  @Test
  void rowsAreBadByTheLabelsOfTheHeadThatIsTrained() {
    Path train = file("a.csv", "text,label\na,x\nb,y\n");
    Path other = file("b.csv", "text,label\nc,z\nd,x\ne,w\n");
    String[] options = {"validation-file", other.toString(), "skip-bad-rows", "true"};
    List<String> texts = List.of("c", "d");
    Datasets kept = known(config(train, options), "classification", List.of("z", "y", "x"));
    assertEquals(texts, kept.validation().examples().stream().map(Example::text).toList());
    Datasets named =
        shaped(
            "classification",
            train,
            Stream.concat(Stream.of(options), Stream.of("label-names", "x,y,z"))
                .toArray(String[]::new));
    assertEquals(texts, named.validation().examples().stream().map(Example::text).toList());
    Datasets anew = shaped("classification", train, options);
    assertEquals(List.of("d"), anew.validation().examples().stream().map(Example::text).toList());
  }

  @Test
  void plainTagsAreSaidToBePlain() {
    Path pos = file("a.conll", "dogs NN\nrun VB\n\nBob NN\n");
    assertTrue(
        codes(report("token-classification", shaped("token-classification", pos)))
            .contains("plain_tags"));
    Path mixed = file("b.conll", "dogs B-X\nrun O\n\nBob XX\n");
    assertTrue(
        codes(report("token-classification", shaped("token-classification", mixed)))
            .contains("tags_outside_bio"));
  }

  @Test
  void documentsOfAFileOfWordsAreCounted() {
    Path file = file("a.conll", "-DOCSTART- O\n\na NN\nb VB\n\n-DOCSTART- O\n\nc NN\n");
    List<String> messages = new ArrayList<>();
    shaped("token-classification", file)
        .train()
        .reading()
        .findings()
        .forEach(f -> messages.add(f.message()));
    assertEquals(List.of("2 lines of -DOCSTART- part documents and are no sentences"), messages);
  }

  @Test
  void aRunningTextOfWordsAndTagsSaysHowToReadIt() {
    Path file = file("a.txt", "EU NNP B-NP B-ORG\nran VB B-VP O\n\nBob NNP B-NP B-PER\n");
    String said = refusal("token-classification", file, "task", "token-classification");
    assertTrue(said.contains(": --columns tokens,_,_,tags"), said);
    assertEquals(
        2, shaped("token-classification", file, "columns", "tokens,_,_,tags").train().size());
  }

  @Test
  void aTextWithoutWordsSaysHowToPartIt() {
    Path file = file("a.csv", "body,label\na b,x\nc d,y\n");
    assertTrue(
        refusal("token-classification", file)
            .contains(
                "the words of the text, parted by white space, are read with --columns"
                    + " tokens=body"));
  }
}
