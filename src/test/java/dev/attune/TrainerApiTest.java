package dev.attune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.core.Term;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.run.RunOption;
import dev.attune.testkit.TinyDecoder;
import dev.attune.testkit.TinyModel;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** Training from Java: data in memory and in files, listeners, stops, errors. */
@Timeout(120)
class TrainerApiTest {
  @TempDir private static Path shared;
  private static String model;
  private static Path file;
  private static List<LabeledText> examples;
  private static List<LabeledText> many;

  @TempDir private Path folder;

  @BeforeAll
  static void write() throws IOException {
    try (Backend backend = new CpuBackend(1)) {
      model = TinyModel.write(shared.resolve("bert"), backend).toString();
    }
    file = TinyModel.writeData(shared.resolve("train.csv"), 96, 5);
    examples = read(file);
    many = read(TinyModel.writeData(shared.resolve("many.csv"), 400, 1));
  }

  private static List<LabeledText> read(Path csv) throws IOException {
    return Files.readAllLines(csv).stream()
        .skip(1)
        .map(line -> line.split(","))
        .map(columns -> new LabeledText(columns[0], columns[1]))
        .toList();
  }

  private static Trainer<LabeledText> trainer() {
    return Trainer.classification(model).batchSize(16).learningRate(3e-3).precision(Precision.FP32);
  }

  private static byte[] weights(Path folder) throws IOException {
    return Files.readAllBytes(folder.resolve("model.safetensors"));
  }

  @Test
  void examplesInMemoryTrainTheBytesThatTheSameFileTrains() throws Exception {
    trainer().train(file).epochs(1).saveTo(folder.resolve("file"));
    trainer().train(examples).epochs(1).saveTo(folder.resolve("list"));
    trainer().train(examples.stream()).epochs(1).saveTo(folder.resolve("stream"));
    Iterator<LabeledText> cursor = examples.iterator();
    LabeledText[] row = new LabeledText[1];
    Iterable<LabeledText> rows =
        Rows.of(
            cursor,
            c -> {
              boolean more = c.hasNext();
              row[0] = more ? c.next() : null;
              return more;
            },
            c -> row[0]);
    trainer().train(rows).epochs(1).saveTo(folder.resolve("rows"));
    byte[] expected = weights(folder.resolve("file"));
    for (String way : List.of("list", "stream", "rows")) {
      assertArrayEquals(expected, weights(folder.resolve(way)), way);
    }
  }

  /** A folder, a compressed file and one in another encoding train the bytes of the plain file. */
  @Test
  void filesTrainTheSameBytesHoweverTheyAreWritten() throws Exception {
    trainer().train(file).epochs(1).saveTo(folder.resolve("plain"));
    String content = Files.readString(file);
    Path several = Files.createDirectory(folder.resolve("several"));
    try (OutputStream out =
        new GZIPOutputStream(Files.newOutputStream(several.resolve("a.csv.gz")))) {
      out.write(content.getBytes(StandardCharsets.UTF_8));
    }
    trainer().train(several).epochs(1).saveTo(folder.resolve("folder"));
    Path wide = folder.resolve("wide.data");
    Files.writeString(wide, content.replace(',', ';'), StandardCharsets.UTF_16LE);
    Trainer<LabeledText> trainer = trainer().train(wide).epochs(1);
    InvalidInputException unnamed =
        assertThrows(InvalidInputException.class, () -> trainer.saveTo(folder.resolve("wide")));
    assertTrue(unnamed.getMessage().contains("option(\"format\")"), unnamed::getMessage);
    trainer.option("format", "csv").option("encoding", "UTF-16LE");
    trainer.option("delimiter", "semicolon").saveTo(folder.resolve("wide"));
    byte[] expected = weights(folder.resolve("plain"));
    for (String way : List.of("folder", "wide")) {
      assertArrayEquals(expected, weights(folder.resolve(way)), way);
    }
  }

