import dev.attune.Classifier;
import dev.attune.Embedder;
import dev.attune.LabeledText;
import dev.attune.Trainer;
import java.nio.file.Path;
import java.util.List;

/** Makes a vector, trains a classifier from memory, asks it. */
public final class Consumer {
  private Consumer() {}

  public static void main(String[] args) {
    Path folder = Path.of(args[0]);
    try (Embedder embedder = Embedder.open("minilm")) {
      System.out.println("vector of " + embedder.embed("hello").length);
    }
    Trainer.classification("minilm")
        .train(
            List.of(
                new LabeledText("I like it", "good"),
                new LabeledText("It broke at once", "bad"),
                new LabeledText("A lovely thing", "good"),
                new LabeledText("Poor and dear", "bad")))
        .maxSteps(10)
        .saveTo(folder);
    try (Classifier classifier = Classifier.open(folder)) {
      System.out.println("label " + classifier.predict("It broke at once").label());
    }
  }
}
