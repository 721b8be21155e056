package dev.attune.server.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.attune.data.Example;
import dev.attune.server.http.ApiException;
import dev.attune.task.Prediction;
import dev.attune.task.TagRun;
import dev.attune.task.TokenClassification;
import dev.attune.text.Words;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Texts whose words get a tag each; one without words is told without the model. */
record TaggedTexts(List<Words> all) implements JudgedTexts {
  /** Of all texts of a request: each takes some hundred bytes on its way to the answer. */
  private static final int MOST_WORDS = 1 << 17;

  static TaggedTexts of(List<JsonNode> inputs) {
    long words = inputs.stream().mapToLong(TaggedTexts::count).sum();
    if (words > MOST_WORDS) {
      throw ApiException.badRequest(
          "input",
          "'input' has " + words + " words; a request has at most " + MOST_WORDS + " to be tagged");
    }
    return new TaggedTexts(inputs.stream().map(TaggedTexts::words).toList());
  }

  private static int count(JsonNode input) {
    return input.isArray() ? input.size() : Words.count(JudgedTexts.text(input));
  }

  /** An array has the words of a text; a string is split as the library does it. */
  private static Words words(JsonNode input) {
    if (!input.isArray()) {
      return Words.split(JudgedTexts.text(input));
    }
    List<String> words = new ArrayList<>();
    input.forEach(word -> words.add(JudgedTexts.text(word)));
    return Words.joined(words);
  }

  @Override
  public List<Example> rows() {
    List<Example> rows = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      if (!all.get(i).words().isEmpty()) {
        rows.add(Example.ofTokens(i + 1, all.get(i).words(), null));
      }
    }
    return rows;
  }

  @Override
  public List<String> texts() {
    return all.stream().map(Words::text).toList();
  }

  @Override
  public List<Example> rows(String piece) {
    List<String> words = Words.split(piece).words();
    return words.isEmpty() ? List.of() : List.of(Example.ofTokens(1, words, null));
  }

  @Override
  public void tell(List<Prediction> said, ArrayNode results) {
    Iterator<Prediction> next = said.iterator();
    for (Words text : all) {
      ObjectNode result = JudgedTexts.next(results);
      ArrayNode words = result.putArray("words");
      ArrayNode entities = result.putArray("entities");
      int told = 0;
      if (!text.words().isEmpty()) {
        TokenClassification.Predicted tags = (TokenClassification.Predicted) next.next();
        told = read(tags.tags());
        tell(text, tags, told, words, entities);
      }
      result.put("unread_words", text.words().size() - told);
    }
  }

  /** Words up to the last that the model has read: the cut ones behind it are many at times. */
  private static int read(List<String> tags) {
    int read = tags.size();
    while (read > 0 && tags.get(read - 1) == null) {
      read--;
    }
    return read;
  }

  private static void tell(
      Words text,
      TokenClassification.Predicted said,
      int told,
      ArrayNode words,
      ArrayNode entities) {
    int[][] places = places(text, told);
    for (int i = 0; i < places.length; i++) {
      ObjectNode word = words.addObject();
      word.put("word", text.words().get(i));
      word.put("tag", said.tags().get(i));
      word.put("score", said.scores().get(i));
      word.put("start", places[i][0]).put("end", places[i][1]);
    }
    for (TagRun run : TagRun.of(said)) {
      ObjectNode entity = entities.addObject();
      int start = text.starts().get(run.first());
      entity.put("label", run.label());
      entity.put("text", text.text().substring(start, text.end(run.last())));
      entity.put("score", run.score());
      entity.put("start", places[run.first()][0]).put("end", places[run.last()][1]);
    }
  }

  /** Where each word begins and ends, in code points: what most languages' strings count in. */
  private static int[][] places(Words text, int words) {
    int[][] places = new int[words][];
    int at = 0; // of chars
    int points = 0; // up to there
    for (int i = 0; i < places.length; i++) {
      int start = text.starts().get(i);
      int begin = points + text.text().codePointCount(at, start);
      at = text.end(i);
      points = begin + text.text().codePointCount(start, at);
      places[i] = new int[] {begin, points};
    }
    return places;
  }
}