  @Test
  void listenersHearEveryStepAndEvaluationOnTheCallingThread() {
    Thread caller = Thread.currentThread();
    List<TrainingStep> steps = new ArrayList<>();
    List<Evaluation> evaluations = new ArrayList<>();
    TrainingResult result =
        trainer()
            .train(many)
            .validation(examples.subList(0, 48))
            .test(examples.subList(48, 96))
            .epochs(3)
            .onStep(
                step -> {
                  assertSame(caller, Thread.currentThread());
                  steps.add(step);
                })
            .onEvaluation(evaluations::add)
            .saveTo(folder);
    assertEquals(75, result.steps());
    assertEquals(75, steps.size());
    assertEquals(75, steps.get(74).step());
    assertEquals(3, evaluations.size());
    assertEquals(3.0, result.epochs());
    assertEquals(evaluations.get(2).metrics(), result.metrics());
    assertTrue(result.metrics().get("accuracy") > 0.9, () -> result.metrics().toString());
    assertTrue(result.testMetrics().containsKey("accuracy"));
    assertFalse(result.stopped());
    assertEquals(folder, result.folder());
    try (Classifier classifier = Classifier.open(folder, o -> o.precision(Precision.FP32))) {
      assertEquals(List.of("negative", "positive"), classifier.labels());
      int right = 0;
      List<Prediction> predictions =
          classifier.predict(examples.stream().map(LabeledText::text).toList());
      for (int i = 0; i < predictions.size(); i++) {
        Prediction p = predictions.get(i);
        right += p.label().equals(examples.get(i).label()) ? 1 : 0;
        assertEquals(List.of("negative", "positive"), List.copyOf(p.scores().keySet()));
        assertEquals(p.score(), p.scores().get(p.label()));
        assertEquals(1, p.scores().values().stream().mapToDouble(v -> v).sum(), 1e-12);
        Prediction alone = classifier.predict(examples.get(i).text());
        assertEquals(p.label(), alone.label());
        assertEquals(p.score(), alone.score(), 1e-6); // few rows are added up in another order
      }
      assertTrue(right > 86, "right: " + right);
      assertEquals(List.of(), classifier.predict(List.of()));
      assertNotNull(classifier.predict("good", "bad").label());
    }
  }

  @Test
  void aStoppedRunResumesToTheBytesOfOneThatWasNot() throws Exception {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    trainer().train(examples).epochs(2).saveTo(whole);
    boolean[] enough = {false};
    TrainingResult first =
        trainer()
            .train(examples)
            .epochs(2)
            .onStep(step -> enough[0] = step.step() == 5)
            .stopWhen(() -> enough[0])
            .saveTo(parts);
    assertTrue(first.stopped());
    assertEquals(5, first.steps());
    assertFalse(Files.exists(parts.resolve("model.safetensors")));
    TrainingResult second = trainer().train(examples).epochs(2).resume().saveTo(parts);
    assertFalse(second.stopped());
    assertEquals(12, second.steps());
    assertArrayEquals(weights(whole), weights(parts));
  }

  @Test
  void anInterruptIsARequestToStop() throws Exception {
    Path whole = folder.resolve("whole");
    Path parts = folder.resolve("parts");
    trainer().train(examples).epochs(2).saveTo(whole);
    TrainingResult first =
        trainer()
            .train(examples)
            .epochs(2)
            .saveSteps(1) // files are being written whenever it comes
            .onStep(
                step -> {
                  if (step.step() == 4) {
                    Thread.currentThread().interrupt();
                  }
                })
            .saveTo(parts);
    assertTrue(Thread.interrupted(), "the flag is set again");
    assertTrue(first.stopped());
    TrainingResult second = trainer().train(examples).epochs(2).saveSteps(1).resume().saveTo(parts);
    assertEquals(12, second.steps());
    assertArrayEquals(weights(whole), weights(parts));
  }

