package dev.attune.testkit;

import dev.attune.core.Philox;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Collectors;

/** Data of other tasks that a {@link TinyModel} can learn. */
public final class TinyTasks {
  private TinyTasks() {}

  /** Words of the vocabulary, each row others. */
  private static final class Words {
    private final long seed;
    private final long stream;
    private int drawn;

    Words(long seed, int row) {
      this.seed = seed;
      this.stream = Philox.stream(row, -201);
    }

    int below(int bound) {
      return (int) Math.floorMod(Philox.bits64(seed, stream, drawn++), (long) bound);
    }

    String of(List<String> words) {
      return words.get(below(words.size()));
    }
  }

  /**
   * Writes texts as JSONL whose labels, a list, say which kinds of words occur: praise, blame, both
   * or none.
   */
  public static Path writeLabels(Path file, int rows, long seed) {
    List<String> lines = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      Words words = new Words(seed, row);
      List<String> labels = new ArrayList<>();
      List<String> text = new ArrayList<>();
      for (int i = 4 + words.below(6); i > 0; i--) {
        text.add(words.of(TinyModel.FILLER));
      }
      if (words.below(5) < 2) {
        text.add(words.below(text.size()), words.of(TinyModel.GOOD));
        labels.add("praise");
      }
      if (words.below(3) == 0) {
        text.add(words.below(text.size()), words.of(TinyModel.BAD));
        labels.add("blame");
      }
      String list = labels.stream().map(l -> '"' + l + '"').collect(Collectors.joining(", "));
      lines.add("{\"text\": \"" + String.join(" ", text) + "\", \"labels\": [" + list + "]}");
    }
    return write(file, lines);
  }

  /**
   * Writes questions as JSONL: for the word of praise or of blame in a context that may be longer
   * than the model's positions. One in three has no answer, in the manner of SQuAD 2.0.
   */
  public static Path writeQuestions(Path file, int rows, long seed) {
    List<String> lines = new ArrayList<>();
    for (int row = 0; row < rows; row++) {
      Words words = new Words(seed, row);
      boolean good = words.below(2) == 0;
      List<String> context = new ArrayList<>();
      for (int i = 6 + words.below(24); i > 0; i--) {
        context.add(words.of(TinyModel.FILLER));
      }
      String other = words.of(good ? TinyModel.BAD : TinyModel.GOOD);
      context.add(words.below(context.size()), other);
      String answers = "\"text\": [], \"answer_start\": []";
      if (words.below(3) > 0) {
        String answer = words.of(good ? TinyModel.GOOD : TinyModel.BAD);
        int place = words.below(context.size());
        context.add(place, answer);
        int start = String.join(" ", context.subList(0, place)).length() + (place > 0 ? 1 : 0);
        answers = "\"text\": [\"" + answer + "\"], \"answer_start\": [" + start + "]";
      }
      lines.add(
          "{\"question\": \""
              + (good ? "good" : "bad")
              + "\", \"context\": \""
              + String.join(" ", context)
              + "\", \"answers\": {"
              + answers
              + "}}");
    }
    return write(file, lines);
  }

  private static Path write(Path file, List<String> lines) {
    try {
      return Files.write(file, lines);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
