package dev.attune;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import dev.attune.kernels.Backend;
import dev.attune.kernels.cpu.CpuBackend;
import dev.attune.testkit.TinyDecoder;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;

/** Each task, trained and used from Java. */
class TaskTrainersTest extends ApiTrial {
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
}