  @Test
  void interruptsAtAnyTimeLoseNothing() throws Exception {
    Path whole = folder.resolve("whole");
    trainer().train(examples).epochs(2).saveTo(whole);
    for (int round = 0; round < 3; round++) {
      Path parts = folder.resolve("parts" + round);
      boolean resume = false;
      TrainingResult result;
      int delayMillis = 30 + 300 * round;
      do {
        Thread caller = Thread.currentThread();
        Thread other =
            new Thread(
                () -> {
                  try {
                    Thread.sleep(delayMillis);
                    caller.interrupt();
                  } catch (InterruptedException e) {
                    // the run ended first
                  }
                });
        other.start();
        Trainer<LabeledText> trainer = trainer().train(examples).epochs(2).saveSteps(2);
        result = (resume ? trainer.resume() : trainer).saveTo(parts);
        other.interrupt();
        other.join();
        Thread.interrupted();
        resume = true;
      } while (result.stopped());
      assertArrayEquals(weights(whole), weights(parts), "round " + round);
    }
  }

  @Test
  void whatAListenerThrowsEndsTheRunAndComesOut() {
    ArithmeticException thrown = new ArithmeticException("mine");
    ArithmeticException e =
        assertThrows(
            ArithmeticException.class,
            () ->
                trainer()
                    .train(examples)
                    .onStep(
                        step -> {
                          throw thrown;
                        })
                    .saveTo(folder));
    assertSame(thrown, e);
  }

  @Test
  void numbersTagsAndTextsAreLearnedToo() throws IOException {
    List<ScoredText> scored =
        examples.stream()
            .map(e -> new ScoredText(e.text(), e.label().equals("positive") ? 1 : -1))
            .toList();
    Trainer.regression(model)
        .train(scored)
        .epochs(4)
        .batchSize(16)
        .learningRate(3e-3)
        .saveTo(folder.resolve("number"));
    try (Regressor regressor = Regressor.open(folder.resolve("number"))) {
      assertTrue(regressor.predict("it was good") > regressor.predict("it was bad"));
      assertEquals(2, regressor.predict(List.of("good", "bad")).length);
      assertEquals(
          regressor.predict("good", "bad"),
          regressor.predictPairs(List.of(new TextPair("good", "bad")))[0]);
    }

    List<TaggedWords> tagged =
        examples.stream()
            .map(e -> List.of(e.text().replaceAll(" *[0-9]+$", "").split(" +")))
            .map(
                words ->
                    new TaggedWords(
                        words,
                        words.stream()
                            .map(w -> w.matches("phone|book") ? "B-THING" : "O")
                            .toList()))
            .toList();
    Trainer.tokens(model)
        .train(tagged)
        .epochs(8)
        .batchSize(16)
        .learningRate(3e-3)
        .saveTo(folder.resolve("tags"));
    try (Tagger tagger = Tagger.open(folder.resolve("tags"))) {
      String text = "😀 the  book, a phone!";
      Tagging tagging = tagger.predict(text);
      assertEquals(
          List.of("😀", "the", "book", ",", "a", "phone", "!"),
          tagging.words().stream().map(TaggedWord::word).toList());
      for (TaggedWord word : tagging.words()) {
        assertEquals(word.word(), text.substring(word.start(), word.end()));
      }
      assertEquals(
          List.of("book", "phone"), tagging.entities().stream().map(Entity::text).toList());
      assertEquals("THING", tagging.entities().get(0).label());
      assertEquals(List.of(), tagger.predict("  ").words());
      assertEquals("B-THING", tagger.predictWords(List.of("my", "book")).words().get(1).tag());
    }

    Path decoder;
    try (Backend backend = new CpuBackend(1)) {
      decoder = TinyDecoder.write(shared.resolve("llama"), backend, 32);
    }
    List<LanguageExample> texts = new ArrayList<>();
    for (int i = 0; i < 16; i++) {
      texts.add(LanguageExample.text("abcabcabcabcabcabc"));
      texts.add(LanguageExample.completion("say ", "abc"));
    }
    TrainingResult result =
        Trainer.causalLm(decoder.toString())
            .train(texts)
            .validation(texts)
            .epochs(1)
            .maxLength(64)
            .batchSize(8)
            .saveTo(folder.resolve("text"));
    assertTrue(result.metrics().containsKey("perplexity"));
    try (Generator generator = Generator.open(folder.resolve("text"))) {
      assertThrows(NullPointerException.class, () -> generator.generate((String) null));
      assertThrows(
          NullPointerException.class, () -> generator.generate(Arrays.asList("a", null), o -> {}));
      StringBuilder streamed = new StringBuilder();
      Generation generation = generator.generate("abc", o -> o.maxNewTokens(8), streamed::append);
      assertEquals(generation.text(), streamed.toString());
      assertTrue(generation.tokens() <= 8);
    }
  }

