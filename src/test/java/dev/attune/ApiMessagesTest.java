package dev.attune;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.attune.core.Term;
import dev.attune.run.CommandOptions;
import dev.attune.run.RunOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** What is refused from Java is said in the words of this API. */
class ApiMessagesTest extends ApiTrial {
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

  @Test
  void whatNoTokenizerReadsIsRefused() {
    trainer().train(examples).maxSteps(1).saveTo(folder);
    try (Classifier classifier = Classifier.open(folder)) {
      String half = refused(() -> classifier.predict("a \uD83D b"));
      assertTrue(half.contains("half a character"), half);
      NullPointerException missing =
          assertThrows(NullPointerException.class, () -> classifier.predict((String) null));
      assertEquals("text", missing.getMessage());
    }
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
    for (RunOption option : CommandOptions.TRAIN) {
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
