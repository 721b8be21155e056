package dev.attune;

import dev.attune.run.HeadModel;
import dev.attune.task.TagRun;
import dev.attune.task.TokenClassification;
import dev.attune.text.Words;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Consumer;

/**
 * A model that tags the words of a text, as names of persons and places.
 *
 * <p>A word's tag is that of its first token, as it was in training. A text is split into words at
 * white space, and every punctuation mark is a word of its own, as in the data that such models are
 * trained on.
 *
 * <p>Any number of threads may use one; each gets the answers that it would get alone. {@link
 * #close} waits for calls that have begun; a later call is an {@link IllegalStateException}. An
 * interrupted thread's call ends with {@link CallInterruptedException}.
 */
public final class Tagger implements AutoCloseable {
  private final HeadModel model;
  private final List<String> tags;

  private Tagger(HeadModel model) {
    this.model = model;
    this.tags = List.copyOf(model.labels());
  }

  /**
   * Opens the tagger in a folder that {@link Trainer} or Transformers has written.
   *
   * @throws InvalidInputException if there is none
   */
  public static Tagger open(Path folder) {
    return open(folder, options -> {});
  }

  /** The same, with options. */
  public static Tagger open(Path folder, Consumer<ModelOptions> options) {
    return new Tagger(ModelOptions.of(options).openHead(folder, TokenClassification.TYPE));
  }

  /**
   * Opens a model by its folder or by its name on the Hugging Face Hub, {@code ORG/NAME} or {@code
   * ORG/NAME@REVISION}. What is not on this machine is fetched, into the cache that Python's {@code
   * huggingface_hub} uses too; no other use of a model opens a connection.
   *
   * @throws InvalidInputException if there is none
   * @throws AttuneException if it cannot be fetched
   */
  public static Tagger open(String model) {
    return open(model, options -> {});
  }

  /** The same, with options. */
  public static Tagger open(String model, Consumer<ModelOptions> options) {
    return open(ModelOptions.folder(model), options);
  }

  /** The tags, in the order of the model's outputs. */
  public List<String> tags() {
    return tags;
  }

  /** Tags a text. */
  public Tagging predict(String text) {
    return predict(List.of(Objects.requireNonNull(text, "text"))).get(0);
  }

  /** Tags texts; as many results, in their order. */
  public List<Tagging> predict(List<String> texts) {
    return tag(texts.stream().map(Words::split).toList());
  }

  /** Tags words; offsets are those in the words, joined by one space each. */
  public Tagging predictWords(List<String> words) {
    return tag(List.of(Words.joined(words))).get(0);
  }

  private List<Tagging> tag(List<Words> texts) {
    Tagging[] out = new Tagging[texts.size()];
    List<Integer> spoken = new ArrayList<>(); // texts that have words
    for (int i = 0; i < out.length; i++) {
      if (texts.get(i).words().isEmpty()) {
        out[i] = new Tagging(List.of(), List.of());
      } else {
        spoken.add(i);
      }
    }
    List<List<String>> words = spoken.stream().map(i -> texts.get(i).words()).toList();
    List<TokenClassification.Predicted> said =
        Faults.translated(
            () -> model.predict(Texts.ofWords(words), TokenClassification.Predicted.class));
    for (int i = 0; i < said.size(); i++) {
      int text = spoken.get(i);
      out[text] = tagging(texts.get(text), said.get(i));
    }
    return new ArrayList<>(Arrays.asList(out));
  }

  private static Tagging tagging(Words text, TokenClassification.Predicted said) {
    List<TaggedWord> words = new ArrayList<>();
    for (int word = 0; word < text.words().size(); word++) {
      words.add(
          new TaggedWord(
              text.words().get(word),
              said.tags().get(word),
              said.scores().get(word),
              text.starts().get(word),
              text.end(word)));
    }
    return new Tagging(words, TagRun.of(said).stream().map(run -> entity(text, run)).toList());
  }

  private static Entity entity(Words text, TagRun run) {
    int start = text.starts().get(run.first());
    int end = text.end(run.last());
    return new Entity(run.label(), text.text().substring(start, end), run.score(), start, end);
  }

  @Override
  public void close() {
    model.close();
  }
}