  @Test
  void embeddingsAreTrainedAndOpened() {
    List<RelatedTexts> pairs = new ArrayList<>();
    List<RelatedTexts> scored = new ArrayList<>();
    for (int i = 0; i < 12; i++) {
      String one = i % 2 == 0 ? "good book" : "bad phone";
      String other = i % 2 == 0 ? "a great book " + i : "the broken phone " + i;
      pairs.add(RelatedTexts.triplet(one + " " + i, other, "the chair"));
      scored.add(RelatedTexts.scored(one, other, i / 12.0));
    }
    TrainingResult result =
        Trainer.embedding(model)
            .train(pairs)
            .validation(scored)
            .loss("triplet")
            .prompts("my ", "this ")
            .matryoshkaDims(32, 8)
            .maxSteps(2)
            .batchSize(4)
            .saveTo(folder.resolve("vectors"));
    assertTrue(result.metrics().containsKey("spearman"), result.metrics().toString());
    try (Embedder embedder = Embedder.open(folder.resolve("vectors"))) {
      assertEquals(List.of("document", "passage", "query"), embedder.promptNames());
      assertEquals(32, embedder.dimension());
      Embedder queries = embedder.withPrompt("query").withDimension(8).normalized();
      assertEquals(8, queries.dimension());
      float[] vector = queries.embed("good book");
      assertEquals(8, vector.length);
      float[] plain = embedder.embed("my good book");
      double length = 0;
      for (int i = 0; i < 8; i++) {
        length += plain[i] * plain[i];
      }
      assertEquals(plain[3] / Math.sqrt(length), vector[3], 1e-6);
      InvalidInputException e =
          assertThrows(InvalidInputException.class, () -> embedder.withPrompt("title").embed("a"));
      assertTrue(e.getMessage().contains("title"), e.getMessage());
    }
    assertThrows(IllegalArgumentException.class, () -> RelatedTexts.scored("a", "b", Double.NaN));
  }

  private List<MultiLabeledText> multiLabeled() {
    return examples.stream()
        .map(
            e ->
                new MultiLabeledText(
                    e.text(), e.label().equals("positive") ? List.of("praise", "kept") : List.of()))
        .toList();
  }

  private static Trainer<MultiLabeledText> multiLabelTrainer() {
    return Trainer.multiLabelClassification(model)
        .batchSize(16)
        .learningRate(3e-3)
        .precision(Precision.FP32);
  }

