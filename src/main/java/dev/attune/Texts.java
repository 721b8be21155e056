package dev.attune;

import dev.attune.data.Dataset;
import dev.attune.data.Example;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Objects;

/** Texts in memory, as the rooms below take them. */
final class Texts {
  private static final Path SOURCE = Path.of("texts");
  private static final Path QUESTIONS = Path.of("questions");

  private Texts() {}

  static Dataset of(List<String> texts) {
    List<Example> examples = new ArrayList<>(texts.size());
    for (String text : texts) {
      examples.add(example(examples.size() + 1, Objects.requireNonNull(text, "text"), null));
    }
    return dataset(SOURCE, examples);
  }

  static Dataset ofPairs(List<TextPair> pairs) {
    List<Example> examples = new ArrayList<>(pairs.size());
    for (TextPair pair : pairs) {
      examples.add(example(examples.size() + 1, pair.first(), pair.second()));
    }
    return dataset(SOURCE, examples);
  }

  static Dataset ofWords(List<List<String>> texts) {
    List<Example> examples = new ArrayList<>(texts.size());
    for (List<String> words : texts) {
      examples.add(Example.ofTokens(examples.size() + 1, words, null));
    }
    return dataset(SOURCE, examples);
  }

  static Dataset ofQuestions(List<Question> questions) {
    List<Example> examples = new ArrayList<>(questions.size());
    for (Question each : questions) {
      examples.add(
          Example.ofQuestion(examples.size() + 1, each.question(), each.context(), null, Map.of()));
    }
    return dataset(QUESTIONS, examples);
  }

  private static Dataset dataset(Path source, List<Example> examples) {
    return Faults.translated(() -> new Dataset(source, examples));
  }

  private static Example example(int row, String text, String pair) {
    return new Example(row, text, pair, null, null, null, Map.of());
  }
}