  @Test
  void severalLabelsAreLearnedAndGivenAboveTheirThresholds() throws IOException {
    List<MultiLabeledText> labeled = multiLabeled();
    Path trained = folder.resolve("list");
    TrainingResult result =
        multiLabelTrainer()
            .train(labeled)
            .validation(labeled)
            .epochs(12)
            .tuneThresholds()
            .saveTo(trained);
    assertTrue(result.metrics().get("f1_micro") > 0.9, () -> result.metrics().toString());
    Map<String, Double> kept = new LinkedHashMap<>();
    new ObjectMapper()
        .readTree(trained.resolve("attune.json").toFile())
        .get("thresholds")
        .properties()
        .forEach(entry -> kept.put(entry.getKey(), entry.getValue().asDouble()));
    List<String> texts = labeled.stream().map(MultiLabeledText::text).toList();
    List<MultiLabelPrediction> predictions;
    try (MultiLabelClassifier classifier = MultiLabelClassifier.open(trained)) {
      assertEquals(List.of("kept", "praise"), classifier.labels());
      assertEquals(kept, classifier.thresholds());
      predictions = classifier.predict(texts);
      int right = 0;
      for (int i = 0; i < texts.size(); i++) {
        MultiLabelPrediction p = predictions.get(i);
        assertEquals(classifier.labels(), List.copyOf(p.scores().keySet()));
        assertEquals(
            p.scores().keySet().stream().filter(l -> p.scores().get(l) >= kept.get(l)).toList(),
            p.labels());
        right += Set.copyOf(labeled.get(i).labels()).equals(Set.copyOf(p.labels())) ? 1 : 0;
      }
      assertTrue(right > 86, "right: " + right);
      assertEquals(List.of(), classifier.predict(List.of()));
      assertEquals(
          classifier.predict("the book", "a chair"),
          classifier.predict(new TextPair("the book", "a chair")));
      assertThrows(
          UnsupportedOperationException.class, () -> classifier.thresholds().put("kept", 0.1));
    }
    try (MultiLabelClassifier none =
            MultiLabelClassifier.open(trained, o -> o.threshold(1).threshold("kept", 0));
        MultiLabelClassifier same =
            MultiLabelClassifier.open(trained, o -> o.threshold("kept", 0.4))) {
      assertEquals(Map.of("kept", 0.0, "praise", 1.0), none.thresholds());
      assertEquals(List.of("kept"), none.predict(texts.get(0)).labels());
      assertEquals(predictions.get(0).scores(), none.predict(texts).get(0).scores());
      assertEquals(kept.get("praise"), same.thresholds().get("praise"));
      assertEquals(0.4, same.thresholds().get("kept"));
    }
    for (Consumer<ModelOptions> wrong :
        List.<Consumer<ModelOptions>>of(
            o -> o.threshold(1.5), o -> o.threshold("kept", Double.NaN))) {
      String message = refused(() -> MultiLabelClassifier.open(trained, wrong));
      assertTrue(message.contains("from 0 to 1"), message);
    }
    String unknown = refused(() -> MultiLabelClassifier.open(trained, o -> o.threshold("x", 0.5)));
    assertTrue(unknown.contains("\"x\"") && unknown.contains("praise"), unknown);
    String other = refused(() -> Classifier.open(trained, o -> o.threshold(0.5)));
    assertTrue(other.contains("MultiLabelClassifier"), other);
    String kind = refused(() -> Classifier.open(trained));
    assertTrue(kind.contains("was trained for multi-label-classification"), kind);
  }

  @Test
  void severalLabelsInMemoryTrainTheBytesThatTheSameFileTrains() throws IOException {
    List<MultiLabeledText> labeled = multiLabeled();
    ObjectMapper json = new ObjectMapper();
    StringBuilder lines = new StringBuilder();
    for (MultiLabeledText e : labeled) {
      lines.append(json.writeValueAsString(Map.of("text", e.text(), "labels", e.labels())));
      lines.append('\n');
    }
    Path jsonl = Files.writeString(folder.resolve("train.jsonl"), lines);
    multiLabelTrainer().train(jsonl).epochs(1).posWeight("auto").saveTo(folder.resolve("file"));
    multiLabelTrainer()
        .train(labeled.stream())
        .epochs(1)
        .posWeight("auto")
        .saveTo(folder.resolve("stream"));
    assertArrayEquals(weights(folder.resolve("file")), weights(folder.resolve("stream")));
  }

  @Test
  void weightsOfClassesFrozenPartsAndRatesByLayerAreRefusedInTheWordsOfThisApi() {
    List<LabeledText> examples =
        List.of(new LabeledText("good", "yes"), new LabeledText("bad", "no"));
    trainer()
        .train(examples)
        .maxSteps(1)
        .classWeights("yes=2")
        .freeze("layers.0")
        .layerLearningRateDecay(0.9)
        .headLearningRate(1e-3)
        .saveTo(folder.resolve("options"));
    String weights = said(trainer().train(examples).classWeights("maybe=2"));
    assertTrue(weights.startsWith("classWeights is 'maybe=2'; it is balanced"), weights);
    String layers = said(trainer().train(examples).freezeLayers(99));
    assertTrue(layers.startsWith("freezeLayers is 99; this model has"), layers);
    String both = said(trainer().train(examples).freezeBase().freezeLayers(1));
    assertTrue(both.contains("leave freezeLayers out"), both);
    String decay = said(trainer().train(examples).layerLearningRateDecay(2));
    assertTrue(decay.startsWith("layerLearningRateDecay is 2.0"), decay);
  }

  /** What is said of a thing: a word of each context, named by another; some say nothing of it. */
  private static List<AnsweredQuestion> questions(int count) {
    List<String> things = List.of("phone", "book", "chair");
    List<String> words = List.of("good", "bad", "lovely", "broken", "great", "sad");
    List<AnsweredQuestion> out = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      String thing = things.get(i % 3);
      String other = things.get((i + 1) % 3);
      String word = words.get(i / 3 % words.size());
      String another = words.get((i / 3 + 1 + i / 18) % words.size());
      String question = "is my " + thing;
      if (i % 4 == 3) {
        out.add(AnsweredQuestion.withoutAnswer(question, "😀 the " + other + " was " + another));
      } else {
        String before = i % 2 == 0 ? "😀 the " + other + " was " + another + " and " : "";
        String context = before + "the " + thing + " was " + word;
        out.add(new AnsweredQuestion(question, context, word, context.length() - word.length()));
      }
    }
    return out;
  }

  private static Trainer<AnsweredQuestion> questionTrainer() {
    return Trainer.questionAnswering(model)
        .batchSize(16)
        .learningRate(4e-3)
        .docStride(4)
        .precision(Precision.FP32)
        .maxLength(24);
  }

  @Test
  void questionsAreLearnedAndAnsweredWithTheirPlace() {
    List<AnsweredQuestion> questions = questions(144);
    TrainingResult result =
        questionTrainer()
            .train(questions)
            .validation(questions)
            .epochs(40)
            .dropout(0)
            .tuneThresholds()
            .saveTo(folder);
    assertTrue(result.metrics().get("exact_match") > 0.8, () -> result.metrics().toString());
    try (QuestionAnswerer answerer =
        QuestionAnswerer.open(folder, o -> o.precision(Precision.FP32))) {
      List<Answering> together =
          answerer.answer(
              questions.stream().map(q -> new Question(q.question(), q.context())).toList());
      int right = 0;
      int none = 0;
      for (int i = 0; i < questions.size(); i++) {
        AnsweredQuestion q = questions.get(i);
        Answering answering = together.get(i);
        Answer best = answering.best();
        right +=
            q.answers().isEmpty()
                ? (best.isNone() ? 1 : 0)
                : (q.answers().get(0).text().equals(best.text()) ? 1 : 0);
        none += best.isNone() ? 1 : 0;
        for (Answer each : answering.nBest()) {
          assertEquals(
              each.text(), each.isNone() ? "" : q.context().substring(each.start(), each.end()));
          assertTrue(each.score() >= 0 && each.score() <= 1, each::toString);
        }
        assertEquals(
            1, answering.nBest().stream().mapToDouble(Answer::score).sum(), 1e-9, "probabilities");
        assertTrue(best.isNone() || answering.nBest().contains(best), answering::toString);
      }
      assertTrue(right > 115, "right: " + right);
      assertTrue(none > 0 && none < 72, "without answer: " + none);

      // A context that takes several windows; the place is that in the whole.
      String filler = "it was very very very very and ".repeat(12);
      String context = filler + "😀 the phone was lovely " + filler;
      Answering far = answerer.answer("is my phone", context, o -> o.nullThreshold(1e9).nBest(3));
      // Three spans, and that there is none, which is far behind them.
      assertEquals(4, far.nBest().size());
      assertEquals(
          List.of(false, false, false, true), far.nBest().stream().map(Answer::isNone).toList());
      assertEquals(far.best().text(), context.substring(far.best().start(), far.best().end()));
      assertFalse(far.best().isNone());
      assertTrue(
          answerer.answer("is my phone", context, o -> o.nullThreshold(-1e9)).best().isNone());
      for (Answer each :
          answerer.answer("is my phone", context, o -> o.maxAnswerLength(1)).nBest()) {
        assertFalse(each.text().contains(" "), each::toString);
      }
      assertEquals(List.of(), answerer.answer(List.of()));
      String room = refused(() -> answerer.answer("is my phone", context, o -> o.docStride(30)));
      assertTrue(room.contains("a larger maxLength or a smaller docStride"), room);
      String negative = refused(() -> answerer.answer("is it", "good", o -> o.docStride(-1)));
      assertTrue(negative.contains("docStride is '-1'"), negative);
      refused(() -> answerer.answer("is it", " "));
      assertThrows(NullPointerException.class, () -> answerer.answer("is it", null));
    }
  }

  @Test
  void questionsInMemoryTrainTheBytesThatTheSameFileTrains() throws IOException {
    List<AnsweredQuestion> questions = questions(48);
    ObjectMapper json = new ObjectMapper();
    StringBuilder lines = new StringBuilder();
    for (AnsweredQuestion q : questions) {
      List<String> texts = q.answers().stream().map(AnsweredQuestion.Span::text).toList();
      List<Integer> starts =
          q.answers().stream()
              .map(a -> q.context().codePointCount(0, a.start()))
              .toList(); // as Python counts
      lines
          .append(
              json.writeValueAsString(
                  Map.of(
                      "question",
                      q.question(),
                      "context",
                      q.context(),
                      "answers",
                      Map.of("text", texts, "answer_start", starts))))
          .append('\n');
    }
    Path jsonl = Files.writeString(folder.resolve("train.jsonl"), lines);
    questionTrainer().train(jsonl).epochs(1).saveTo(folder.resolve("file"));
    questionTrainer().train(questions).epochs(1).saveTo(folder.resolve("list"));
    assertArrayEquals(weights(folder.resolve("file")), weights(folder.resolve("list")));
  }

  @Test
  void whatNoTokenizerReadsIsRefused() {
    trainer().train(examples).maxSteps(1).saveTo(folder);
    try (Classifier classifier = Classifier.open(folder)) {
      String half = refused(() -> classifier.predict("a \uD83D b"));
      assertTrue(half.contains("half a character"), half);
      assertThrows(NullPointerException.class, () -> classifier.predict((String) null));
    }
  }

  private static String refused(Executable call) {
    InvalidInputException e = assertThrows(InvalidInputException.class, call);
    assertFalse(e.getMessage().matches("(?s).*(--|‹|attune train).*"), e.getMessage());
    return e.getMessage();
  }

  @Test
  void whatIsWrongIsSaidInTheWordsOfThisApi() {
    String unknown = said(Trainer.classification("no-such-model").train(examples));
    assertTrue(unknown.contains("no-such-model"), unknown);
    String batch = said(trainer().train(examples).batchSize(0));
    assertTrue(batch.contains("batch"), batch);
    String length = said(trainer().train(examples).maxLength(4000));
    assertTrue(length.contains("maxLength is 4000"), length);
    String patience = said(trainer().train(examples).earlyStopping(2));
    assertTrue(patience.contains("validation"), patience);
    String nothing = said(trainer());
    assertTrue(nothing.contains("train"), nothing);
    String empty = said(trainer().train(List.<LabeledText>of()));
    assertFalse(empty.isEmpty());
    String one =
        said(trainer().train(List.of(new LabeledText("a", "x"), new LabeledText("b", "x"))));
    assertFalse(one.isEmpty());
    assertThrows(InvalidInputException.class, () -> trainer().option("no-such-option", 1));
    assertThrows(InvalidInputException.class, () -> Classifier.open(folder.resolve("nowhere")));
    assertThrows(InvalidInputException.class, () -> Classifier.open(Path.of(model)));
    assertThrows(InvalidInputException.class, () -> Generator.open(Path.of(model)));
  }

  private String said(Trainer<LabeledText> trainer) {
    InvalidInputException e =
        assertThrows(InvalidInputException.class, () -> trainer.saveTo(folder));
    assertFalse(e.getMessage().matches("(?s).*(--|‹|attune train).*"), e.getMessage());
    return e.getMessage();
  }

  @Test
  void messagesNameTheMethodsOfThisApi() {
    assertEquals(
        "maxLength is 5; a smaller batchSize (with more gradientAccumulationSteps), lora or"
            + " precision(Precision.BF16)",
        Faults.words(
            String.format(
                "%s is 5; a smaller %s (with more %s), %s or %s",
                Term.MAX_LENGTH,
                Term.BATCH_SIZE,
                Term.GRADIENT_ACCUMULATION_STEPS,
                Term.LORA_R,
                Term.PRECISION.of("bf16"))));
    assertEquals("a --max-length ‹b› c", Faults.words("a --max-length ‹b› c"), "a user's words");
    assertEquals(
        "option(\"optimizer\", \"sgd\") and option(\"adam-beta2\")",
        Faults.words(Term.OPTIMIZER.of("sgd") + " and " + RunOption.ADAM_BETA2),
        "they have no method");
    assertEquals(
        "columns(\"text=NAME\"), Trainer.tokens, Trainer.multiLabelClassification",
        Faults.words(
            String.join(
                ", ",
                Term.COLUMNS.of("text=NAME"),
                Term.TASK.of("token-classification"),
                Term.TASK.of("multi-label-classification"))));
    assertEquals(
        "x holds no trained head; fine-tune it first with: Trainer",
        Faults.words("x holds no trained head; fine-tune it first with: " + Term.TRAINING.of("x")));
  }

  @Test
  void everyTermHasAWordHereThatIsNoOption() {
    List<String> words = new ArrayList<>();
    for (Term term : Term.values()) {
      words.add(Faults.words(term.toString()));
      words.add(Faults.words(term.of("x")));
    }
    for (RunOption option : RunOption.TRAIN) {
      words.add(Faults.words(option.toString()));
    }
    for (String word : words) {
      assertFalse(word.isEmpty() || word.contains("--") || word.contains("‹"), word);
    }
  }

  @Test
  void recordsRefuseWhatMakesNoSense() {
    assertThrows(NullPointerException.class, () -> new LabeledText("a", null));
    assertThrows(IllegalArgumentException.class, () -> new ScoredText("a", Double.NaN));
    assertThrows(IllegalArgumentException.class, () -> new TaggedWords(List.of("a"), List.of()));
    assertThrows(
        IllegalArgumentException.class, () -> new MultiLabeledText("a", List.of("x", " ")));
    assertEquals(List.of(), new MultiLabeledText("a", List.of()).labels());
    assertThrows(
        IllegalArgumentException.class, () -> new AnsweredQuestion("who", "Bob did", "Bob", 1));
    assertThrows(
        IllegalArgumentException.class, () -> new AnsweredQuestion("who", "Bob did", "", 0));
    assertThrows(NullPointerException.class, () -> new Question("who", null));
    assertThrows(
        UnsupportedOperationException.class,
        () -> new Prediction("a", 1, Map.of("a", 1.0)).scores().put("b", 0.0));
  }
}
